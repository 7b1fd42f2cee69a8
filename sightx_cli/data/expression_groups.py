"""Groups by an expression over file names, and what it made of them: one that fits few names shows only here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sightx_cli.data.name_groups import FEW, name_files
from sightx_cli.data.splits import assign_groups, find_group_column
from sightx_cli.data.tags.tag_groups import find_suggestion
from sightx_cli.data.text_columns import count_texts
from sightx_cli.errors import quote
from sightx_cli.progress import Listener, Notice

if TYPE_CHECKING:
    import pandas as pd

MATCHED, ONE_GROUP = "matched-groups", "one-group"
"""Kinds of notices: how many names an expression matched, and that it gives most images the same value."""


def group_images(
    frame: pd.DataFrame, group_by: str | None, listener: Listener, flag: str = "--group-by"
) -> pd.DataFrame:
    """Fill the column `group` as `assign_groups` does, and raise what it raises; say what an expression matched."""
    grouped = assign_groups(frame, group_by, flag)
    if group_by is None or find_group_column(frame, group_by) is not None:
        return grouped
    listener.notice(_describe_matches(grouped, f"{flag} {quote(group_by)}"))
    if (largest := find_large_group(grouped)) is not None:
        name, count = largest
        text = (
            f"{flag} {quote(group_by)}: the expression gives the same value, {name!r}, for {count:,} of {len(frame):,} "
            "images, which count as one group"
        )
        guess = find_suggestion(frame)
        if guess is not None and guess.expression != group_by:
            text += f"; {flag} {quote(guess.expression)} makes {guess.groups:,} groups"
        listener.notice(Notice(ONE_GROUP, text, count, warns=True))
    return grouped


def find_large_group(frame: pd.DataFrame) -> tuple[str, int] | None:
    """Find the group that more than half of the images are of, and count them; None if there is none, or it is few."""
    counts = {name: count for name, count in count_texts(frame["group"]).items() if name}
    name = max(counts, key=lambda one: counts[one], default="")
    if not name or counts[name] <= max(FEW, len(frame) / 2):
        return None
    return name, counts[name]


def _describe_matches(grouped: pd.DataFrame, option: str) -> Notice:
    is_alone = (grouped["group"] == "").to_numpy()
    alone, images = int(is_alone.sum()), len(grouped)
    groups = len(set(grouped["group"]) - {""})
    made = f"in {groups:,} group{'s' * (groups != 1)}"
    if not alone:
        matched = f"all {images:,} file names match" if images > 1 else "the only file name matches"
        return Notice(MATCHED, f"{option}: {matched}, {made}", images)
    first = name_files([grouped["image"].iloc[int(is_alone.argmax())]])[0]
    rest = f"{alone:,} match nothing, such as {first}, and count each alone"
    if alone == 1:
        rest = f"1 matches nothing, {first}, and counts alone"
    return Notice(MATCHED, f"{option}: {images - alone:,} of {images:,} file names match, {made}; {rest}", alone, True)
