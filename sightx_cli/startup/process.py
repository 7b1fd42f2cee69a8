"""What the `sightx` command settles for its own process, before anything heavy is loaded; never in a user's own."""

from __future__ import annotations

import os


def settle_environment() -> None:
    """Let waiting threads sleep: a value of the environment that is set already wins.

    OpenMP's threads otherwise spin while they wait for each other. Where anything else wants the processor (another
    program, our own decoding threads) a spinning thread keeps it from the one that has work: a training step was
    measured three times slower. It is read when torch is loaded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
