"""Which of the images a model is judged on its fit has seen: of those, figures say little about new images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sightx_cli import runs
from sightx_cli.data.tables import read_table
from sightx_cli.errors import DataError
from sightx_cli.progress import Listener, Notice

KIND, VALIDATED = "trained-on", "validated-on"


@dataclass(frozen=True)
class KnownImages:
    """How many images, by the digests of their bytes, a run has seen."""

    trained: int = 0
    """The model learned from them."""
    validated: int = 0
    """Its best epoch, and perhaps its threshold, were chosen on them."""


def count_known_images(run: Path, digests: Sequence[str], listener: Listener) -> KnownImages:
    """Count the images that a run has seen, and say how many its model learned from, and how many it was judged on.

    A run without its list of images, as a copied bundle, cannot tell, which is said too.
    """
    path = run / runs.SPLIT
    try:
        frame = read_table(path).frame
        parts = {part: set(frame.loc[frame["split"] == part, "digest"]) - {""} for part in ("train", "valid")}
        if (run / runs.EARLIER).exists():  # of the runs that it started from
            before = read_table(run / runs.EARLIER).frame
            parts["train"] |= set(before.loc[before["split"] == "train", "digest"]) - {""}
    except (DataError, KeyError):
        text = f"whether the model was trained on some of these images is not known: {path} is not there, or is older"
        listener.notice(Notice(KIND, text))
        return KnownImages()
    trained, validated = (sum(digest in seen for digest in digests) for seen in parts.values())
    if trained:
        text = (
            f"the model was trained on {trained:,} of these {len(digests):,} images, byte for byte: on them it looks "
            "better than it is. Judge it on images that it has not seen"
        )
        listener.notice(Notice(KIND, text, trained, warns=True))
    if validated:
        text = (
            f"{validated:,} of these {len(digests):,} images are the model's own validation images, byte for byte: "
            "the fit chose and calibrated on them, so the figures are a little flattered"
        )
        listener.notice(Notice(VALIDATED, text, validated))
    return KnownImages(trained, validated)
