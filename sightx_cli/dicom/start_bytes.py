"""Tells a DICOM file by its first bytes, with or without the preamble that newer files have."""

from __future__ import annotations

import re

PREAMBLE_BYTES, MAGIC = 128, b"DICM"

_GROUPS = (0x0002, 0x0008)
"""The groups that a file without preamble begins with: the facts about the file, or about the study."""

_LEAST_ELEMENTS = 3
"""So many elements in their order are no coincidence."""

_LONG_FORMS = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
"""Of explicit elements: types whose length has four bytes, after two that are empty."""

_SHORT_TEXT = 256
"""More than any element has that a file begins with."""


def is_dicom_start(start: bytes) -> bool:
    """Whether a file that begins with these bytes (512 of them, or all there are) is DICOM."""
    return start[PREAMBLE_BYTES : PREAMBLE_BYTES + 4] == MAGIC or _is_bare(start)


def _is_bare(start: bytes) -> bool:
    """Whether a little-endian data set begins here: elements of a few bytes each, in ascending order of their tags."""
    place, before, elements = 0, 0, 0
    while place + 8 <= len(start) and elements < _LEAST_ELEMENTS:
        group, number = (int.from_bytes(start[place + at : place + at + 2], "little") for at in (0, 2))
        tag, kind = group << 16 | number, start[place + 4 : place + 6]
        if tag <= before or (not elements and group not in _GROUPS) or group > 0x0010:
            return False
        head, length = 8, int.from_bytes(start[place + 4 : place + 8], "little")
        if re.fullmatch(rb"[A-Z]{2}", kind):
            head = 12 if kind in _LONG_FORMS else 8
            length = int.from_bytes(start[place + head - (4 if head == 12 else 2) : place + head], "little")
        if length > _SHORT_TEXT:
            return False
        place, before, elements = place + head + length, tag, elements + 1
    return elements == _LEAST_ELEMENTS
