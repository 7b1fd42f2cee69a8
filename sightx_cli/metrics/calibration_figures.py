"""Whether probabilities can be believed: calibration error, slope and intercept.

Where an image may have several labels, each of them is a question of two classes, and all are asked together.

For these, a probability is what is judged, not the class that it leads to. Numpy and scipy are imported only where
something is measured, so that the registry can be read without them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sightx_cli.metrics.score_figures import BELIEVED, LEAST_ODDS_PROBABILITY, divide_rows

if TYPE_CHECKING:
    from sightx_cli.metrics.answers import Answers, Booleans, Floats, Integers

BINS = 10
"""The most bins of the calibration error. Each adds the chance of its own mean, so few bins flatter less and scare less
than the 15 of Guo (2017); with fewer than 10 · `PER_BIN` images there are fewer."""
PER_BIN = 10
"""The fewest images that a bin is meant to hold."""

STEEPEST = 100.0
"""A slope beyond this is not told from that of answers without a mistake, which has no limit: it is None."""
LEAST_SPREAD = 1e-6
"""Log-odds that lie closer together than this are all the same, and have no slope."""
STEPS = 100
"""The most Newton steps; the fits are convex in one or two numbers and take about six."""


def measure_calibration_error(answers: Answers) -> float:
    """Measure the expected calibration error of the likeliest class: how far confidence is from being right.

    Images are divided by confidence into bins that hold equally many (`assign_bins`); in each the mean confidence less
    the share that is right, absolute, averaged over images (Guo 2017; bins of equal mass: Nixon 2019). Chance alone
    makes it larger than 0, the more the fewer images there are.
    """
    return linearise_calibration_error(answers)[0]


def resample_calibration_error(answers: Answers, weights: Floats) -> Floats:
    """Measure the same of each resample, in the bins of all images."""
    import numpy as np

    asked = answers.ask_each()
    gaps, bins = asked.scores.max(axis=1) - asked.right, assign_bins(asked.scores.max(axis=1))
    by_bin = [answers.gather(np.where(bins == one, gaps, 0.0)) for one in range(int(bins.max()) + 1)]
    total = weights.sum(axis=1) * (len(gaps) / len(answers.truth))
    return np.asarray(np.abs(weights @ np.stack(by_bin, axis=1)).sum(axis=1) / total)


def linearise_calibration_error(answers: Answers) -> tuple[float, Floats]:
    """Measure it with the contribution of each image."""
    import numpy as np

    asked = answers.ask_each()
    confidence = asked.scores.max(axis=1)
    gaps, bins = confidence - asked.right, assign_bins(confidence)
    signs = np.sign(np.bincount(bins, gaps))[bins]
    value = float((signs * gaps).mean())
    return value, answers.gather((signs * gaps - value) / len(gaps))


def expect_calibration_error(answers: Answers) -> tuple[float, float]:
    """Expect the error, and its variance, of probabilities that are all right: each bin's share is right by chance.

    A bin counts one image more that is right, and one that is not: confidence 1 does not make a model certain.
    """
    import numpy as np

    confidence = answers.ask_each().scores.max(axis=1)
    bins = assign_bins(confidence)
    sizes = np.bincount(bins)
    shares = (np.bincount(bins, confidence) + 1) / (sizes + 2)
    spread = np.sqrt(sizes * shares * (1 - shares)) / len(confidence)
    return float(spread.sum() * np.sqrt(2 / np.pi)), float((spread**2).sum() * (1 - 2 / np.pi))


def assign_bins(values: Floats, bins: int = BINS) -> Integers:
    """Assign values (N,) to bins 0, 1, … that hold about equally many, (N,); equal values share one."""
    import numpy as np

    count = int(np.clip(len(values) // PER_BIN, 1, bins))
    edges = np.unique(np.quantile(values, np.arange(1, count) / count))
    return np.unique(np.searchsorted(edges, values, side="right"), return_inverse=True)[1].astype(np.int64)


def measure_slope(answers: Answers) -> float | None:
    """Measure the calibration slope: 1 where probabilities are as sure as they may be, below 1 where they are too sure.

    Of two classes the slope of a logistic regression of the truth on the log-odds of class 1 (Cox 1958; Van Calster
    2019, BMC Medicine 17:230). Of several, the power of the probabilities, renormalised, that fits the truths best: of
    two classes the same without an intercept, and the inverse of the temperature that would mend it (Guo 2017). None
    where there is none: the classes are told apart without a mistake, or one only occurs.
    """
    found = linearise_slope(answers)
    return None if found is None else found[0]


def linearise_slope(answers: Answers) -> tuple[float, Floats] | None:
    """Measure it with the contribution of each image: one Newton step of the fit, per image."""
    asked = answers.ask_each()
    if asked.classes > 2:
        power = _fit_power(asked)
        return None if power is None else power[:2]
    found = _linearise(_fit_odds(asked))
    return None if found is None else (found[0], answers.gather(found[1]))


def expect_slope(answers: Answers, _: float) -> tuple[float, float] | None:
    """Return the slope, and its variance if the recalibrated probabilities are right."""
    asked = answers.ask_each()
    if asked.classes > 2:
        power = _fit_power(asked)
        return None if power is None else (power[0], BELIEVED * power[2])
    found = _expect(_fit_odds(asked))
    return None if found is None else (found[0], BELIEVED * found[1])


def measure_intercept(answers: Answers) -> float | None:
    """Measure calibration in the large: 0 where probabilities are right on average, by log-odds, slope held at 1.

    Of two classes, by how much the log-odds of class 1 are too low (Van Calster 2019). Of several, by how much those of
    the likeliest class are: below 0 the model is too sure of itself. None where all is right, or one class occurs.
    """
    found = linearise_intercept(answers)
    return None if found is None else found[0]


def linearise_intercept(answers: Answers) -> tuple[float, Floats] | None:
    """Measure it with the contribution of each image."""
    found = _linearise(_fit_level(answers.ask_each()))
    return None if found is None else (found[0], answers.gather(found[1]))


def expect_intercept(answers: Answers, _: float) -> tuple[float, float] | None:
    """Return the intercept, and its variance if the recalibrated probabilities are right."""
    return _expect(_fit_level(answers.ask_each()))


@dataclass(frozen=True)
class _Fit:
    """A number fitted to outcomes, what each image's surprise moves it by (N,), what was expected, what came (N,)."""

    value: float
    parts: Floats
    expected: Floats
    outcome: Booleans


def _linearise(fit: _Fit | None) -> tuple[float, Floats] | None:
    return None if fit is None else (fit.value, fit.parts * (fit.outcome - fit.expected))


def _expect(fit: _Fit | None) -> tuple[float, float] | None:
    if fit is None:
        return None
    return fit.value, float((fit.parts**2 * fit.expected * (1 - fit.expected)).sum())


def _fit_level(answers: Answers) -> _Fit | None:
    """Fit outcomes by an intercept, the slope of the log-odds held at 1."""
    import numpy as np
    from scipy.special import expit

    if answers.classes == 2:
        odds, outcome = _take_odds(answers.scores[:, 1]), answers.truth == 1
    else:
        odds, outcome = _take_odds(answers.scores.max(axis=1)), answers.right
    if outcome.all() or not outcome.any():
        return None
    low, high = -float(odds.max()) - 40, -float(odds.min()) + 40
    for _ in range(STEPS):  # the sum of what is expected rises with it: halving cannot fail
        middle = (low + high) / 2
        low, high = (low, middle) if expit(odds + middle).sum() > outcome.sum() else (middle, high)
    expected = expit(odds + low)
    return _Fit(float(low), np.full(len(odds), 1 / (expected * (1 - expected)).sum()), expected, outcome)


def _take_odds(probabilities: Floats) -> Floats:
    import numpy as np

    bounded = np.clip(probabilities, LEAST_ODDS_PROBABILITY, 1 - LEAST_ODDS_PROBABILITY)
    return np.asarray(np.log(bounded / (1 - bounded)))


def _fit_odds(answers: Answers) -> _Fit | None:
    """Fit truth by an intercept and a slope of the log-odds of class 1."""
    import numpy as np
    from scipy.special import expit

    odds, outcome = _take_odds(answers.scores[:, 1]), answers.truth == 1
    if outcome.all() or not outcome.any() or np.ptp(odds) < LEAST_SPREAD:
        return None
    ones, others = odds[outcome], odds[~outcome]
    if ones.min() >= others.max() or others.min() >= ones.max():
        return None  # told apart: the steeper the better, without end
    columns = np.stack([np.ones_like(odds), (odds - odds.mean()) / odds.std()])
    found = np.zeros(2)
    loss = np.inf
    for _ in range(STEPS):
        expected = expit(found @ columns)
        spread = expected * (1 - expected)
        step = np.linalg.lstsq((columns * spread) @ columns.T, columns @ (outcome - expected), rcond=None)[0]
        size = 1.0
        while (new := _measure_odds_loss((found + size * step) @ columns, outcome)) > loss and size > 1e-6:
            size /= 2
        found = found + size * step
        if abs(loss - new) < 1e-12 * max(new, 1e-12):
            break
        loss = new
    slope = float(found[1] / odds.std())
    if abs(slope) > STEEPEST:
        return None
    expected = expit(found @ columns)
    curvature = (columns * (expected * (1 - expected))) @ columns.T
    parts = np.linalg.lstsq(curvature, columns, rcond=None)[0]
    return _Fit(slope, np.asarray(parts[1] / odds.std()), expected, outcome)


def _measure_odds_loss(odds: Floats, outcome: Booleans) -> float:
    import numpy as np

    return float(np.logaddexp(0, odds).sum() - odds[outcome].sum())


def _fit_power(answers: Answers) -> tuple[float, Floats, float] | None:
    """Fit the power of the probabilities under which the truths are likeliest.

    Returns it, each image's part in it, (N,), and its variance if the probabilities to that power are right.
    """
    import numpy as np

    logs = np.log(np.clip(answers.scores, LEAST_ODDS_PROBABILITY, 1.0))
    own = logs[np.arange(len(logs)), answers.truth]
    if (own >= logs.max(axis=1)).all() or (own <= logs.min(axis=1)).all():
        return None
    power, low, high = 1.0, -STEEPEST, STEEPEST
    for _ in range(STEPS):  # Newton's steps, halved intervals where one would leave what is known to hold the root
        mean, spread = _expect_logs(logs, power)
        surplus = float((own - mean).sum())
        low, high = (power, high) if surplus > 0 else (low, power)
        before, step = power, surplus / max(float(spread.sum()), 1e-300)
        power = power + step if low < power + step < high else (low + high) / 2
        if abs(power - before) < 1e-9 * max(1.0, abs(power)):
            break
    if abs(power) > STEEPEST - 1e-3:
        return None
    mean, spread = _expect_logs(logs, power)
    return power, np.asarray((own - mean) / spread.sum()), float(1 / spread.sum())


def _expect_logs(logs: Floats, power: float) -> tuple[Floats, Floats]:
    """The mean and variance of each image's log-probabilities under their own power, (N,) each."""
    import numpy as np

    means, variances = [], []
    for rows in divide_rows(logs):
        raised = np.exp(power * rows - (power * rows).max(axis=1, keepdims=True))
        raised /= raised.sum(axis=1, keepdims=True)
        means.append((raised * rows).sum(axis=1))
        variances.append((raised * rows**2).sum(axis=1) - means[-1] ** 2)
    return np.concatenate(means), np.concatenate(variances)
