"""What the data set holds, in a few words: the classes by name, and how many images of each are in which part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sightx_cli.data.manifest import Manifest
from sightx_cli.progress import Notice

if TYPE_CHECKING:
    import pandas as pd

CLASSES_SHOWN = 8
"""As many classes are named; of more, the largest and the smallest."""
NAMED_OF_MANY = 3
PARTS = ("train", "valid", "test")


def describe_classes(manifest: Manifest) -> Notice:
    """Say which classes there are, and how many images of each are in each part."""
    counts = count_by_part(manifest.frame)
    parts = [part for part in PARTS if any(row.get(part) for row in counts.values())]
    sizes = {label: sum(counts.get(label, {}).values()) for label in manifest.classes}
    said = {label: describe_counts(counts.get(label, {}), parts) for label in manifest.classes}
    if len(sizes) <= CLASSES_SHOWN:
        listed = ", ".join(f"{label} {said[label]}" for label in sizes)
    else:
        ordered = sorted(sizes, key=lambda label: -sizes[label])
        largest, smallest = ordered[:NAMED_OF_MANY], ordered[-NAMED_OF_MANY:]
        listed = (
            f"the largest {', '.join(f'{label} {said[label]}' for label in largest)}; "
            f"the smallest {', '.join(f'{label} {said[label]}' for label in smallest)}"
        )
    total = f"{len(manifest.frame):,} image{'s' * (len(manifest.frame) != 1)}"
    where = f", {' + '.join(parts)}" if parts else ""
    text = f"{total} in {len(sizes):,} class{'es' * (len(sizes) != 1)}{where}: {listed}"
    return Notice("classes", text, len(sizes))


def count_by_part(frame: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count the images of each class in each part ("" where no split is given): {label: {part: images}}."""
    counts: dict[str, dict[str, int]] = {}
    for (label, part), images in Counter(zip(frame["label"], frame["split"], strict=True)).items():
        counts.setdefault(label, {})[part] = images
    return counts


def describe_counts(counts: Mapping[str, int], parts: list[str]) -> str:
    """Write a class's numbers of images in the parts: 124 + 70; where there are no parts, 194."""
    if not parts:
        return f"{sum(counts.values()):,}"
    return " + ".join(f"{counts.get(part, 0):,}" for part in parts)
