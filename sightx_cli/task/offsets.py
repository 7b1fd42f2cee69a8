"""What is added to the logit of each class so that each counts the same on images that were not learned from.

Weights in the loss do not do it where features outnumber images: every image learned from is right whatever it weighs,
and a rare class is passed over on new ones. Menon et al. 2021, "Long-Tail Learning via Logit Adjustment"
(arXiv:2007.07314), subtract the logarithm of the class's share; fitted to cross-validated predictions, the offsets also
make up for what a head of few images lacks in certainty. Measured on six pairs of classes (ants and bees at two sizes,
chest X-rays, retina photographs, two of CIFAR-10), 8 draws each, linear heads, sensitivity of the rare class and
balanced accuracy:

| training images | unweighted | weighted | weighted, with offsets |
|---|---|---|---|
| 5 : 1 | 0.56, 0.774 | 0.70, 0.830 | 0.86, 0.859 |
| 10 : 1 | 0.30, 0.648 | 0.53, 0.758 | 0.86, 0.836 |
| 20 : 1 | 0.10, 0.551 | 0.31, 0.651 | 0.84, 0.812 |
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LARGEST = 20.0
"""No offset is larger: odds of e²⁰, beyond which nothing is decided any more."""


def fit_offsets(
    logs: NDArray[np.float64], shares: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Fit the offsets (C,) of logits: those of the least cross-entropy, each image weighing as its class does.

    `logs` are the logarithms of probabilities of images that were not learned from, `shares` their targets, (N, C)
    each; `weights` is (N,). The offsets' mean is 0. A class without images takes the largest offset of the others.
    """
    from scipy.optimize import minimize

    present = shares.sum(0) > 0
    known, wanted, weights = logs[:, present], shares[:, present], weights / weights.sum()

    def measure(offsets: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = known + offsets
        logits = logits - logits.max(1, keepdims=True)
        fitted = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        slopes = weights @ (np.exp(fitted) - wanted)
        return -float((weights @ (wanted * fitted)).sum()), slopes

    size = int(present.sum())
    found = minimize(measure, np.zeros(size), jac=True, method="L-BFGS-B", bounds=[(-LARGEST, LARGEST)] * size).x
    offsets = np.full(len(present), found.max(initial=0.0))
    offsets[present] = found
    return np.asarray(offsets - offsets.mean(), np.float32)
