"""Labels that stand in the names of the files, as in cat_12.jpg, found by a regular expression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sightx_cli.data.folders import Folder, Listing, list_images
from sightx_cli.data.layouts.part_names import name_parts
from sightx_cli.data.manifest import Manifest, build_manifest
from sightx_cli.data.name_groups import find_names, name_files
from sightx_cli.errors import DataError, quote
from sightx_cli.progress import Notice

if TYPE_CHECKING:
    import pandas as pd

EXAMPLES_SHOWN = 3


def read_name_labels(files: Sequence[str], expression: str) -> list[str]:
    """Read the label in each file's name, its folders left aside: the first group, else the whole match; "" for none.

    Raises: `DataError` where no name matches.
    """
    names = name_files(files)
    labels = find_names(expression, names)
    if not any(labels):
        shown = ", ".join(names[:EXAMPLES_SHOWN])
        raise DataError(
            f"--label-by {quote(expression)} matches none of the {len(names):,} file names, such as {shown}",
            r"for names such as cat_12.jpg type --label-by '^[a-z]+'",
        )
    return labels


def drop_unmatched(frame: pd.DataFrame, expression: str) -> tuple[pd.DataFrame, list[Notice]]:
    """Leave out the images whose names have no label (column label ""), and say how many."""
    lost = frame.loc[frame["label"] == "", "path"].tolist()
    if not lost:
        return frame, []
    text = (
        f"left out {len(lost):,} of {len(frame):,} images, whose names do not match --label-by {quote(expression)}, "
        f"such as {name_files(lost[:1])[0]}"
    )
    return frame[frame["label"] != ""].reset_index(drop=True), [Notice("unlabelled", text, len(lost), warns=True)]


def load_named_images(top: Folder, expression: str) -> Manifest:
    """Read a folder of images whose names hold their labels, with the folders below it; no image is opened.

    Folders directly in it that are parts, one of them train, are the split, and what is in none of them is left out.
    Any other folder says nothing.

    Raises: `DataError` for a folder without images, or where no name matches.
    """
    import pandas as pd

    root, listing = top.path, Listing(kinds=top.kinds)
    files = list(list_images(top, listing))
    if not files:
        said = "; ".join(notice.text for notice in listing.list_notices())
        raise DataError(f"{root} contains no images", said or "give a folder of images, or a table of them")
    names = [file.relative_to(root) for file in files]
    tops = [name.parts[0] if len(name.parts) > 1 else "" for name in names]
    parts = name_parts(set(tops) - {""})
    if "train" not in parts.values() or len(set(parts.values())) == 1:
        parts = {}
    frame = pd.DataFrame(
        {
            "image": [name.as_posix() for name in names],
            "path": [str(file) for file in files],
            "label": read_name_labels([str(file) for file in files], expression),
            "split": [parts.get(top, "") for top in tops],
            "group": "",
        },
        dtype=str,
    )
    notices = list(listing.list_notices())
    if parts and (other := frame["split"] == "").any():
        first = frame.loc[other, "image"].iloc[0]
        text = f"left out {int(other.sum()):,} images beside {', '.join(parts)}, such as {first}"
        notices.append(Notice("other-folders", text, int(other.sum()), warns=True))
        frame = frame[~other].reset_index(drop=True)
    frame, unmatched = drop_unmatched(frame, expression)
    return build_manifest(frame, root, "split-folders" if parts else "folder", [*notices, *unmatched])
