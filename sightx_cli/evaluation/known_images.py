"""Which of the images a model is judged on it was trained on: of those, figures say nothing about new images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sightx_cli import runs
from sightx_cli.data.tables import read_table
from sightx_cli.errors import DataError
from sightx_cli.progress import Listener, Notice

KIND = "trained-on"


def find_known_images(run: Path, digests: Sequence[str], listener: Listener) -> list[bool]:
    """Tell for each image, by the digest of its bytes, whether the run's model learned from it, and say how many.

    A run without its list of images, as a copied bundle, cannot tell, which is said too.
    """
    path = run / runs.SPLIT
    try:
        frame = read_table(path).frame
        trained = set(frame.loc[frame["split"] == "train", "digest"]) - {""}
    except (DataError, KeyError):
        listener.notice(
            Notice(
                KIND,
                f"whether the model was trained on some of these images is not known: {path} is not there, or is older",
            )
        )
        return [False] * len(digests)
    known = [digest in trained for digest in digests]
    if count := sum(known):
        text = (
            f"the model was trained on {count:,} of these {len(digests):,} images, byte for byte: on them it looks "
            "better than it is. Judge it on images that it has not seen"
        )
        listener.notice(Notice(KIND, text, count, warns=True))
    return known
