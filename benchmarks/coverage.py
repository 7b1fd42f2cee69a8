"""How often 95 % intervals hold what is true: simulated evaluations of models whose true figures are known.

    .venv/bin/python benchmarks/coverage.py              2,000 evaluations of each row: half an hour on one core
    .venv/bin/python benchmarks/coverage.py --quick      100 of each, to see that it runs
    .venv/bin/python benchmarks/coverage.py --grades     three grades in place of two classes

An image's score is normal, with a mean that its class decides so that the ROC AUC is the wanted one. By patient, each
patient has 1 to 5 images of one class, and half of the variance of scores is the patient's own. Probabilities are
overconfident: log-odds are a quarter too large. Of 100 images, 30 are of class 1. What is true is measured on half a
million images. Prints a table in Markdown: the share of evaluations, in %, whose interval holds it; "–" where more than
half of the evaluations have no interval, as the slope of images that are told apart without a mistake.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from sightx_cli.metrics.answers import Answers
from sightx_cli.metrics.figures import measure_answers
from sightx_cli.metrics.intervals import measure_answer_intervals
from sightx_cli.metrics.metric import GRADES, SINGLE_LABEL
from sightx_cli.metrics.registry import list_metrics

AREAS = (0.7, 0.8, 0.9, 0.95, 0.99)
AMOUNTS = (30, 100, 300, 1_000)
SHARES = {2: (0.7, 0.3), 3: (0.4, 0.3, 0.3)}
OVERCONFIDENCE = 1.25
PATIENT_SHARE = 0.5
"""How much of a score's variance is the patient's own: the correlation of two images of a patient."""
FEWEST = 3
"""Units of each class that an evaluation must have: fewer would not be evaluated."""
TRUTH_IMAGES = 500_000


def draw_answers(
    area: float, units: int, sizes: Sequence[int], classes: int, chance: np.random.Generator
) -> tuple[Answers, NDArray[np.int64]]:
    """Draw an evaluation of so many units, each with one of `sizes` images; the answers, and each image's unit."""
    while True:
        labels = chance.choice(classes, units, p=SHARES[classes])
        if units > TRUTH_IMAGES / 2 or np.bincount(labels, minlength=classes).min() >= FEWEST:
            break
    unit_of = np.repeat(np.arange(units), chance.choice(sizes, units))
    truth = labels[unit_of]
    apart = float(norm.ppf(area)) * np.sqrt(2)
    own = PATIENT_SHARE if len(sizes) > 1 else 0.0
    scores = apart * truth + np.sqrt(own) * chance.normal(size=units)[unit_of]
    scores += np.sqrt(1 - own) * chance.normal(size=len(truth))
    means = apart * np.arange(classes)
    logits = OVERCONFIDENCE * (scores[:, None] * means - means**2 / 2 + np.log(SHARES[classes]))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return Answers(powers / powers.sum(axis=1, keepdims=True), truth), unit_of


def measure_coverage(
    area: float, units: int, sizes: Sequence[int], classes: int, evaluations: int, seed: int
) -> dict[str, float]:
    """Measure the share of evaluations whose interval holds what is true, by metric; NaN where half have none."""
    kind = GRADES if classes > 2 else SINGLE_LABEL
    chance = np.random.default_rng(seed)
    truth = measure_answers(draw_answers(area, TRUTH_IMAGES, (1,), classes, chance)[0], kind)
    held: dict[str, list[bool]] = {name: [] for name in truth}
    for _ in range(evaluations):
        answers, unit_of = draw_answers(area, units, sizes, classes, chance)
        together = [str(unit) for unit in unit_of] if len(sizes) > 1 else []
        for name, interval in measure_answer_intervals(answers, kind, together).items():
            value = truth[name]
            if interval is not None and value is not None:
                held[name].append(interval[0] <= value <= interval[1])
    return {name: float(np.mean(all_)) if len(all_) > evaluations / 2 else float("nan") for name, all_ in held.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100 evaluations of each row")
    parser.add_argument("--grades", action="store_true", help="three grades in place of two classes")
    parser.add_argument("--evaluations", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    evaluations, classes = 100 if options.quick else options.evaluations, 3 if options.grades else 2
    metrics = {
        name: metric for name, metric in list_metrics(GRADES).items() if options.grades or name != "quadratic_kappa"
    }
    print(f"| {' | '.join(['by', 'of each', 'AUC', *(metric.title for metric in metrics.values())])} |")
    print("|---" * (3 + len(metrics)) + "|")
    for unit, sizes in (("images", (1,)), ("patients", (1, 2, 3, 4, 5))):
        for units in AMOUNTS:
            for area in AREAS:
                found = measure_coverage(area, units, sizes, classes, evaluations, options.seed)
                cells = ["–" if np.isnan(found[name]) else f"{100 * found[name]:.1f}" for name in metrics]
                print(f"| {' | '.join([unit, f'{units:,}', str(area), *cells])} |", flush=True)


if __name__ == "__main__":
    main()
