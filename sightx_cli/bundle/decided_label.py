"""Labels of two classes that a stored threshold decides between: what is measured of them then is what predict says."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli.bundle.chosen_threshold import Decision, decides_class
from sightx_cli.metrics.answers import Answers, check_decided_answers
from sightx_cli.progress import Notice
from sightx_cli.task.grades import Grades
from sightx_cli.task.single_label import SingleLabel
from sightx_cli.task.task import Task


@dataclass(frozen=True)
class DecidedLabel(SingleLabel):
    """One of two classes for each image: the positive one from a probability on, likelier or not."""

    decision: Decision = field(kw_only=True)

    def decide(self, probabilities: NDArray[Any]) -> NDArray[np.int64]:
        """Return the number of the class by the threshold, (N,)."""
        return self.decision.decide(probabilities, self)

    def measure_margins(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Measure the distance of the positive class's probability from the threshold, (N,)."""
        own = probabilities[:, self.number(self.decision.positive)[0]]
        return np.asarray(np.abs(own - np.float32(self.decision.threshold)))

    def check_answers(self, probabilities: object, targets: object) -> Answers:
        """Return probabilities and targets as the figures take them, with what is decided."""
        rows = np.asarray(probabilities)
        answers = super().check_answers(rows, targets)
        return check_decided_answers(answers.scores, answers.truth, self.decide(rows), self.classes)


@dataclass(frozen=True)
class DecidedGrades(DecidedLabel, Grades):
    """The same of two grades."""


def decide_by_threshold(task: Task, decision: Decision | None) -> Task:
    """Return the task by which figures and tables say what `predict` says, with the decision that a bundle stores."""
    if decision is None or not decides_class(decision, task):
        return task
    kind = DecidedGrades if isinstance(task, Grades) else DecidedLabel
    return kind(**asdict(task), decision=decision)


def describe_decision(decision: Decision) -> str:
    """Say which classes a decision calls positive, from which probability on, and how that was chosen."""
    together, chosen = " or ".join(decision.positive), f"{decision.chosen}, {decision.on}"
    return f"{together} from a probability of {decision.threshold:.3f} on ({chosen})"


def tell_decision(task: Task, decision: Decision | None, keeps: bool = False) -> Notice | None:
    """Tell by what the class of each image is decided, where a threshold does, or will when `keeps` stores one."""
    if decision is not None and decides_class(decision, task):
        after = "the one that is stored now decides from now on" if keeps else "sightx runs forget RUN takes it back"
        text = (
            f"decided by the threshold that the run stores, as predict does: {describe_decision(decision)}; {after}. "
            "Figures of ranking and of probabilities, such as ROC AUC and log loss, are the same by any threshold"
        )
    elif keeps and task.outputs == 2:
        text = (
            "the figures and predictions here are of the likelier class of each image; the threshold that is stored "
            "now decides in predict and evaluate from now on"
        )
    else:
        return None
    return Notice("decision", text)
