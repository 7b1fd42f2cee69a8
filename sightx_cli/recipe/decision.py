"""The decision table: the number of images and their distance from ImageNet determine the recipe.

The rule in one sentence: the more images, the more of the network can be trained without overfitting; the farther
they are from what the backbone was trained on, the more of it must be (Yosinski et al. 2014, "How transferable are
features in deep neural networks?", arXiv:1411.1792).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from sightx_cli.errors import UsageError
from sightx_cli.recipe.names import join_choices, suggest_nearest

Verdict = Literal["similar", "different"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True)
class Cell:
    """One cell of the table: from `low` images up to but excluding `high` (None: no upper end)."""

    low: int
    high: int | None
    shift: Verdict
    recipe: str
    strategy: str
    why: str


@dataclass(frozen=True)
class Choice:
    """The table's answer for one data set: the recipe's name, what it trains, and why, in the user's own numbers."""

    recipe: str
    strategy: str
    reason: str


TABLE: tuple[Cell, ...] = (
    Cell(
        0, 1_000, "similar", "natural-small",
        "head only",
        "too few to train the network itself without overfitting, and what it knows of photographs fits already",
    ),
    Cell(
        1_000, 50_000, "similar", "natural-medium",
        "the last 1-2 stages and the head",
        "enough to adapt the last stages; the earlier ones already fit",
    ),
    Cell(
        50_000, 500_000, "similar", "natural-large",
        "all of the network, at discriminative rates",
        "enough to train every layer, the earliest at the lowest rate since they need to change least",
    ),
    Cell(
        500_000, None, "similar", "natural-huge",
        "all of the network, at discriminative rates",
        "enough to train every layer freely from a good starting point",
    ),
    Cell(
        0, 1_000, "different", "medical-small",
        "head, then the last 1-2 stages at a tenth of the head's rate, with more augmentation, at 300 px",
        "too few to train much, yet too unlike photographs to use the last stages unchanged",
    ),
    Cell(
        1_000, 50_000, "different", "medical-medium",
        "the last 2-3 stages (deep stages) and the head, at a lower backbone rate; the early stages stay frozen",
        "enough to relearn the deep stages; the edges and textures of the early ones still fit",
    ),
    Cell(
        50_000, 500_000, "different", "medical-large",
        "all of the network, at discriminative rates",
        "enough to train every layer, and every layer needs to change",
    ),
    Cell(
        500_000, None, "different", "medical-huge",
        "all of the network from scratch, or from domain weights when given",
        "enough to learn every layer from them, so that a head start from photographs no longer pays off",
    ),
)  # fmt: skip


def choose_recipe(images: int, shift: str) -> Choice:
    """Choose the recipe for a data set from the table.

    `images` is the number for training: of the train part if a split is given, else of all labelled images.
    `shift` is "similar" or "different": how the images compare with ImageNet.

    Raises:
        UsageError: `images` is below 1, or `shift` is neither of the two.
    """
    if images < 1:
        raise UsageError(
            f"found {images:,} images; allowed: 1 or more labelled images",
            "sightx recipes decide --images 240 --shift similar",
        )
    if shift not in VERDICTS:
        raise UsageError(
            f'found shift "{shift}"; allowed: {join_choices(VERDICTS)}{suggest_nearest(shift, VERDICTS)}',
            "use --shift similar for images like everyday photographs (objects, animals, food), --shift different for "
            "scans, X-rays, microscopy or surfaces",
        )
    cell = find_cell(images, shift)
    likeness = "like everyday photographs" if shift == "similar" else "unlike everyday photographs"
    count, be = ("1 image", "is") if images == 1 else (f"{images:,} images", "are")
    found = f"{count} ({describe_band(cell.low, cell.high)}) {likeness}"
    return Choice(cell.recipe, cell.strategy, f"{found} {be} {cell.why}")


def count_images(parts: Mapping[str, int]) -> int:
    """Return the number that the table uses: all images but those of a valid or test part that is given.

    `parts` counts the images of each part; "" counts as train where others have one (see `data.splits`).
    """
    return sum(images for part, images in parts.items() if part not in ("valid", "test"))


def find_cell(images: int, shift: str) -> Cell:
    """Find the table's cell for this many images (1 or more) and a shift from VERDICTS."""
    return next(c for c in TABLE if c.shift == shift and c.low <= images and (c.high is None or images < c.high))


def describe_band(low: int, high: int | None) -> str:
    """Describe a half-open band of image counts in words: "fewer than 1,000", "1,000 to 49,999", "500,000 or more"."""
    if high is None:
        return f"{low:,} or more"
    return f"fewer than {high:,}" if low == 0 else f"{low:,} to {high - 1:,}"
