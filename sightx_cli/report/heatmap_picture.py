"""A heatmap as a picture to look at or send: the image, the map over it, and what it is and is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sightx_cli.bundle.explainer import Heatmap
from sightx_cli.report.drawn_text import cut_text, load_font, load_font_for, wrap_text

PANEL_PX = 480
"""The longer side of the image and of the map beside it."""
FOR, AGAINST = (230, 97, 0), (30, 80, 220)
"""Orange and blue: told apart with every kind of colour blindness, and by their lightness in print."""
STRONGEST = 0.8
"""How much of the image the strongest colour covers."""
HATCH_PX = 6
_MARGIN_PX, _GAP_PX, _LEAST_WIDTH_PX, _LINE_PX, _BAR_PX = 16, 12, 720, 17, 12
_INK, _MUTED, _PAPER = "#1d2733", "#5b6b7b", "#ffffff"
_BESIDE_MAP = 0.01
"""From this share of the map on the border that pad adds is worth a word."""


def draw_heatmap(image: Image.Image, heatmap: Heatmap, name: str, said: str) -> Image.Image:
    """Draw an upright RGB image, called `name`, and its heatmap side by side; `said` is what the model says of it."""
    panel = fit_panel(image)
    placed = heatmap.place(panel.size)
    lines = list_words(heatmap, placed)
    width = max(2 * panel.width + _GAP_PX + 2 * _MARGIN_PX, _LEAST_WIDTH_PX)
    small, measure = load_font(13), ImageDraw.Draw(Image.new("RGB", (1, 1)))
    wrapped = [part for line in lines for part in wrap_text(measure, line, small, width - 2 * _MARGIN_PX)]
    top = 2 * _MARGIN_PX + 42
    below = top + panel.height + _MARGIN_PX
    words_top = below + _BAR_PX + 2 * _LINE_PX
    sheet = Image.new("RGB", (width, words_top + _LINE_PX * len(wrapped) + _MARGIN_PX), _PAPER)
    draw = ImageDraw.Draw(sheet)
    room = width - 2 * _MARGIN_PX
    for text, size_px, y, colour in ((name, 17, 12, _INK), (said, 14, 38, _MUTED)):
        font = load_font_for(text, size_px)
        draw.text((_MARGIN_PX, y), cut_text(draw, text, font, room, from_end=text is name), colour, font)
    sheet.paste(panel, (_MARGIN_PX, top))
    sheet.paste(colour_map(panel, placed), (_MARGIN_PX + panel.width + _GAP_PX, top))
    draw_scale(sheet, heatmap.class_name, below)
    for number, line in enumerate(wrapped):
        draw.text((_MARGIN_PX, words_top + number * _LINE_PX), line, _MUTED, small)
    return sheet


def fit_panel(image: Image.Image) -> Image.Image:
    """Bring an image to the size of a panel; a smaller one is enlarged, so that the map beside it can be read."""
    scale = PANEL_PX / max(image.size)
    width, height = (max(round(side * scale), 1) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2.0)


def colour_map(panel: Image.Image, placed: NDArray[np.float32]) -> Image.Image:
    """Colour the map (H, W) over the image in grey, so that no colour of its own is taken for the map's.

    What the network does not see (NaN) is hatched.
    """
    grey = np.asarray(panel.convert("L"), np.float32)[..., None] * 0.8 + 40
    strongest = float(np.nanmax(np.abs(placed), initial=0.0)) or 1.0
    values = np.nan_to_num(placed / strongest)[..., None]
    tint = np.where(values > 0, np.array(FOR, np.float32), np.array(AGAINST, np.float32))
    strength = STRONGEST * np.abs(values)
    colours = grey * (1 - strength) + tint * strength
    unseen = np.isnan(placed)
    rows, columns = np.indices(placed.shape)
    stripes = ((rows + columns) // HATCH_PX) % 2 == 0
    colours[unseen] = colours[unseen] * 0.6 + 70
    colours[unseen & stripes] -= 30
    return Image.fromarray(colours.clip(0, 255).astype(np.uint8))


def draw_scale(sheet: Image.Image, class_name: str, top: int) -> None:
    """Draw the scale of colours, from what speaks against the class to what speaks for it."""
    draw, width = ImageDraw.Draw(sheet), sheet.width - 2 * _MARGIN_PX
    shares = np.linspace(-1, 1, width, dtype=np.float32)[None, :].repeat(_BAR_PX, 0)
    sheet.paste(colour_map(Image.new("RGB", (width, _BAR_PX), (190, 190, 190)), shares), (_MARGIN_PX, top))
    font, y = load_font_for(class_name, 13), top + _BAR_PX + 2
    shown = cut_text(draw, class_name, font, width / 3)
    left, middle, right = f"speaks against {shown}", "neither", f"speaks for {shown}"
    draw.text((_MARGIN_PX, y), left, _INK, font)
    draw.text(((sheet.width - draw.textlength(middle, load_font(13))) / 2, y), middle, _MUTED, load_font(13))
    draw.text((sheet.width - _MARGIN_PX - draw.textlength(right, font), y), right, _INK, font)


def list_words(heatmap: Heatmap, placed: NDArray[np.float32]) -> list[str]:
    """List what the reader must know: what the colours mean, how much they tell, and what they do not."""
    other = "the average training image" if heatmap.has_average else "an image in which the model finds nothing"
    lines = [f"Compared with {other}. The strongest place of this picture has the full colour."]
    if heatmap.networks > 1:
        lines.append(f"The maps of the {heatmap.networks} networks side by side are added.")
    if not heatmap.is_exact:
        lines.append("Estimated by gradients: a hint, no exact account of the score.")
    elif heatmap.covered >= 0.995:
        lines.append("Exact: what the places add sums to the score.")
    if heatmap.covered < 0.995:
        lines.append(
            f"Shows {heatmap.covered:.0%} of what moves the score. The rest comes from how much patterns vary across "
            "the image, which has no place."
        )
    if np.isnan(placed).any():
        lines.append("Hatched: cut off before the model sees the image (fit with --set image.fit=pad keeps all of it).")
    if (border := measure_border(heatmap, placed)) >= _BESIDE_MAP:
        lines.append(f"{border:.0%} of the map lies on the black border that makes the image square.")
    lines.append(
        "It shows what this model used, not whether it is right, and no outlines: a place is blurred over its "
        "surroundings. It is no diagnosis and no measurement."
    )
    return lines


def measure_border(heatmap: Heatmap, placed: NDArray[np.float32]) -> float:
    """Measure the share of the map, in either direction, on the border that pad adds; 0 with another fit."""
    whole = float(np.abs(heatmap.square).sum())
    if heatmap.fit != "pad" or not whole:
        return 0.0
    cell = float(len(heatmap.square) / max(placed.shape)) ** 2
    return max(1.0 - float(np.abs(placed).sum()) * cell / whole, 0.0)


def save_picture(picture: Image.Image, path: Path) -> None:
    """Save a picture as PNG: in a third of the time of Pillow's own setting, and a fifth larger."""
    picture.save(path, format="PNG", compress_level=1)


def describe_answer(prediction: str, status: str, class_name: str, probability: float, of_views: bool = False) -> str:
    """Say in a line what the model answered, and what the map is of.

    `of_views` says that the answer is the mean of several views: the map is of the plain one.
    """
    said = (prediction or "none of its labels") + f" ({status})" * bool(status)
    plain = ", in the plain view" * of_views
    return f"the model says: {said}   ·   the map: what speaks for {class_name} (probability {probability:.2f}){plain}"
