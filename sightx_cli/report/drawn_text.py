"""Text in pictures that Pillow draws: fonts, and lines that fit a width."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from PIL import ImageFont


@functools.cache
def load_font(size_px: int) -> Any:
    """Load the font that matplotlib ships: Pillow's own knows Latin letters only."""
    import matplotlib as mpl

    file = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(file), size_px)


def load_font_for(text: str, size_px: int) -> Any:
    """Load a font that has the letters of a text; where none at hand has all, the one that `load_font` gives."""
    from sightx_cli.report.fonts import OWN, find_families, list_fonts, read_letters

    families, _ = find_families(set(text))
    for family, file in list_fonts() if families != (OWN,) else ():
        if family in families and all(ord(letter) in read_letters(file) for letter in text):
            return ImageFont.truetype(file, size_px)
    return load_font(size_px)


def cut_text(draw: Any, text: str, font: Any, width: float, from_end: bool = False) -> str:
    """Cut text to a width, marked with …; a name loses its beginning, since its end tells it apart."""
    text = "".join(c if c.isprintable() else "·" for c in text)
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength("…" + text, font) > width:
        text = text[1:] if from_end else text[:-1]
    return "…" + text if from_end else text + "…"


def wrap_text(draw: Any, text: str, font: Any, width: float) -> list[str]:
    """Break text between words into lines of a width."""
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and draw.textlength(longer, font) > width:
            lines.append(line)
            longer = word
        line = longer
    return [cut_text(draw, one, font, width) for one in [*lines, line] if one]
