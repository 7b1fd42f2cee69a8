"""Where inspections and evaluations lie: a folder of something else is never taken, nor said to be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sightx_cli.errors import RunError
from sightx_cli.report.result_folder import choose_evaluation_folder, choose_inspection_folder


@pytest.mark.parametrize(
    ("choose", "mark"), [(choose_inspection_folder, "findings.json"), (choose_evaluation_folder, "metrics.json")]
)
def test_overwrite_is_advised_only_where_it_is_taken(
    choose: Callable[[str, Path | None, bool], Path], mark: str, tmp_path: Path
) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "thesis.tex").write_text("years")
    for overwrite in (False, True):
        with pytest.raises(RunError, match="exists already, and is not an") as caught:
            choose("scans", tmp_path / "made", overwrite)
        assert caught.value.hint == "choose another name"
    (tmp_path / "made" / "thesis.tex").unlink()
    (tmp_path / "made" / mark).write_text("{}")
    with pytest.raises(RunError, match=r"exists already$") as caught:
        choose("scans", tmp_path / "made", False)
    assert "--overwrite" in caught.value.hint
    assert choose("scans", tmp_path / "made", True) == tmp_path / "made"
