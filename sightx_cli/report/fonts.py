"""Fonts for names in any script: one at hand that has the letters, or a number in place of a name that none has."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

OWN = "DejaVu Sans"
"""matplotlib's own: Latin, Greek, Cyrillic, Arabic, Hebrew, many symbols; no Chinese, Japanese, Korean, no emoji."""
BLANK = ("last resort", "adobe blank")
"""Fonts that claim every letter and draw a box, or nothing, for it."""
HEAVIEST = 500
"""The weight of the fonts looked at, at most: a bold one would stand out for no reason."""


@dataclass(frozen=True)
class DrawnNames:
    """Names as a picture can show them, the fonts to draw them with, and what its reader must know of them."""

    names: tuple[str, ...]
    families: tuple[str, ...]
    note: str = ""


def draw_names(names: Sequence[str], longest: int = 24) -> DrawnNames:
    """Choose fonts for names, cut to `longest` letters; a name that no font at hand has is shown by its number."""
    shown = [shorten_name("".join(c if c.isprintable() else "·" for c in name), longest) for name in names]
    families, lacking = find_families(set("".join(shown)))
    if not lacking:
        return DrawnNames(tuple(shown), families)
    known = ["".join(letter for letter in name if letter not in lacking).strip() for name in shown]
    numbered = [
        name if not set(name) & lacking else f"no. {place} {rest}".strip()
        for place, (name, rest) in enumerate(zip(shown, known, strict=True), 1)
    ]
    note = "no.: a class in the order of metrics.json; no font of this machine has the letters of its name"
    return DrawnNames(tuple(numbered), families, note)


def shorten_name(name: str, longest: int) -> str:
    """Cut a name to a length, marked with …."""
    return name if len(name) <= longest else name[: longest - 1] + "…"


def find_families(letters: set[str]) -> tuple[tuple[str, ...], set[str]]:
    """Find the font families that have these letters, matplotlib's own first; returns the letters that none has too."""
    families, missing = [OWN], {letter for letter in letters if ord(letter) not in read_letters(find_own_file())}
    for family, file in list_fonts() if missing else ():
        has = {letter for letter in missing if ord(letter) in read_letters(file)}
        if has:
            families.append(family)
            missing -= has
        if not missing:
            break
    return tuple(families), missing


def find_own_file() -> str:
    """Return the file of matplotlib's own font."""
    from matplotlib.font_manager import findfont

    return str(findfont(OWN))


@functools.cache
def list_fonts() -> tuple[tuple[str, str], ...]:
    """List the upright fonts at hand whose letters are outlines: family and file, by name."""
    from matplotlib.font_manager import fontManager

    found = {
        font.name: font.fname
        for font in fontManager.ttflist
        if font.style == "normal"
        and int(font.weight) <= HEAVIEST
        and not any(blank in font.name.lower() for blank in BLANK)
    }
    return tuple(sorted(found.items()))


@functools.cache
def read_letters(file: str) -> frozenset[int]:
    """Read which letters (code points) a font has; none if it cannot be read, or is made of bitmaps, as many emoji."""
    from matplotlib.ft2font import FT2Font

    try:
        font = FT2Font(file)
    except (OSError, RuntimeError):
        return frozenset()
    return frozenset(font.get_charmap()) if font.scalable else frozenset()
