"""Whether the number of trainable parameters suits the number of images, explained with the user's own numbers.

No law says how many parameters a given number of images supports: networks with far more parameters than images can
memorise the images and still generalise (Zhang et al. 2017, "Understanding deep learning requires
rethinking generalization", arXiv:1611.03530). So the decision table serves as a rule of thumb here: the number of
images from which it trains as many stages of a network. The ratio is reported next to it, for information only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sightx_cli.recipe.decision import TABLE, describe_band

HIGH_PERCENT = 50.0
"""From this percentage of trainable parameters, an audit explains why it is so high."""

GENTLE_STAGES, GENTLE_RATE = 2, 0.1
"""With few images unlike ImageNet's the table still trains the last one or two stages: after a linear head has been
fitted, and at a tenth of its rate."""

MOST_STAGES = {"similar": 2, "different": 3}
"""How many of the last stages the table trains with a few thousand images; with more it trains all."""

UNEVEN = 1.5
"""A stage with this many times the parameters of the mean stage counts as wide, and explains a high share."""

WIDE = "a layer's parameters grow with the product of its channels in and out, and later stages have more channels"
MEMORISING = "the ratio alone decides nothing (Zhang et al. 2017, arXiv:1611.03530): the validation figures do"


FROM_SCRATCH = (
    f"From random weights every layer must be learned: the decision table does so with {max(c.low for c in TABLE):,} "
    "images or more, for networks made for ImageNet; a small network for small images needs fewer"
)


@dataclass(frozen=True)
class PartSize:
    """One part of a network, as needed for an explanation: name, parameters, trainable ones, multiply-adds."""

    name: str
    parameters: int
    trainable: int
    macs: int


@dataclass(frozen=True)
class Capacity:
    """How the trainable parameters compare with the images: `images` is a number or a band (None: no upper end).

    `least_images` is the number from which the decision table trains as many stages, None if it does not apply.
    """

    images: tuple[int, int | None]
    parameters_per_image: tuple[float, float | None]
    least_images: int | None
    is_enough: bool | None
    ratio: str
    rule: str

    def describe(self, in_full: bool = True) -> str:
        """Describe the number of trainable parameters per image and, in full, whether there are enough images."""
        return f"{self.ratio}; {MEMORISING}. {self.rule}" if in_full else f"{self.ratio}."


def find_least_images(trained_stages: int, stages: int, shift: str, is_gentle: bool = True) -> int:
    """Return the number of images from which the decision table trains this many stages besides the head.

    `is_gentle`: they train as in the table's rows for few images, after a linear head and at a tenth of its rate.
    """
    lows = sorted({cell.low for cell in TABLE if cell.shift == shift})
    most_with_few = min(GENTLE_STAGES, stages - 1) if shift == "different" and is_gentle else 0
    if trained_stages <= most_with_few:
        return lows[0]
    return lows[1] if trained_stages <= min(MOST_STAGES[shift], stages - 1) else lows[2]


def judge_capacity(
    parts: Sequence[PartSize],
    images: tuple[int, int | None],
    shift: str,
    *,
    is_run: bool = False,
    is_scratch: bool = False,
    has_hidden_layers: bool = False,
    rate_ratio: float = 0.0,
) -> Capacity:
    """Compare what trains with the number of images: a run's own, or the band that a recipe is meant for.

    `parts` are the stages of the network and, last, the head; `rate_ratio` is the highest rate of a stage over the
    head's.
    """
    trainable = sum(part.trainable for part in parts)
    low, high = images
    most = round(trainable / max(low, 1), 1)
    least = most if is_run else round(trainable / (high - 1), 1) if high is not None else None
    trained = sum(part.trainable > 0 for part in parts[:-1])
    is_gentle = not has_hidden_layers and rate_ratio <= GENTLE_RATE * (1 + 1e-9)
    is_wide_head = has_hidden_layers and parts[-1].trainable > trainable / 2
    needed = None if is_scratch or is_wide_head else find_least_images(trained, len(parts) - 1, shift, is_gentle)
    is_enough = _is_enough(images, needed)
    like = "like everyday photographs" if shift == "similar" else "unlike everyday photographs"
    if is_run:
        ratio = f"{low:,} training images: {_per_image(most)} for each"
    else:
        ends = [f"{_per_image(most)} for each at the low end"] if low else []
        if least is not None:
            ends.append(f"{least:,.0f} at the high end" if low else f"{_per_image(least)} for each at the high end")
        ratio = f"Meant for {describe_band(low, high)} images {like}: {', '.join(ends) or 'any number'}"
    if needed is None:
        rule = FROM_SCRATCH if is_scratch else _describe_head(parts[-1])
    else:
        rule = _describe_rule(needed, is_enough, trained, len(parts) - 1)
    if is_run and is_enough is False:
        rule += f" (sightx recipes decide --images {low} --shift {shift})"
    return Capacity(images, (most, least), needed, is_enough, ratio, f"{rule}.")


def _is_enough(images: tuple[int, int | None], needed: int | None) -> bool | None:
    """Tell whether a band of images lies above what is needed; None if it straddles it, or nothing is known."""
    low, high = images
    if needed is None or (low < needed and (high is None or high > needed)):
        return None
    return low >= needed


def _per_image(ratio: float) -> str:
    return f"{ratio:,.0f} trainable parameters" if ratio >= 100 else f"{ratio:,.1f} trainable parameters"


def _describe_head(head: PartSize) -> str:
    return (
        f"The decision table assumes a head without hidden layers: it says nothing about one of {head.trainable:,} "
        "parameters that starts from random weights"
    )


def _describe_rule(needed: int, is_enough: bool | None, trained: int, stages: int) -> str:
    """Describe what the decision table, as a rule of thumb, does with this many images."""
    what = "the head alone" if not trained else "every stage" if trained == stages else f"{trained} of {stages} stages"
    said = f"The decision table, a rule of thumb, trains {what}"
    if is_enough:
        gentle = ", at a tenth of the head's rate if there are few" if trained and not needed else ""
        onset = f"with {needed:,} images or more" if needed else "with any number of images"
        return f"{said} {onset}{gentle}: there are enough images"
    end = "there are too few here" if is_enough is False else "with fewer it trains fewer stages"
    return f"{said} only with {needed:,} images or more: {end}"


def explain_share(parts: Sequence[PartSize]) -> str | None:
    """Explain why much of a network trains, with its own numbers; None if less than half does.

    `parts` are the stages of the network and, last, the head.
    """
    total, trainable = sum(part.parameters for part in parts), sum(part.trainable for part in parts)
    percent = 100 * trainable / total
    if percent < HIGH_PERCENT:
        return None
    *stages, head = parts
    backbone = sum(stage.parameters for stage in stages)
    said = [f"{trainable:,} of {total:,} parameters train ({percent:.2f} %)"]
    trained = [stage for stage in stages if stage.trainable]
    if head.parameters > backbone / 2:
        said.append(f"the head alone holds {head.parameters:,}, the backbone {backbone:,}")
    if trained and all(stage.trainable == stage.parameters for stage in stages):
        said.append("every stage of the backbone trains")
    elif trained:
        said.append(_explain_widest(stages, trained, backbone))
    return "; ".join(said) + "."


def _explain_widest(stages: Sequence[PartSize], trained: Sequence[PartSize], backbone: int) -> str:
    """Describe how much of the backbone its trained stages hold, the widest first, and why."""
    widest = max(trained, key=lambda stage: stage.trainable)
    macs = sum(stage.macs for stage in stages)
    what = f"{widest.name} alone holds {widest.trainable:,} of {backbone:,} backbone parameters "
    what += f"({100 * widest.trainable / backbone:.0f} %)"
    if widest.trainable == widest.parameters and macs and widest.macs / macs < widest.parameters / backbone:
        what += f" for {100 * widest.macs / macs:.0f} % of its multiply-adds"
    if widest in stages[len(stages) // 2 :] and widest.parameters >= UNEVEN * backbone / len(stages):
        what += f": {WIDE}"
    if len(trained) > 1:
        rest = sum(stage.trainable for stage in trained) - widest.trainable
        others = ", ".join(stage.name for stage in trained if stage is not widest)
        what += f"; {others} {'adds' if len(trained) == 2 else 'add'} {rest:,}"
    return what
