"""Every figure of merit, one entry each: its words, how it is measured, and how it is resampled for its interval.

A new metric is a new entry of `METRICS`. Recipes and consoles read the names and words, so numpy and scikit-learn are
imported only where something is measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sightx_cli.metrics import calibration_figures as calibration
from sightx_cli.metrics import confusion_figures as confusion
from sightx_cli.metrics import ranking_figures as ranking
from sightx_cli.metrics import score_figures as scores
from sightx_cli.metrics.metric import AGREEMENT, GRADES, MULTI_LABEL, POSITIVE, REAL, SINGLE_LABEL, Metric
from sightx_cli.metrics.set_registry import SET_METRICS

if TYPE_CHECKING:
    from sightx_cli.metrics.answers import Answers, Floats


def find_title(name: str) -> str:
    """Return a metric's title; of another figure, such as the loss of training, its name in words."""
    return METRICS[name].title if name in METRICS else name.replace("_", " ")


def find_head(name: str) -> str:
    """Return the head of a metric's column in a narrow table."""
    return (METRICS[name].head if name in METRICS else "") or find_title(name)


def list_metrics(kind: str) -> dict[str, Metric]:
    """List the metrics that results of a kind of task name, by name, in the order of tables."""
    return {name: metric for name, metric in METRICS.items() if metric.belongs(kind)}


def list_epoch_metrics(kind: str, chosen_by: str) -> list[str]:
    """Name the metrics that each epoch of training is measured by: the usual ones, and what chooses the best epoch."""
    return [name for name, metric in list_metrics(kind).items() if metric.each_epoch or name == chosen_by]


def _measure_accuracy(answers: Answers) -> float:
    return float(answers.right.mean())


def _resample_accuracy(answers: Answers, weights: Floats) -> Floats:
    import numpy as np

    return np.asarray(weights @ answers.right / weights.sum(axis=1))


def _linearise_accuracy(answers: Answers) -> tuple[float, Floats]:
    share = _measure_accuracy(answers)
    return share, (answers.right - share) / len(answers.right)


def _resample_slope(answers: Answers, weights: Floats) -> Floats | None:
    return _move(calibration.linearise_slope(answers), weights)


def _resample_intercept(answers: Answers, weights: Floats) -> Floats | None:
    return _move(calibration.linearise_intercept(answers), weights)


def _move(known: tuple[float, Floats] | None, weights: Floats) -> Floats | None:
    """Resample what is fitted by one step from its fit: a resample that is told apart by chance would have no end."""
    return None if known is None else known[0] + weights @ known[1]


EVERY = (SINGLE_LABEL, GRADES, MULTI_LABEL)

ACCURACY = Metric(
    "accuracy",
    "accuracy",
    _measure_accuracy,
    _resample_accuracy,
    _linearise_accuracy,
    is_share=True,
    each_epoch=True,
)
BALANCED_ACCURACY = Metric(
    "balanced_accuracy",
    "balanced accuracy",
    confusion.measure_balanced_accuracy,
    confusion.resample_balanced_accuracy,
    confusion.linearise_balanced_accuracy,
    expect=confusion.expect_balanced_accuracy,
    is_smoothed=True,
    head="bal. accuracy",
    each_epoch=True,
)
ROC_AUC = Metric(
    "roc_auc",
    "ROC AUC",
    ranking.measure_roc_auc,
    ranking.resample_roc_auc,
    ranking.linearise_roc_auc,
    expect=ranking.expect_roc_auc,
    judges_labels=False,
    ranks_classes=True,
    each_epoch=True,
)
AVERAGE_PRECISION = Metric(
    "average_precision",
    "average precision",
    ranking.measure_average_precision,
    ranking.resample_average_precision,
    ranking.linearise_average_precision,
    expect=ranking.expect_average_precision,
    is_smoothed=True,
    head="avg. precision",
    judges_labels=False,
    ranks_classes=True,
)
F1 = Metric(
    "f1",
    "F1 (macro)",
    confusion.measure_f1,
    confusion.resample_f1,
    confusion.linearise_f1,
    expect=confusion.expect_f1,
    is_smoothed=True,
    head="F1",
)
MATTHEWS = Metric(
    "matthews",
    "Matthews correlation",
    confusion.measure_matthews,
    confusion.resample_matthews,
    confusion.linearise_matthews,
    limits=AGREEMENT,
    expect=confusion.expect_matthews,
    is_smoothed=True,
    head="Matthews",
)
QUADRATIC_KAPPA = Metric(
    "quadratic_kappa",
    "quadratic kappa",
    confusion.measure_kappa,
    confusion.resample_kappa,
    confusion.linearise_kappa,
    limits=AGREEMENT,
    expect=confusion.expect_kappa,
    is_smoothed=True,
    head="kappa",
    each_epoch=True,
    kinds=(GRADES,),
)
LOSS = Metric(
    "loss",
    "log loss",
    scores.measure_loss,
    scores.resample_loss,
    scores.linearise_loss,
    limits=POSITIVE,
    expect=scores.expect_loss,
    lower_is_better=True,
    judges_labels=False,
    each_epoch=True,
    kinds=EVERY,
)
BRIER = Metric(
    "brier",
    "Brier score",
    scores.measure_brier,
    scores.resample_brier,
    scores.linearise_brier,
    limits=POSITIVE,
    highest=2.0,
    expect=scores.expect_brier,
    lower_is_better=True,
    judges_labels=False,
    kinds=EVERY,
)
CALIBRATION_ERROR = Metric(
    "calibration_error",
    "calibration error",
    calibration.measure_calibration_error,
    calibration.resample_calibration_error,
    calibration.linearise_calibration_error,
    limits=POSITIVE,
    highest=1.0,
    head="cal. error",
    lower_is_better=True,
    judges_labels=False,
    chooses=False,
    measure_chance=calibration.expect_calibration_error,
    kinds=EVERY,
)
CALIBRATION_SLOPE = Metric(
    "calibration_slope",
    "calibration slope",
    calibration.measure_slope,
    _resample_slope,
    calibration.linearise_slope,
    limits=REAL,
    expect=calibration.expect_slope,
    head="cal. slope",
    judges_labels=False,
    chooses=False,
    kinds=EVERY,
)
CALIBRATION_INTERCEPT = Metric(
    "calibration_intercept",
    "calibration intercept",
    calibration.measure_intercept,
    _resample_intercept,
    calibration.linearise_intercept,
    limits=REAL,
    expect=calibration.expect_intercept,
    head="cal. intercept",
    judges_labels=False,
    chooses=False,
    kinds=EVERY,
)

METRICS = {
    metric.name: metric
    for metric in (
        ACCURACY,
        BALANCED_ACCURACY,
        ROC_AUC,
        AVERAGE_PRECISION,
        F1,
        MATTHEWS,
        QUADRATIC_KAPPA,
        *SET_METRICS,
        LOSS,
        BRIER,
        CALIBRATION_ERROR,
        CALIBRATION_SLOPE,
        CALIBRATION_INTERCEPT,
    )
}
"""By name, in the order of tables."""
CHOOSING = tuple(name for name, metric in METRICS.items() if metric.chooses)
"""What an epoch may be chosen by."""
