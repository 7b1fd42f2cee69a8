"""What is said of a model beside its predictions: what its status cannot tell, the figure that it is known by."""

from __future__ import annotations

import json
from pathlib import Path

from sightx_cli import runs
from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.filesystem import read_ordinary
from sightx_cli.progress import Listener, Notice
from sightx_cli.task.task import Task

STRANGE_SHARE, LEAST_IMAGES = 0.9, 5
"""From this share of the images on, of so many at least, that are unlike the training images, the model is doubted."""


def find_untold(facts: BundleFacts) -> list[Notice]:
    """Find what the status cannot tell with this model."""
    found = []
    if facts.sets is None:
        found.append(
            Notice(
                "no-status",
                "the column status is empty where an image is not unfamiliar: this model had too few images to measure "
                "how sure it is",
            )
        )
    if facts.familiarity is None:
        found.append(
            Notice(
                "no-familiarity",
                "no image is called unfamiliar: this model keeps no training images to compare with, its fit says why",
            )
        )
    return found


def find_strangeness(images: int, unfamiliar: int, run: Path) -> list[Notice]:
    """Find whether hardly any of the images that were read is like the training images: the run may be a wrong one."""
    if images < LEAST_IMAGES or unfamiliar < STRANGE_SHARE * images:
        return []
    many = f"all {images:,}" if unfamiliar == images else f"{unfamiliar:,} of the {images:,}"
    text = (
        f"{many} images are unlike the training images of {run}: it may be the wrong model for them; name another run "
        "with --model, or look at their size, colours and what they show"
    )
    return [Notice("wrong-model", text, unfamiliar, warns=True)]


def read_figure(run: Path, task: Task, listener: Listener) -> tuple[str, float] | None:
    """Read the figure of a run's valid part that people ask for first; None where it has none, as a copied bundle."""
    path = run / runs.METRICS
    try:
        return task.headline.name, float(json.loads(read_ordinary(path))["valid"]["metrics"][task.headline.name])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        listener.warn(f"{path} cannot be read ({error}): the figures of this model are not shown")
        return None
