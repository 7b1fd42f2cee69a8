"""How often two models are called different: seeds of one fit, which are of equal worth, and models that are not.

    .venv/bin/python benchmarks/paired_models.py            2,000 pairs of each row: ten minutes on one core
    .venv/bin/python benchmarks/paired_models.py --quick    50 of each

Two seeds of one fit see an image alike: of the variance of their scores, four fifths are the image's own. By patient, a
patient has four images of one class, and half of what images have of their own is the patient's. Prints a table in
Markdown: the pairs called different by the accuracy looked at alone, by the ROC AUC alone, and by any of all metrics
(Holm's correction).
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.stats import norm

from sightx_cli.metrics.answers import Answers
from sightx_cli.metrics.metric import SINGLE_LABEL
from sightx_cli.metrics.paired import SIGNIFICANT, compare_answers

SHARED, PATIENT_SHARE = 0.8, 0.5
ROWS = (
    ("seeds of one fit", 0.9, 0.9, 200, 1),
    ("seeds of one fit", 0.97, 0.97, 200, 1),
    ("seeds of one fit", 0.9, 0.9, 200, 4),
    ("accuracy 0.90 and 0.95", 0.9, 0.95, 1_000, 1),
)
"""What, the accuracies, the images, and the images of a patient."""


def draw_pair(
    shares: tuple[float, float], images: int, per_patient: int, chance: np.random.Generator
) -> tuple[Answers, Answers, list[str]]:
    """Draw the answers of two models of these accuracies to the same images, and the images' patients."""
    patient_of = np.arange(images) // per_patient
    truth = chance.integers(0, 2, patient_of.max() + 1)[patient_of]
    of_patients = PATIENT_SHARE if per_patient > 1 else 0.0
    image = np.sqrt(of_patients) * chance.normal(size=images)[patient_of]
    image += np.sqrt(1 - of_patients) * chance.normal(size=images)
    found = []
    for share in shares:
        noise = np.sqrt(SHARED) * image + np.sqrt(1 - SHARED) * chance.normal(size=images)
        apart = float(norm.ppf(share))
        scores = 1 / (1 + np.exp(-2 * apart * (noise + apart * (2 * truth - 1))))
        found.append(Answers(np.stack([1 - scores, scores], axis=1), truth))
    return found[0], found[1], [f"p{one}" for one in patient_of] if per_patient > 1 else []


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="50 pairs of each row")
    parser.add_argument("--pairs", type=int, default=2_000)
    options = parser.parse_args()
    pairs = 50 if options.quick else options.pairs
    print("| models | accuracies | images | by | pairs | accuracy alone | ROC AUC alone | any metric |")
    print("|---|---|---|---|---|---|---|---|")
    for what, first, second, images, per_patient in ROWS:
        chance, called = np.random.default_rng(0), np.zeros(3, int)
        for _ in range(pairs):
            *two, together = draw_pair((first, second), images, per_patient, chance)
            found = compare_answers(two[0], two[1], SINGLE_LABEL, together)
            called += [
                found["accuracy"].p <= SIGNIFICANT,
                found["roc_auc"].p <= SIGNIFICANT,
                any(one.is_different for one in found.values()),
            ]
        unit = "patients" if per_patient > 1 else "images"
        cells = [what, f"{first} {second}", f"{images:,}", unit, f"{pairs:,}", *(f"{count:,}" for count in called)]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
