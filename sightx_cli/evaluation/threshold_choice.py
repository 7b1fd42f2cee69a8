"""A threshold for a wished sensitivity, specificity or cost: chosen on what a run kept, not on the images measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli import runs
from sightx_cli.bundle.chosen_threshold import Decision
from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.data.spellings import describe_matches, match_class
from sightx_cli.errors import RunError, UsageError, quote
from sightx_cli.evaluation.kept_predictions import KeptPredictions, read_predictions
from sightx_cli.metrics.operating_points import (
    Question,
    Threshold,
    build_question,
    choose_for_cost,
    choose_for_sensitivity,
    choose_for_specificity,
    measure_decision,
)
from sightx_cli.progress import Listener, Notice
from sightx_cli.recipe.names import find_nearest, write_share
from sightx_cli.results.calibration import OUT_OF_FOLD
from sightx_cli.results.evaluate import MeasuredDecision
from sightx_cli.task.task import Task

if TYPE_CHECKING:
    from sightx_cli.metrics.answers import Answers

EVEN = 0.5
"""The threshold of a question that nobody chose one for: what is more probable than not."""
KIND = "threshold"
VALID_PART = "the valid part"
COSTS = ("fn", "fp")
"""What is missed, and a false alarm, in `--cost fn=10,fp=1`."""


@dataclass(frozen=True)
class Wish:
    """What the user asks of a threshold. Raises UsageError for more than one thing, or for what cannot be."""

    at_sensitivity: float | None = None
    at_specificity: float | None = None
    cost: str | None = None
    positive: str | None = None
    """The classes that count as positive, with commas between them."""
    prevalence: Sequence[float] = ()
    keep: bool = False

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        given = [flag for flag, value in self._rules().items() if value is not None]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} each choose a threshold", "give one of them")
        for flag, value in (("--at-sensitivity", self.at_sensitivity), ("--at-specificity", self.at_specificity)):
            if value is not None and not 0 < value < 1:
                raise _refuse_share(flag, value, "0.95")
        for share in self.prevalence:
            if not 0 < share < 1:
                raise _refuse_share("--prevalence", share, "0.02")
        if self.cost is not None:
            read_costs(self.cost)
        if self.keep and not given:
            raise UsageError(
                "--keep stores a threshold, and none is chosen", "add --at-sensitivity 0.95, or --cost fn=10,fp=1"
            )

    @property
    def costs(self) -> Mapping[str, float] | None:
        """What a missed positive and a false alarm cost; None where it was not said."""
        return None if self.cost is None else read_costs(self.cost)

    @property
    def rule(self) -> str:
        """What the threshold is chosen for, in words; "" where none is chosen."""
        if self.cost is not None:
            return f"cost {self.cost}"
        for name, value in (("sensitivity", self.at_sensitivity), ("specificity", self.at_specificity)):
            if value is not None:
                return f"{name} {value:g}"
        return ""

    def _rules(self) -> dict[str, object]:
        return {
            "--at-sensitivity": self.at_sensitivity,
            "--at-specificity": self.at_specificity,
            "--cost": self.cost,
        }


def _refuse_share(flag: str, value: float, example: str) -> UsageError:
    return UsageError(
        f"{flag} {value:g}: allowed are numbers between 0 and 1", f"{flag} {write_share(value) or example}"
    )


def read_costs(text: str) -> dict[str, float]:
    """Read `fn=10,fp=1`; raises UsageError for anything else."""
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        try:
            found[name.strip().lower()] = float(value)
        except ValueError:
            found[name.strip().lower()] = math.nan
    if set(found) != set(COSTS) or not all(math.isfinite(one) and one > 0 for one in found.values()):
        raise UsageError(
            f"--cost {text}: allowed are a number above 0 for what is missed (fn) and for a false alarm (fp)",
            "--cost fn=10,fp=1",
        )
    return found


def name_positives(wish: Wish, facts: BundleFacts, listener: Listener) -> tuple[str, ...] | None:
    """Return the classes that count as positive: those named, those stored, the second of two; None where none do.

    Raises UsageError where a threshold is wished for and several classes leave open for what.
    """
    task = facts.task
    if wish.positive is not None:
        return _read_positives(wish.positive, task.classes, listener)
    if facts.decision is not None and not wish.rule:
        return facts.decision.positive
    if len(task.classes) == 2:
        if wish.rule:
            text = f"{task.classes[1]} counts as positive; --positive {quote(task.classes[0])} asks for the other"
            listener.notice(Notice("positive", text, 1))
        return (task.classes[1],)
    if wish.rule or wish.prevalence:
        raise UsageError(
            f"of {len(task.classes)} classes, which count as positive is not said; they are {', '.join(task.classes)}",
            f"add --positive {quote(','.join(task.classes[-2:]))}",
        )
    return None


def _read_positives(typed: str, classes: Sequence[str], listener: Listener) -> tuple[str, ...]:
    """Read the classes of `--positive`; one that is named in a spelling of its own is said."""
    given = list(dict.fromkeys(name.strip() for name in typed.split(",") if name.strip()))
    matches = {name: match_class(name, classes) for name in given}
    unknown = [name for name, found in matches.items() if found is None]
    known = {name: found for name, found in matches.items() if found is not None}
    names = tuple(dict.fromkeys(known.values()))
    if unknown or not names or len(names) == len(classes):
        found = f"there is no class {unknown[0]!r}" if unknown else f"it names {len(names)} classes"
        nearest = {name: matches[name] or find_nearest(name, classes) for name in given}
        meant = list(dict.fromkeys(name for name in nearest.values() if name is not None))
        is_meant = unknown and None not in nearest.values() and len(meant) < len(classes)
        raise UsageError(
            f"--positive {typed}: {found}; allowed are some, not all, of {', '.join(classes)}",
            f"--positive {quote(','.join(meant) if is_meant else classes[-1])}",
        )
    if (said := describe_matches("--positive: classes", known)) is not None:
        listener.notice(said)
    return names


def read_kept(run: Path, facts: BundleFacts) -> KeptPredictions:
    """Read the run's predictions for images that its model did not learn from: out of fold, else of the valid part.

    Out of fold where the finished model is the cross-validated head. Raises RunError where there are none.
    """
    task = facts.task
    table = run / runs.PREDICTIONS / "valid.csv"
    out_of_fold = run / runs.OUT_OF_FOLD
    if facts.sets is not None and facts.sets.on == OUT_OF_FOLD and out_of_fold.is_file():
        return read_predictions(out_of_fold, task, OUT_OF_FOLD)  # tempered, as the finished model's are
    if not table.is_file():
        raise RunError(
            f"{run}: holds no predictions that a threshold can be chosen on", "fit again, or name another --model"
        )
    return read_predictions(table, task, VALID_PART)


def measure_wish(
    wish: Wish, run: Path, facts: BundleFacts, answers: Answers, together: Sequence[str], listener: Listener
) -> MeasuredDecision | None:
    """Choose the threshold that is wished for, else take the stored one or one half, and measure it on the images.

    `answers` are those of the images, `together` their groups. None where no class counts as positive.
    """
    positives = name_positives(wish, facts, listener)
    if positives is None:
        return None
    question = build_question(answers, facts.task.classes, positives)
    threshold: Threshold | None = None
    value, chosen, source = EVEN, "more probable than not", ""
    if wish.rule:
        kept = read_kept(run, facts)
        asked = build_question(
            facts.task.check_answers(kept.probabilities, kept.targets), facts.task.classes, positives
        )
        threshold = choose_threshold_for(wish, asked)
        value, chosen, source = threshold.value, wish.rule, kept.source
        if not threshold.is_certain:
            text = (
                f"{wish.rule}: chosen on {threshold.chosen_on:,} images ({source}), and it takes {threshold.needed:,} "
                "to promise so much; even the most cautious threshold may miss it"
            )
            listener.notice(Notice(KIND, text, threshold.chosen_on, warns=True))
    elif facts.decision is not None and facts.decision.positive == positives:
        value, chosen, source = facts.decision.threshold, facts.decision.chosen, facts.decision.on
    figures = measure_decision(question, value, together, tuple(wish.prevalence), wish.costs)
    return MeasuredDecision(positives, value, chosen, source, threshold, figures)


def warn_of_same_images(measured: MeasuredDecision, validated: int | None) -> Notice | None:
    """Warn where a threshold is measured on images that it was chosen on: `validated` of them, of the valid part.

    None says that it is not known.
    """
    if not validated or measured.chosen_on != VALID_PART:
        return None
    text = (
        f"{measured.chosen} was chosen on {validated:,} of these same images, so what it reaches on them is a little "
        "flattered: judge it on others"
    )
    return Notice(KIND, text, validated, warns=True)


def choose_threshold_for(wish: Wish, question: Question) -> Threshold:
    """Choose the threshold of a wish on predictions that were kept."""
    if wish.at_sensitivity is not None:
        return choose_for_sensitivity(question, wish.at_sensitivity)
    if wish.at_specificity is not None:
        return choose_for_specificity(question, wish.at_specificity)
    costs = wish.costs or {}
    return choose_for_cost(question, costs["fn"], costs["fp"])


def build_decision(measured: MeasuredDecision) -> Decision:
    """Build what the bundle keeps of a threshold that was chosen."""
    return Decision(measured.positives, measured.threshold, measured.chosen, measured.chosen_on)


def can_store(task: Task) -> bool:
    """Whether a bundle of this kind can keep a threshold: with several labels each has its own already."""
    return task.activation == "softmax"
