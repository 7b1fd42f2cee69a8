"""Points of a journal: after each epoch, all that the training needs to go on from there, as files with checksums."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sightx_cli import runs
from sightx_cli.filesystem import flush_to_disk, read_checksum
from sightx_cli.recipe.stage_titles import describe_stage


@dataclass(frozen=True)
class Point:
    """The end of one epoch, or the head's solution: where the training stood, and the files that hold its state."""

    number: int
    """Epochs of the whole fit until here; 0 is the solved head."""
    stage: int
    """The recipe's stage; -1 is the solved head."""
    title: str
    """What the history calls the stage."""
    epoch: int
    epochs: int
    is_last: bool
    """Whether the stage ends here."""
    state: str
    """The file of weights, optimizer, random states and history, in the checkpoint's folder."""
    best: str
    """The file of the best epoch's weights and probabilities."""
    checksums: Mapping[str, int]
    """The CRC-32 of each file."""

    def describe(self) -> str:
        """Say where the training stood, such as: stage: last 2 stages and head, epoch 3 of 8."""
        if not self.epochs:
            return self.title
        return f"{describe_stage(self.title, True)}, epoch {self.epoch} of {self.epochs}"

    def to_json(self) -> dict[str, Any]:
        """Return the point as the journal holds it."""
        return asdict(self)

    def is_whole(self, folder: Path) -> bool:
        """Tell whether the files in the checkpoint's folder are what was written."""
        try:
            return all(read_checksum(folder / name) == checksum for name, checksum in self.checksums.items())
        except OSError:
            return False


def write_point_file(path: Path, write: Callable[[Path], object]) -> int:
    """Write a file of a point, whole and on the disk when this returns; returns its checksum. Raises OSError."""
    checksum = 0

    def write_through(aside: Path) -> None:
        nonlocal checksum
        write(aside)
        checksum = read_checksum(aside)
        flush_to_disk(aside)

    runs.write_file(path, write_through)
    flush_to_disk(path.parent)
    return checksum


def remove_others(folder: Path, points: Sequence[Point]) -> None:
    """Remove the files of points that are not among these."""
    needed = {name for point in points for name in point.checksums}
    for file in folder.glob("*.safetensors"):
        if file.name not in needed:
            file.unlink(missing_ok=True)
