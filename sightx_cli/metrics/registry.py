"""Every figure of merit, one entry each: its words, how it is measured, and how it is resampled for its interval.

A new metric is a new entry of `METRICS`. Recipes and consoles read the names and words, so numpy and scikit-learn are
imported only where something is measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sightx_cli.metrics.metric import GRADES, MULTI_LABEL, SINGLE_LABEL, Metric
from sightx_cli.metrics.ranks import linearise_area, weigh_area
from sightx_cli.metrics.set_figures import SET_METRICS

if TYPE_CHECKING:
    from sightx_cli.metrics.answers import Answers, Floats, Integers


def find_title(name: str) -> str:
    """Return a metric's title; of another figure, such as the loss of training, its name in words."""
    return METRICS[name].title if name in METRICS else name.replace("_", " ")


def find_head(name: str) -> str:
    """Return the head of a metric's column in a narrow table."""
    return (METRICS[name].head if name in METRICS else "") or find_title(name)


def _measure_accuracy(answers: Answers) -> float:
    return float(answers.right.mean())


def _resample_accuracy(answers: Answers, weights: Floats) -> Floats:
    import numpy as np

    return np.asarray(weights @ answers.right / weights.sum(axis=1))


def _measure_balanced_accuracy(answers: Answers) -> float:
    """Measure the mean sensitivity of the classes that occur."""
    import numpy as np

    support = np.bincount(answers.truth, minlength=answers.classes)
    right = np.bincount(answers.truth[answers.right], minlength=answers.classes)
    return float((right[support > 0] / support[support > 0]).mean())


def _resample_balanced_accuracy(answers: Answers, weights: Floats) -> Floats:
    import numpy as np

    right = answers.right
    support = _sum_by_class(weights, answers.truth, answers.classes)
    hits = _sum_by_class(weights[:, right], answers.truth[right], answers.classes)
    shares = np.divide(hits, support, out=np.full_like(hits, np.nan), where=support > 0)
    return np.asarray(np.nanmean(shares, axis=1), dtype=np.float64)


def _measure_roc_auc(answers: Answers) -> float | None:
    """Measure that of class 1 of two, else the macro mean of one class against the rest; None where a class lacks."""
    import numpy as np
    from sklearn.metrics import roc_auc_score

    if not answers.can_be_ranked:
        return None
    areas = [roc_auc_score(answers.truth == place, answers.scores[:, place]) for place in _list_ranked(answers)]
    return float(np.mean(areas))


def _resample_roc_auc(answers: Answers, weights: Floats) -> Floats | None:
    import numpy as np

    if not answers.can_be_ranked:
        return None
    areas = np.array(
        [weigh_area(weights, answers.scores[:, place], answers.truth == place) for place in _list_ranked(answers)]
    )
    usable = ~np.isnan(areas)
    return np.where(usable.any(axis=0), np.nansum(areas, axis=0) / np.maximum(usable.sum(axis=0), 1), np.nan)


def linearise_roc_auc(answers: Answers) -> tuple[float, Floats] | None:
    """Measure the ROC AUC and the contribution of each image to it, (N,): of several classes, the mean of theirs.

    Resamples differ from counted ones by terms of the order of 1/N (see `ranks.linearise_area`).
    """
    import numpy as np

    if not answers.can_be_ranked:
        return None
    found = [linearise_area(answers.scores[:, place], answers.truth == place) for place in _list_ranked(answers)]
    areas, contributions = zip(*found, strict=True)
    return float(np.mean(areas)), np.mean(contributions, axis=0)


def _list_ranked(answers: Answers) -> list[int]:
    return [1] if answers.classes == 2 else list(range(answers.classes))


def _measure_kappa(answers: Answers) -> float | None:
    """Measure Cohen's kappa with quadratic weights; None where only one class occurs, among truths and answers."""
    import warnings

    import numpy as np
    from sklearn.metrics import cohen_kappa_score

    grades = list(range(answers.classes))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a single class among truths and predictions gives NaN, returned below as None
        value = float(cohen_kappa_score(answers.truth, answers.predicted, labels=grades, weights="quadratic"))
    return None if np.isnan(value) else value


def _resample_kappa(answers: Answers, weights: Floats) -> Floats:
    """Cohen's kappa with quadratic weights: 1 − observed / expected squared distance of the grades."""
    import numpy as np

    truth, predicted, count = answers.truth, answers.predicted, answers.classes
    observed = weights @ (truth - predicted).astype(np.float64) ** 2
    true_shares, predicted_shares = _sum_by_class(weights, truth, count), _sum_by_class(weights, predicted, count)
    distances = (np.arange(count)[:, None] - np.arange(count)[None, :]).astype(np.float64) ** 2
    expected = np.einsum("ri,ij,rj->r", true_shares, distances, predicted_shares) / weights.sum(axis=1)
    return np.asarray(1 - np.divide(observed, expected, out=np.full(len(weights), np.nan), where=expected > 0))


def _measure_loss(answers: Answers) -> float:
    """Measure the mean log loss, in nats."""
    return float(answers.losses.mean())


def _resample_loss(answers: Answers, weights: Floats) -> Floats:
    import numpy as np

    return np.asarray(weights @ answers.losses / weights.sum(axis=1))


def _sum_by_class(weights: Floats, groups: Integers, count: int) -> Floats:
    """Sum weights (R, N) by group: (R, count)."""
    import numpy as np

    order = np.argsort(groups, kind="stable")
    summed = np.zeros((len(weights), count))
    present, starts = np.unique(groups[order], return_index=True)
    if len(present):
        summed[:, present] = np.add.reduceat(weights[:, order], starts, axis=1)
    return summed


ACCURACY = Metric("accuracy", "accuracy", _measure_accuracy, _resample_accuracy, is_share=True, is_bounded=True)
BALANCED_ACCURACY = Metric(
    "balanced_accuracy",
    "balanced accuracy",
    _measure_balanced_accuracy,
    _resample_balanced_accuracy,
    head="bal. accuracy",
    is_bounded=True,
)
ROC_AUC = Metric(
    "roc_auc",
    "ROC AUC",
    _measure_roc_auc,
    _resample_roc_auc,
    judges_labels=False,
    ranks_classes=True,
    is_bounded=True,
    linearise=linearise_roc_auc,
)
QUADRATIC_KAPPA = Metric(
    "quadratic_kappa", "quadratic kappa", _measure_kappa, _resample_kappa, head="kappa", kinds=(GRADES,)
)
LOSS = Metric(
    "loss",
    "log loss",
    _measure_loss,
    _resample_loss,
    lower_is_better=True,
    judges_labels=False,
    kinds=(SINGLE_LABEL, GRADES, MULTI_LABEL),
)

METRICS = {
    metric.name: metric for metric in (ACCURACY, BALANCED_ACCURACY, ROC_AUC, QUADRATIC_KAPPA, *SET_METRICS, LOSS)
}
"""By name, in the order of tables."""
