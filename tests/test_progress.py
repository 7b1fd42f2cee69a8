"""What work says while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from sightx_cli.progress import Recorder, reporting


@dataclass
class Ending(Recorder):
    """Records the tasks that ended too."""

    ended: list[str] = field(default_factory=list)

    def finish(self, task: str) -> None:
        """Record the task."""
        self.ended.append(task)


def test_a_task_is_reported_while_a_block_runs_and_ends_whatever_happens() -> None:
    heard = Ending()
    with reporting(heard, "writing the model"):
        assert (heard.tasks, heard.ended) == (["writing the model"], [])
    assert heard.ended == ["writing the model"]
    with pytest.raises(ValueError, match="no"), reporting(heard, "opening the network"):
        raise ValueError("no")
    assert heard.ended[-1] == "opening the network"
