"""One Ray on this machine for all tests that do not start or stop one themselves."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sightx_cli.cluster.ray_cluster import Cluster, joining_cluster
from sightx_cli.progress import Silent


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A local Ray with a worker for each processor, which everything in the test's process uses."""
    with joining_cluster(None, Silent()) as found:
        yield found


@pytest.fixture
def copy_digits(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Path]:
    """Copies so many digits, again and again the same, to `new/` of the current folder, with a file that is none."""
    monkeypatch.chdir(tmp_path)

    def copy(count: int) -> Path:
        (tmp_path / "new").mkdir()
        files = sorted(digits.rglob("*.png"))[::7]
        for number in range(count):
            shutil.copy(files[number % len(files)], tmp_path / "new" / f"{number:03}.png")
        (tmp_path / "new" / "bad.png").write_text("text")
        return Path("new")

    return copy
