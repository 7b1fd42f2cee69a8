"""What the data set holds, in a few words: the classes by name, and how many images of each are in which part."""

from __future__ import annotations

from collections.abc import Mapping

from sightx_cli.data.manifest import Manifest
from sightx_cli.data.text_columns import count_texts, find_rows
from sightx_cli.progress import Notice
from sightx_cli.task.label_text import count_names, split_names

CLASSES_SHOWN = 8
"""As many classes are named; of more, the largest and the smallest."""
NAMED_OF_MANY = 3
PARTS = ("train", "valid", "test")


def describe_classes(manifest: Manifest) -> Notice:
    """Say which classes there are, and how many images of each are in each part."""
    counts = count_by_part(manifest)
    parts = [part for part in PARTS if any(row.get(part) for row in counts.values())]
    classes = [label for label in manifest.classes if label]  # a row without a label is of no class
    sizes = {label: sum(counts.get(label, {}).values()) for label in classes}
    said = {label: describe_counts(counts.get(label, {}), parts) for label in classes}
    if len(sizes) <= CLASSES_SHOWN:
        listed = ", ".join(f"{label} ({said[label]})" for label in sizes)
    elif len(set(said.values())) == 1:
        listed = f"{classes[0]} … {classes[-1]} ({said[classes[0]]} each)"
    else:
        ordered = sorted(sizes, key=lambda label: -sizes[label])
        largest, smallest = ordered[:NAMED_OF_MANY], ordered[-NAMED_OF_MANY:]
        listed = (
            f"the largest {', '.join(f'{label} ({said[label]})' for label in largest)}; "
            f"the smallest {', '.join(f'{label} ({said[label]})' for label in smallest)}"
        )
    total = f"{len(manifest.frame):,} image{'s' * (len(manifest.frame) != 1)}"
    where = f", {' + '.join(parts)}" if parts else ""
    kinds = f"{len(sizes):,} class{'es' * (len(sizes) != 1)}"
    if manifest.separator:
        several = sum(len(split_names(label, manifest.separator)) != 1 for label in manifest.frame["label"])
        kinds = f"{len(sizes):,} labels, {several:,} images with none or several"
    bare = 0 if manifest.separator else count_texts(manifest.frame["label"]).get("", 0)
    unlabelled = f"{'; ' if listed else ''}{bare:,} without a label" if bare else ""
    text = f"{total} in {kinds}{where}: {listed}{unlabelled}"
    return Notice("classes", text, len(sizes))


def count_by_part(manifest: Manifest) -> dict[str, dict[str, int]]:
    """Count the images of each class in each part ("" where no split is given): {class: {part: images}}."""
    frame = manifest.frame
    counts: dict[str, dict[str, int]] = {}
    for part in frame["split"].unique():
        labels = count_texts(frame["label"], find_rows(frame["split"], (part,)))
        for name, images in count_names(labels, manifest.separator).items():
            counts.setdefault(name, {})[part] = images
    return counts


def describe_counts(counts: Mapping[str, int], parts: list[str]) -> str:
    """Write a class's numbers of images in the parts: 124 + 70; where there are no parts, 194."""
    if not parts:
        return f"{sum(counts.values()):,}"
    return " + ".join(f"{counts.get(part, 0):,}" for part in parts)
