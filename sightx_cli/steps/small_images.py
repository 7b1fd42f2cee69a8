"""Images of a few dozen pixels: enlarged less than others, and learned by one stage of the network more.

A network that learned from photographs sees little in a picture enlarged eight-fold: a head on its features is well
below what training a few stages reaches, and that costs half as much at 160 px. Measured on CIFAR-10 (32 px), 1,600
images to train and 400 left out: see "Small images" in docs/strategies.md.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from sightx_cli.data.readers import ImageFileError, Reading, measure_header
from sightx_cli.data.text_columns import find_trained
from sightx_cli.progress import Notice
from sightx_cli.recipe.faults import is_within
from sightx_cli.recipe.plan import Plan
from sightx_cli.recipe.recipe import Recipe
from sightx_cli.recipe.settings import SIZE, change_setting

if TYPE_CHECKING:
    import pandas as pd

ENLARGEMENT = 5
"""Small images are enlarged so many times at most."""
SIZE_STEP_PX = 32
"""Networks halve their maps five times."""
SAMPLE_FILES = 32
"""So many headers are read, spread evenly over the rows."""
TUNED, DEEPER = "last:2", "last:3"
"""What the table trains of photographs, and what of small ones."""


@dataclass(frozen=True)
class SmallImages:
    """That the images are small, and what follows."""

    side_px: int
    """Their shorter side, the median."""
    size_px: int
    """The network's input for them."""
    instead_px: int
    """What the recipe says."""

    @property
    def why(self) -> str:
        """Say what was found and what it leads to."""
        times = self.size_px / self.side_px
        return (
            f"the images have {self.side_px} px: enlarged {times:.3g} times, not {self.instead_px / self.side_px:.2g}"
        )

    def settle(self, recipe: Recipe) -> Recipe:
        """Return the recipe for small images."""
        stages = tuple(
            stage.model_copy(update={"train": DEEPER}) if stage.train == TUNED else stage for stage in recipe.stage
        )
        return change_setting(recipe, SIZE, self.size_px).model_copy(update={"stage": stages})

    def complete(self, plan: Plan) -> Plan:
        """Note in the plan what the images decided."""
        values = dict(plan.values)
        values[SIZE] = replace(values[SIZE], origin="data", evidence=self.why)
        for place, stage in enumerate(plan.recipe.stage):
            if stage.train == DEEPER:
                key = f"stage.{place}.train"
                values[key] = replace(values[key], origin="data", evidence=f"the images have {self.side_px} px")
        return replace(plan, values=values)

    def notice(self) -> Notice:
        """Say what is done, and how to undo it."""
        text = (
            f"{self.why}; at {self.size_px} px three stages are trained in the time of two, and small images need it: "
            f"undo both with --set image.size_px={self.instead_px}"
        )
        return Notice("small-images", text, self.side_px)


def find_small_images(
    recipe: Recipe, frame: pd.DataFrame, overridden: Collection[str], reading: Reading
) -> SmallImages | None:
    """Tell whether a recipe that tunes the last stages on photographs is given small ones.

    None where they are not, or where the user set the size or the stages. `frame` has the columns path and split; the
    valid and test parts are not looked at.
    """
    is_set = is_within(SIZE, overridden) or is_within("stage", overridden)
    if is_set or recipe.when.shift != "similar" or not any(stage.train == TUNED for stage in recipe.stage):
        return None
    rows = np.flatnonzero(find_trained(frame["split"]))
    sides = []
    for path in frame["path"].iloc[rows[:: max(1, len(rows) // SAMPLE_FILES)]]:
        try:
            width, height, *_ = measure_header(str(path), None, reading)
        except ImageFileError:
            continue  # the check of all files reports it
        sides.append(min(width, height))
    if not sides:
        return None
    side_px = round(median(sides))
    size_px = -(-ENLARGEMENT * side_px // SIZE_STEP_PX) * SIZE_STEP_PX
    return SmallImages(side_px, size_px, recipe.image.size_px) if size_px < recipe.image.size_px else None
