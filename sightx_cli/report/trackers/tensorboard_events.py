"""TensorBoard: event files in the run's own folder, so `tensorboard --logdir runs` shows every run side by side."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from sightx_cli.errors import quote
from sightx_cli.runs import TENSORBOARD


class TensorboardEvents:
    """Writes through torch's own writer, which needs the package tensorboard."""

    name: ClassVar[str] = "tensorboard"
    package: ClassVar[str] = "tensorboard"

    def __init__(self) -> None:
        self._writer: Any = None
        self._parameters: Mapping[str, str] = {}
        self._step = 0

    def begin(self, run: Path, parameters: Mapping[str, str]) -> str:
        """Begin event files in the run's folder; those of a fit that goes on are written anew, with all its epochs."""
        self._parameters = parameters
        shutil.rmtree(run / TENSORBOARD, ignore_errors=True)
        self._writer = open_writer(run / TENSORBOARD)
        rows = [f"| {name} | {value} |".replace("\n", " ") for name, value in parameters.items()]
        self._writer.add_text("plan", "\n".join(["| value | is |", "| --- | --- |", *rows]))
        self._writer.flush()
        return f"tensorboard --logdir {quote(run.parent)}"

    def log_epoch(self, step: int, figures: Mapping[str, float]) -> None:
        """Write each figure as a scalar."""
        self._step = step
        for name, value in figures.items():
            self._writer.add_scalar(f"epoch/{name}", value, step)
        self._writer.flush()

    def finish(self, run: Path, figures: Mapping[str, float], pictures: Mapping[str, Path]) -> None:
        """Write the final figures, the pictures, and, for its table of runs, the parameters, where the run lies now."""
        import numpy as np
        from PIL import Image
        from torch.utils.tensorboard.summary import hparams

        self.abort()
        self._writer = open_writer(run / TENSORBOARD)
        for summary in hparams(dict(self._parameters), dict(figures)):  # type: ignore[no-untyped-call]
            self._writer.file_writer.add_summary(summary)
        for name, value in figures.items():
            self._writer.add_scalar(name, value, self._step)
        for name, path in pictures.items():
            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("RGB"))
            self._writer.add_image(name, pixels, self._step, dataformats="HWC")
        self.abort()

    def abort(self) -> None:
        """Close the event file."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()


def open_writer(folder: Path) -> Any:
    """Open a new event file in a folder."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))
