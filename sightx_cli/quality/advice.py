"""The measured shift, the recipe chosen from it and the number of images, and why, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sightx_cli.progress import Listener
from sightx_cli.recipe.decision import Choice, choose_recipe, find_cell

if TYPE_CHECKING:
    from sightx_cli.data.readers import Reading
    from sightx_cli.results.inspect import Shift

NEAR_SHARE = 0.1
"""A neighbouring band is mentioned if it begins within this share of the number of images."""


def measure_manifest_shift(
    paths: Sequence[str], reading: Reading, listener: Listener, keep_graph: bool = True
) -> Shift:
    """Measure how far the training images are from everyday photographs (see `quality.shift.measure_shift`)."""
    from sightx_cli.quality.shift import measure_shift  # OpenVINO takes 0.3 s to import

    return measure_shift(paths, listener, keep_graph, reading)


def choose_by_shift(images: int, shift: Shift | str) -> Choice:
    """Choose the recipe from the number of images and the shift, measured or given; the reason is a paragraph.

    Raises UsageError like `recipe.decision.choose_recipe`.
    """
    verdict = shift if isinstance(shift, str) else shift.verdict
    choice = choose_recipe(images, verdict)
    given = f"The shift was set with --shift {verdict}, not measured."
    said = given if isinstance(shift, str) else describe_measured(shift)
    chosen = f"Therefore {choice.recipe}: {choice.strategy}."
    return replace(choice, reason=f"{choice.reason}. {said} {chosen} {describe_alternatives(images, verdict)}")


def describe_measured(shift: Shift) -> str:
    """Describe in full sentences what was measured, how far it is from the threshold, and what makes it uncertain."""
    from sightx_cli.quality.divergence import describe_distance

    kind = "they are like" if shift.verdict == "similar" else "they are not like"
    looked = "1 image" if shift.images == 1 else f"{shift.images} of them"
    side, edge = describe_distance(shift.score, shift.edge), f"the threshold of {shift.edge:.2f}"
    said = f"Measured on {looked}, the shift is {shift.score:.2f}, {side} {edge}: {kind} everyday photographs."
    return f"{said} {shift.note}".strip()


def describe_alternatives(images: int, verdict: str) -> str:
    """Describe what would change the choice: "With 46 more images it would be natural-medium; if they were …"."""
    cell = find_cell(images, verdict)
    ways = []
    if cell.high is not None:
        more = cell.high - images
        count = "1 more image" if more == 1 else f"{more:,} more images"
        ways.append(f"with {count} it would be {find_cell(cell.high, verdict).recipe}")
    fewer = images - cell.low + 1
    if cell.low and fewer <= NEAR_SHARE * images:
        ways.append(f"with {fewer:,} fewer, {find_cell(cell.low - 1, verdict).recipe}")
    other = "different" if verdict == "similar" else "similar"
    kind = "scans or surfaces" if other == "different" else "everyday photographs"
    would = "" if ways else " it would be"
    ways.append(f"if they were {kind} (--shift {other}),{would} {find_cell(images, other).recipe}")
    text = "; ".join(ways)
    return f"{text[0].upper()}{text[1:]}."


def guess_profile(shift: Shift) -> str | None:
    """Guess the augmentation profile from the images: "medical" for grey ones unlike photographs; else None.

    Medical is the most cautious of the profiles for non-photographs: no vertical flip, little change of light.
    Colour says too little: a fundus, a mole and an aerial image are all unlike photographs and in colour.
    """
    return "medical" if shift.grey and shift.verdict == "different" else None


def describe_profile(shift: Shift, profile: str) -> str:
    """Say which augmentations the shift led to, and when to choose others; empty for photographs."""
    if guess_profile(shift) is not None:
        return (
            "grey and unlike photographs: augmented with the profile medical, no vertical flip and little change of "
            "light. For parts and materials, which have no upright orientation, add --profile surface"
        )
    if shift.verdict == "different":
        return (
            f"augmented with the profile {profile}. If your images have no natural upright orientation, choose a "
            "profile: --profile retina, skin, aerial or surface"
        )
    return ""
