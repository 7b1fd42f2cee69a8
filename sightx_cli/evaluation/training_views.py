"""Plain views of a finished run's training images, for what is calibrated on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sightx_cli.bundle.export_check import read_in_threads
from sightx_cli.bundle.exporter import Images
from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.data.pixels import read_plain_view
from sightx_cli.data.readers import ImageFileError
from sightx_cli.errors import UsageError, quote
from sightx_cli.evaluation.kept_images import find_kept_images

PART = "train"


def draw_training_views(run: Path, facts: BundleFacts, data: str | Path | None, most: int) -> Images:
    """Return up to `most` plain views (N, S, S, 3) of training images, spread over the part.

    `data` is where they lie now, if they moved. Raises UsageError where none is there.
    """

    def read(path: str) -> Images | None:
        try:
            return read_plain_view(path, facts.size_px, facts.fit, facts.reading)[0]
        except (ImageFileError, OSError):  # one that went bad since: the others tell as much
            return None

    kept = find_kept_images(run, PART, most, data)
    views = [view for view in read_in_threads(kept.paths, read) if view is not None]
    if not views:
        raise UsageError(
            f"--precision int8 is calibrated on training images, and none of this run's {kept.part:,} is where the fit "
            "read it",
            f"say where they are: sightx export {quote(run)} --precision int8 --data FOLDER",
        )
    return np.stack(views)
