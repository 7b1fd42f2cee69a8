"""Cells of the CSV files that SightX writes: no name is taken for a formula when a spreadsheet opens the file.

A file may be called `=HYPERLINK("http://…")`, and a spreadsheet would run it. OWASP's "CSV Injection" lists the signs
that begin a formula; a cell that begins with one gets an apostrophe in front, which makes it text there. What reads a
table here takes the apostrophe off again, so every name comes back as it was.
"""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?")


def shield_cell(value: object) -> object:
    """Return a value as it is written to a CSV file: text that could be a formula behind an apostrophe."""
    if not isinstance(value, str) or not _FORMULA.match(value) or _NUMBER.fullmatch(value):
        return value
    return f"'{value}"


def unshield_cell(text: str) -> str:
    """Return what `shield_cell` was given: one apostrophe less where it may have put one."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
