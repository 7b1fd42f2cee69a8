"""What is said of the weights before any training."""

from __future__ import annotations

from sightx_cli.model.weights import Weights
from sightx_cli.progress import Recorder
from sightx_cli.steps.session import say_weights


def test_tensors_of_zeros_are_a_warning_that_names_one() -> None:
    heard = Recorder()
    say_weights(Weights("mine.pth", "", (0.5,), (0.5,), {}, zeros=("a.weight", "b.weight")), "resnet18", heard)
    assert heard.warnings == [
        "2 tensors of these weights hold only zeros, such as a.weight: is the file whole?",
    ]
