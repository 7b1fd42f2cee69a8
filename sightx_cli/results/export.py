"""What `export` returns: the files of each format, and how they were held against the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightx_cli.progress import Notice
from sightx_cli.results.json_form import to_object

ALL = "all"
"""The format that stands for every one."""


@dataclass(frozen=True)
class FileParity:
    """How one exported file answers beside the model, on the same images."""

    images: int
    largest_difference: float
    """Of any probability."""
    agreement: float
    """The share of images with the same label, 0 to 1."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `parity`."""
        return to_object(vars(self))


@dataclass(frozen=True)
class FormatExport:
    """One format that was written, and agrees with the model."""

    format: str
    precision: str
    folder: Path
    files: tuple[Path, ...]
    bytes: int
    parity: FileParity
    any_size: FileParity | None
    """Of the file that takes images of any size; None where the format has none."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of one format."""
        return to_object(vars(self))


@dataclass(frozen=True)
class ExportResult:
    """What was exported of a run."""

    format: str
    """As asked for: one, or all."""
    precision: str
    exports: tuple[FormatExport, ...]
    run: Path
    seconds: Mapping[str, float]
    notices: tuple[Notice, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `export`: of several formats, the files of all and the worst parity."""
        parities = [one.parity for one in self.exports]
        joined = FileParity(
            min(one.images for one in parities),
            max(one.largest_difference for one in parities),
            min(one.agreement for one in parities),
        )
        files = [file for one in self.exports for file in one.files]
        total = sum(one.bytes for one in self.exports)
        return to_object({**vars(self), "files": files, "bytes": total, "parity": joined})
