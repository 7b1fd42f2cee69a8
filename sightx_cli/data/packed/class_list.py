"""The names of classes that shards give as numbers: a classes.txt beside them, one name a line, the first for 0."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sightx_cli.errors import DataError, quote
from sightx_cli.progress import Notice

FILES = ("classes.txt", "class_names.txt", "labels.txt")


def name_class_numbers(cells: Sequence[str], folder: Path) -> tuple[Sequence[str], list[Notice]]:
    """Return labels (N,) with the names of the list in place of numbers; as they are where they are no numbers.

    Raises: `DataError` for a number that has no line, or a list that cannot be read.
    """
    numbers = {cell for cell in cells if cell}
    path = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if not numbers or not all(cell.isdecimal() for cell in numbers):
        return cells, []
    if path is None:
        text = f"the classes are numbers; a file {FILES[0]} in {folder} names them, one a line, the first for 0"
        return cells, [Notice("class-names", text, len(numbers))]
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}", "save it as UTF-8 text, one class a line") from error
    while names and not names[-1]:
        names.pop()
    highest = max(numbers, key=int)
    if int(highest) >= len(names):
        raise DataError(
            f"{path} has {len(names):,} lines, and there is a label {highest}: the first line is the class 0",
            f"add the missing names, or move it away: mv {quote(path)} {quote(path.with_suffix('.bak'))}",
        )
    doubled = next((name for place, name in enumerate(names) if not name or name in names[:place]), None)
    if doubled is not None:
        raise DataError(
            f"{path} has {'an empty line' if not doubled else f'{doubled!r} twice'}", "give each class a name"
        )
    text = f"the numbers of the classes are named by {path.name}: 0 is {names[0]}, {highest} is {names[int(highest)]}"
    return [names[int(cell)] if cell else "" for cell in cells], [Notice("class-names", text, len(names))]
