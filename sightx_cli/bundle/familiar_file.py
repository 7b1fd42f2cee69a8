"""The file of a bundle that tells unfamiliar images, loaded and checked."""

from __future__ import annotations

from pathlib import Path

from sightx_cli import runs
from sightx_cli.bundle.facts import BundleFacts, check_bundled
from sightx_cli.bundle.familiarity import FamiliarImages, read_vectors
from sightx_cli.errors import RunError


def load_familiar(run: Path, facts: BundleFacts) -> FamiliarImages | None:
    """Load the features of training images that tell unfamiliar ones; None where the bundle has none.

    Raises RunError where the file is missing or another, or is not of these facts.
    """
    if facts.familiarity is None:
        return None
    check_bundled(run, facts, runs.BUNDLE_FAMILIAR)
    path = run / runs.BUNDLE / runs.BUNDLE_FAMILIAR
    try:
        vectors = read_vectors(path)
    except ValueError as error:
        raise RunError(f"{path}: cannot be read ({error})", "fit again, or name another run") from error
    if vectors.ndim != 2 or len(vectors) != facts.familiarity.vectors or len(vectors) < facts.familiarity.neighbours:
        raise RunError(f"{path}: is not what {runs.BUNDLE_FACTS} says of it", "fit again, or name another run")
    return FamiliarImages(vectors, facts.familiarity.neighbours)
