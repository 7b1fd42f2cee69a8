"""Whether the cells of a label column name several labels each, and which: told by the cells themselves.

A cell such as `a;b` or `a|b` is several labels where other cells have these labels; where they do not, it is one label
that happens to contain the mark. What is made of it is always said, with what to type for the other reading.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sightx_cli.data.folders import natural_key
from sightx_cli.data.layout import AS_JUDGED, FOUND_OUT, TYPED, Layout
from sightx_cli.data.manifest import Manifest, build_manifest
from sightx_cli.data.spellings import unify_spellings
from sightx_cli.data.tables import tidy
from sightx_cli.data.text_columns import list_texts
from sightx_cli.errors import DataError
from sightx_cli.progress import Notice
from sightx_cli.task.label_text import SEPARATORS, choose_separator, join_labels

KIND = "multi-label"
MARKS = re.compile("[" + "".join(map(re.escape, SEPARATORS)) + "]")
OTHER_MARK = ","
"""Splits cells too, but only where --multi-label says so: a comma within a name is common."""

Names = tuple[str, ...]


@dataclass(frozen=True)
class LabelSets:
    """The cells of a label column as they are trained on, and what was made of them.

    With a `separator` each cell joins the labels of its image in the order of the classes, "" for none; without one
    each cell is one label, as it was.
    """

    cells: tuple[str, ...]
    separator: str = ""
    notices: tuple[Notice, ...] = ()


def read_label_sets(cells: Sequence[str], asked: bool | None = None, what: str = "label", by: str = TYPED) -> LabelSets:
    """Read cells (N,) as sets of labels where they are, or where `asked` says so, each label in one spelling.

    An empty cell is no label. `what` says what the cells are (see `unify_spellings`), `by` who asks (see `Layout`).

    Raises: `DataError` for names of which one contains `;` and another `|`.
    """
    texts = {cell: _split(cell, MARKS) for cell in dict.fromkeys(cells) if cell.strip()}
    if asked and not any(len(names) > 1 for names in texts.values()):
        texts = {cell: _split(cell, re.compile(OTHER_MARK)) for cell in texts}
    spelled, same = _spell(texts, cells, what)
    known = _find_sets(spelled)
    if asked:
        found = _join([spelled.get(cell, ()) for cell in cells], by)
        return LabelSets(found.cells, found.separator, (*found.notices, *same))
    if asked is False or not _are_sets(spelled, known):
        labels, same = unify_spellings(cells, what)
        said = [] if asked is False else _describe_whole(texts, spelled, known, cells)
        return LabelSets(tuple(labels), "", (*said, *same))
    whole = {cell: names for cell, names in texts.items() if not _is_split(spelled[cell], known)}
    found = _join([(cell,) if cell in whole else spelled.get(cell, ()) for cell in cells], "")
    said = _describe_whole(whole, spelled, known, cells)
    return LabelSets(found.cells, found.separator, (*found.notices, *said, *same))


def settle_label_sets(manifest: Manifest, layout: Layout = FOUND_OUT) -> Manifest:
    """Read the labels of a manifest as sets where they are, as `read_label_sets` does for a table."""
    labels = list_texts(manifest.frame["label"])
    found = read_label_sets(labels, layout.multi_label, by=layout.multi_label_by)
    if list(found.cells) == labels and not found.separator:
        return replace(manifest, notices=(*manifest.notices, *found.notices))
    frame = manifest.frame.assign(label=list(found.cells))
    return build_manifest(frame, manifest.root, manifest.kind, (*manifest.notices, *found.notices), found.separator)


def join_class_columns(rows: Sequence[Collection[str]], asked: bool | None = None, by: str = TYPED) -> LabelSets:
    """Read rows (N,) that each name the classes whose columns say yes, as sets of labels.

    Raises: `DataError` where it is said that an image has one label only, and as `read_label_sets` does.
    """
    if asked is False:
        wrong = next(place for place, row in enumerate(rows) if len(row) != 1)
        said = " and ".join(sorted(rows[wrong], key=natural_key)) or "no class"
        is_typed, count = by == TYPED, sum(len(row) != 1 for row in rows)
        found = "--no-multi-label" if is_typed else f"one label for each image, {by}"
        raise DataError(
            f"{found}: {count:,} row{'s have' if count != 1 else ' has'} none or several of the class columns; "
            f"row {wrong + 1} has {said}",
            f"{'leave --no-multi-label out' if is_typed else 'name a --model of several labels'}, or give each row one "
            "class",
        )
    return _join([tuple(row) for row in rows], by if asked else "")


def _split(cell: str, marks: re.Pattern[str]) -> Names:
    """Split a cell into the names between marks, each once; a cell of marks alone is one name."""
    return tuple(dict.fromkeys(name for name in map(tidy, marks.split(cell)) if name)) or (cell,)


def _spell(texts: Mapping[str, Names], cells: Sequence[str], what: str) -> tuple[dict[str, Names], list[Notice]]:
    """Give every name in the cells one spelling; also what became the same by it."""
    named = [name for cell in cells for name in texts.get(cell, ())]
    unified, notices = unify_spellings(named, what)
    spelling = dict(zip(named, unified, strict=True))
    return {cell: tuple(dict.fromkeys(spelling[name] for name in names)) for cell, names in texts.items()}, notices


def _find_sets(texts: Mapping[str, Names]) -> dict[str, set[frozenset[str]]]:
    """Find, for each name, the different sets of names that cells with it have."""
    found: dict[str, set[frozenset[str]]] = defaultdict(set)
    for names in texts.values():
        for name in names:
            found[name].add(frozenset(names))
    return found


def _are_sets(texts: Mapping[str, Names], known: Mapping[str, set[frozenset[str]]]) -> bool:
    """Whether cells are made of other cells' labels.

    Either each part of one is a cell by itself, or each recurs in other cells and there are no more names than there
    are different cells: names such as `carcinoma; ductal` share words too, but each brings one of its own.
    """
    several = [names for names in texts.values() if len(names) > 1]
    if any(all(frozenset((name,)) in known[name] for name in names) for names in several):
        return True
    recur = any(all(len(known[name]) > 1 for name in names) for names in several)
    return recur and len(known) <= len(set().union(*known.values()))


def _is_split(names: Names, known: Mapping[str, set[frozenset[str]]]) -> bool:
    """Whether a cell is several labels, in a column where cells are: one of its parts at least is another cell's."""
    return any(len(known[name]) > 1 for name in names)


def _join(rows: Sequence[Names], by: str) -> LabelSets:
    """Join the labels of each row; `by` says who asks for that (see `Layout`), "" where the labels tell."""
    names = {name for row in rows for name in row}
    separator = choose_separator(names)
    if separator is None:
        shown = [next(name for name in sorted(names) if mark in name) for mark in SEPARATORS]
        raise DataError(
            f"images have several labels, and these contain what would separate them: {' and '.join(map(repr, shown))}",
            f"rename one of them, without {SEPARATORS[0]}",
        )
    order = {name: place for place, name in enumerate(sorted(names, key=natural_key))}
    cells = tuple(join_labels(sorted(set(row), key=order.__getitem__), separator) for row in rows)
    several, none = sum(len(set(row)) > 1 for row in rows), sum(not row for row in rows)
    example = next((cell for cell in cells if separator in cell), "")
    done = "judged" if by == AS_JUDGED else "learned"
    text = (
        (f"{by}: " if by else "")
        + f"{several:,} of {len(cells):,} images have several labels"
        + (f", such as {example}" if example else "")
        + (f", and {none:,} none" if none else "")
        + f": each of the {len(names):,} labels is {done} as a question of its own"
        + ("" if by else "; if each image has one label, add --no-multi-label")
    )
    notices = [Notice(KIND, text, several)]
    always = [name for name in order if all(name in row for row in rows)]
    if always:
        lost = "what tells it from others is not measured" if by == AS_JUDGED else "cannot be learned"
        text = f"every image has the label {' and '.join(always)}: it tells nothing apart, and {lost}"
        notices.append(Notice("constant-label", text, len(always), warns=True))
    return LabelSets(cells, separator, tuple(notices))


def _describe_whole(
    texts: Mapping[str, Names],
    spelled: Mapping[str, Names],
    known: Mapping[str, set[frozenset[str]]],
    cells: Sequence[str],
) -> list[Notice]:
    """Say which cells are taken as one label though they contain a mark; a warning where parts are labels elsewhere."""
    marked = [cell for cell, names in texts.items() if len(names) > 1]
    plain = {cell: _split(cell, re.compile(OTHER_MARK)) for cell in texts}
    by_name = _find_sets(plain)
    listed = [cell for cell, names in plain.items() if len(names) > 1 and _is_split(names, by_name)]
    listed = listed if _are_sets(plain, by_name) else []
    notices = []
    for found, what, warns in (
        (marked, "; or |", any(_is_split(spelled[cell], known) for cell in marked)),
        (listed, "a comma between other labels", True),
    ):
        rows, others = sum(cell in found for cell in cells), len(found) - 1
        if found:
            said = f" and {others:,} more contain {what}, each" if others else f" contains {what},"
            text = (
                f"{found[0]!r}{said} read as one label ({rows:,} images); if an image may have several labels, "
                "add --multi-label"
            )
            notices.append(Notice(KIND, text, rows, warns=warns))
    return notices
