"""The names that people give to the columns of their tables, and what each means."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

NAMED_COLUMNS = 20
"""The most columns that a message lists: a spreadsheet saved whole has 16,384."""


def _list_names(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


IMAGE_NAMES = _list_names(
    "image images img imagename imgname imagefile imgfile imagefilename imgfilename imagepath imgpath imagefilepath",
    "imageid imgid idcode imageindex imageuri file files filename fname filepath path",
)
"""Columns that hold the names of the images, as `simplify` gives them."""
IDENTIFIER_NAMES = _list_names("id name uid key")
"""Columns that do so where no other can."""
LABEL_NAMES = _list_names(
    "label labels labelname class classes classname classlabel category categoryname diagnosis target targets y grade",
    "species",
)
"""Columns that hold the labels."""
LIKELY_LABEL_NAMES = _list_names(
    "dx level breed variety severity stage disease finding findings findinglabels groundtruth truth gt type annotation",
    "tag outcome quality defect material classid categoryid labelid",
)
"""Columns that do so where no other can."""
PART_COLUMN_NAMES = _list_names("split set subset partition datasplit dataset part phase usage")
"""Columns that hold the part, train, valid or test, where all their values are names of parts."""
_OWNER = re.compile(
    r"(?:patient|subject|participant|person|individual|donor|animal|mouse|lesion|case|study|specimen|slide|plate|wafer|"
    r"batch|lot|mrn)(?:id|ids|no|nr|number|name|code|identifier|uid)?"
)


def simplify(name: str) -> str:
    """Return a column's name without case, blanks and signs: Image ID, image_id and ImageId are one name."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFC", name).casefold())


def is_header(row: Sequence[str]) -> bool:
    """Whether a row is a header: it has a cell that is a known name of the column with the images."""
    return any(simplify(cell) in IMAGE_NAMES for cell in row)


def names_owner(name: str) -> bool:
    """Whether a column's name says whose image it is, such as patient_id: what groups are made of."""
    return _OWNER.fullmatch(simplify(name)) is not None


def list_names(names: Sequence[str]) -> str:
    """List the names of columns in words, the first of many."""
    more = [f"and {len(names) - NAMED_COLUMNS:,} more"] if len(names) > NAMED_COLUMNS else []
    return ", ".join([f"{name:.40}" for name in names[:NAMED_COLUMNS]] + more) or "none"
