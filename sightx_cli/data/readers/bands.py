"""Which bands of a file become red, green and blue: those asked for, else those that the file says are colours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from sightx_cli.data.readers.base import ImageFileError, Reading, Remark

ALPHA_EXTRAS = (1, 2)
"""Of TIFF's tag ExtraSamples: transparency; anything else (0: unspecified) is data."""


@dataclass(frozen=True)
class Bands:
    """The bands that are read of a file, from 0, and what is said of it."""

    shown: tuple[int, ...]
    """One (grey), two (red and green) or three."""
    alpha: int | None = None
    """The band that is transparency."""
    are_colours: bool = True
    """Whether they are the colours of one picture, and share a range; else each has a range of its own."""
    remarks: tuple[Remark, ...] = ()


def choose_bands(
    count: int, colours: int, extras: tuple[int, ...], reading: Reading, path: str | Path, what: str
) -> Bands:
    """Choose among the `count` bands of a file, of which the first `colours` are grey (1) or red, green and blue (3).

    `colours` is 0 where the file does not say. `extras` tell what the bands after the colours are, as in a TIFF;
    `what` names the file in errors: "a TIFF with 5 bands of 32-bit fractions".

    Raises: `ImageFileError` for a band that it lacks, and where nothing says which bands to show.
    """
    first_extra = count - len(extras)
    alphas = [first_extra + place for place, kind in enumerate(extras) if kind in ALPHA_EXTRAS]
    if reading.bands is not None:
        if max(reading.bands) > count:
            raise ImageFileError(path, f"has no band {max(reading.bands)}: it is {what}", suggest_bands(count))
        shown = tuple(band - 1 for band in reading.bands)
        return Bands(shown, None, max(shown) < colours)
    data = count - len(alphas)
    alpha = alphas[0] if alphas else None
    if data == 1:
        return Bands((0,), alpha)
    if data == 2:
        text = "2 bands, shown as red and green"
        return Bands((0, 1), alpha, False, (Remark("bands", text, "--set image.bands=[2] reads the second alone"),))
    if data == 3:
        text = "3 bands that no colours are given for, shown as red, green and blue"
        remark = Remark("bands", text, "--set image.bands=[3,2,1] turns them round")
        return Bands((0, 1, 2), alpha, colours == 3, () if colours == 3 else (remark,))
    if colours == 3:
        more = "a fourth band" if data == 4 else f"{data - 3} more bands"
        text = f"{more} beside red, green and blue, which {'is' if data == 4 else 'are'} left out"
        advice = "--set image.bands=[4] reads it alone, [4,1,2] shows it as red"
        return Bands((0, 1, 2), alpha, True, (Remark("bands", text, advice, warns=True),))
    raise ImageFileError(path, f"is {what}, and nothing says which to show", suggest_bands(count))


def suggest_bands(count: int) -> str:
    """Say what to type to choose among `count` bands."""
    if count == 1:
        return "leave --set image.bands out"
    chosen = "[3,2,1]" if count >= 3 else "[1,2]"
    return f"choose up to three for red, green and blue, such as --set image.bands={chosen}, or one for grey"


def take_bands(image: Image.Image, reading: Reading, path: str | Path) -> Image.Image:
    """Return the bands asked for of an 8-bit image, as grey or RGB; raises `ImageFileError` for one that it lacks."""
    assert reading.bands is not None
    if image.mode in ("P", "PA", "1"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB" if image.mode != "1" else "L")
    names = image.getbands()
    chosen = choose_bands(len(names), 0, (), reading, path, f"an image with {count_bands(len(names))} of 8 bits")
    return merge_bands([image.getchannel(band) for band in chosen.shown])


def merge_bands(parts: list[Image.Image]) -> Image.Image:
    """Make one image of one (grey), two (red and green; blue stays black) or three bands of 8 bits."""
    if len(parts) == 1:
        return parts[0]
    return Image.merge("RGB", [*parts, Image.new("L", parts[0].size)][:3])


def count_bands(count: int) -> str:
    """Say how many bands: "1 band", "5 bands"."""
    return f"{count} band{'s' * (count != 1)}"
