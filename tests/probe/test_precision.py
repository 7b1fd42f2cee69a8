"""Half precision is used only where it changes nothing that counts, on images of this set."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightx_cli.data.contents import digest_file
from sightx_cli.engine.choice import EngineChoice
from sightx_cli.engine.interface import Forward, Precision
from sightx_cli.features.sample import Sample
from sightx_cli.features.store import FeatureStore
from sightx_cli.features.views import View
from sightx_cli.probe import precision
from sightx_cli.probe.precision import BOUND, CHECKED_IMAGES, check_half, choose_checked, settle_precision
from sightx_cli.progress import Recorder
from sightx_cli.task.single_label import SingleLabel

TASK = SingleLabel(("nought", "one", "two"))
VIEW = View(16, "squash", None, 0, 0)
ENGINE = EngineChoice("torch", "float32", "cpu", "a test", "bfloat16")
Build = Callable[[Precision], Forward]


class Shaky:
    """A forward whose features are the pixels; in half precision off by noise of this size."""

    engine, size_px, batch_images, output_names = "torch", 16, 8, ("features",)

    def __init__(self, precision: Precision, noise: float) -> None:
        self.precision, self.noise = precision, noise if precision == "bfloat16" else 0.0

    def run(self, batches: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
        for key, images in batches:
            features = images.reshape(len(images), -1).astype(np.float32)
            noise = np.random.default_rng(0).normal(0, 255 * self.noise, features.shape)
            yield key, {"features": (features + noise).astype(np.float32)}


def shake(noise: float) -> Build:
    return lambda precision: Shaky(precision, noise)


@pytest.fixture(scope="module")
def train(digits: Path) -> Sample:
    files = sorted(str(path) for path in digits.rglob("*.png"))
    names = sorted({Path(file).parent.name for file in files})
    return Sample(
        files, [digest_file(file) for file in files], np.array([names.index(Path(file).parent.name) for file in files])
    )


def settle(train: Sample, noise: float, views: int = 10_000, engine: EngineChoice = ENGINE) -> Any:
    heard = Recorder()
    return settle_precision(engine, shake(noise), VIEW, train, TASK, views, 0, heard), heard.notes


def test_what_changes_nothing_is_used_and_said_with_its_figures(train: Sample) -> None:
    engine, notes = settle(train, 0.001)
    assert engine.precision == "bfloat16"
    assert notes == [f"precision: {engine.precision_why}"]
    assert re.match(
        r"learning from features in bfloat16 changes the log loss of \d+ training images", engine.precision_why
    )


def test_what_answers_worse_is_not_used(train: Sample) -> None:
    engine, _ = settle(train, 2.0)
    assert engine.precision == "float32"
    assert engine.precision_why.endswith("the images to train on are computed in float32")
    check = check_half("bfloat16", shake(2.0), VIEW, train, TASK)
    assert check is not None
    assert check.half_loss > check.exact_loss * (1 + BOUND)


@pytest.mark.parametrize(("missing", "expected"), [(1, "float32"), (0, "bfloat16")])
def test_few_views_are_not_worth_the_check(train: Sample, missing: int, expected: str) -> None:
    engine, _ = settle(train, 0.0, precision.PAYS_FROM_VIEWS - missing)
    assert engine.precision == expected


def test_a_device_without_half_precision_computes_in_float32(train: Sample) -> None:
    engine, notes = settle(train, 0.0, engine=EngineChoice("torch", "float32", "cpu", "a test"))
    assert (engine.precision, notes) == ("float32", [])


def test_too_few_images_are_computed_in_float32(train: Sample) -> None:
    few = Sample(train.paths[:2], train.digests[:2], train.targets[:2])
    assert settle(few, 0.0)[0].precision == "float32"


@pytest.mark.parametrize("counts", [(30, 30), (300, 5), (40, 40, 40), (2,) * 50, (1,) * 100])
def test_the_images_checked_are_spread_over_the_classes(counts: tuple[int, ...]) -> None:
    targets = np.repeat(np.arange(len(counts)), counts)
    chosen = choose_checked(targets, 0)
    assert len(set(chosen.tolist())) == len(chosen) == min(CHECKED_IMAGES, len(targets))
    found = np.bincount(targets[chosen], minlength=len(counts))
    assert all(found[place] >= min(2, count) for place, count in enumerate(counts[:30]))


def test_the_same_network_in_torchs_own_bfloat16_is_checked_on_any_processor(
    open_session: Callable[..., tuple[Any, Any]],
) -> None:
    from sightx_cli.engine.choice import build_forward
    from sightx_cli.model.backbone import Prefix

    _, session = open_session()
    prefix = Prefix(session.backbone, [], features=True)

    def build(precision: Precision) -> Forward:
        engine = replace(ENGINE, precision=precision)
        weights = session.weights
        names = prefix.output_names()
        return build_forward(engine, prefix, names, 32, weights.mean, weights.std, None, Recorder())

    check = check_half("bfloat16", build, View(32, "squash", None, 0, 0), session.train, session.task)
    assert check is not None
    assert check.images == len(session.train)
    assert 0 < abs(check.change) < 1


class Refuses(Shaky):
    """A forward with an operation that has no half precision."""

    def run(self, batches: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
        if self.precision == "bfloat16":
            raise NotImplementedError("not implemented for 'BFloat16'")
        return super().run(batches)


def test_a_network_that_cannot_be_computed_in_half_precision_is_computed_in_float32(train: Sample) -> None:
    engine = settle_precision(ENGINE, lambda one: Refuses(one, 0.0), VIEW, train, TASK, 10_000, 0, Recorder())
    assert engine.precision == "float32"


def test_a_check_is_remembered_for_the_same_images_and_network(train: Sample, tmp_path: Path) -> None:
    store, built = FeatureStore(tmp_path / "store"), []

    def build(one: Precision) -> Forward:
        built.append(one)
        return Shaky(one, 0.001)

    def settle_again(prefix: str, sample: Sample = train) -> EngineChoice:
        return settle_precision(ENGINE, build, VIEW, sample, TASK, 10_000, 0, Recorder(), store, prefix)

    first, second = settle_again("network"), settle_again("network")
    assert first == second
    assert built == ["float32", "bfloat16"]
    settle_again("another network")
    few = Sample(train.paths[:40], train.digests[:40], train.targets[:40])
    settle_again("network", few)
    assert len(built) == 6
