"""What an alpha channel is: opaque, left at 0 by a program that does not use it, transparency, or data in its place."""

from __future__ import annotations

from PIL import Image

from sightx_cli.data.readers.base import Remark
from sightx_cli.data.readers.gate import list_bands

VISIBLE_SHARE = 0.001
"""Where fewer pixels can be seen than this, the channel was left at 0: taken as transparency it leaves nothing."""
DATA_SHARE, DATA_LEVELS = 0.5, 16
"""It is data where more than half of the pixels lie between 0 and 255, on at least so many levels: cut-outs have such
pixels only along their edges, and a veil over all has one level."""

UNUSED = Remark("alpha", "an alpha channel that is 0 nearly everywhere, which is ignored")
TRANSPARENT = Remark("alpha", "transparent parts, laid over white")
_DATA = "an alpha channel that varies as data do; it is taken for transparency, over white"
DATA = Remark("alpha", _DATA, "--set image.bands=[1,2,3] reads the colours alone, [4] what stands in it", warns=True)
DATA_BESIDE_GREY = Remark(
    "alpha", _DATA, "--set image.bands=[1] reads the grey alone, [2] what stands in it", warns=True
)


def judge_alpha(image: Image.Image, is_grey: bool = False) -> tuple[bool, tuple[Remark, ...]]:
    """Tell whether an image's alpha is transparency to be laid over white, and what is said of it."""
    levels = count_levels(image)
    pixels = sum(levels)
    if levels[255] == pixels:
        return False, ()
    if pixels - levels[0] <= VISIBLE_SHARE * pixels:
        return False, (UNUSED,)
    between = levels[1:255]
    is_data = sum(between) > DATA_SHARE * pixels and sum(count > 0 for count in between) >= DATA_LEVELS
    if not is_data:
        return True, (TRANSPARENT,)
    return True, (DATA_BESIDE_GREY if is_grey or image.mode == "LA" else DATA,)


def lay_over_white(image: Image.Image) -> Image.Image:
    """Return an image with transparency as RGB over white, as viewers and printed reports show it."""
    whole = Image.new("RGB", image.size)
    for top, bottom in list_bands(*image.size):
        layer = image.crop((0, top, image.width, bottom)).convert("RGBA")
        over = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
        whole.paste(over.convert("RGB"), (0, top))
    return whole


def drop_alpha(image: Image.Image) -> Image.Image:
    """Return an image's colours alone, as RGB; what it says of transparent colours is taken from it."""
    image.info.pop("transparency", None)
    return image.convert("RGB")


def count_levels(image: Image.Image) -> list[int]:
    """Count the pixels at each of the 256 levels of an image's alpha."""
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        return image.getchannel(image.mode[-1]).histogram()
    if image.mode == "P" and "transparency" in image.info:
        return _count_palette(image)
    levels = [0] * 256
    for top, bottom in list_bands(*image.size):
        part = image.crop((0, top, image.width, bottom)).convert("RGBA").getchannel("A").histogram()
        levels = [sum(pair) for pair in zip(levels, part, strict=True)]
    return levels


def _count_palette(image: Image.Image) -> list[int]:
    given = image.info["transparency"]
    alphas = list(given) if isinstance(given, bytes) else [255] * 256
    if isinstance(given, int):
        alphas[given] = 0
    levels = [0] * 256
    for alpha, count in zip(alphas + [255] * (256 - len(alphas)), image.histogram(), strict=True):
        levels[alpha] += count
    return levels
