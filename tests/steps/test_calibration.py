"""Temperature and sets are fitted on images that the finished model did not learn from, and said with their figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sightx_cli.progress import Recorder
from sightx_cli.recipe.stage_titles import SOLVED
from sightx_cli.results.calibration import OUT_OF_FOLD, VALID
from sightx_cli.steps.calibration import Settled, cross_temper, divide_groups, settle_decisions
from sightx_cli.steps.crossvalidation import Validated
from sightx_cli.task.single_label import SingleLabel

TASK = SingleLabel(("a", "b"))


def draw(images: int, sharpness: float = 3.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    logits = np.stack([np.zeros(images), generator.normal(size=images) * 2], axis=1)
    targets = (generator.random(images) < TASK.activate(logits)[:, 1]).astype(np.int64)
    return TASK.activate(logits * sharpness), targets


def list_rows(targets: np.ndarray, split: str, groups: list[str] | None = None) -> pd.DataFrame:
    names = [f"{split}{place}" for place in range(len(targets))]
    labels = [TASK.classes[target] for target in targets]
    return pd.DataFrame({"label": labels, "group": groups or "", "digest": names, "split": split})


@pytest.fixture
def settle(open_session: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Settled, Recorder]]:
    """Settles made-up probabilities of the valid part, and of folds."""

    def run(images: int, stage: str, folds: int = 0, **how: Any) -> tuple[Settled, Recorder]:
        probabilities, targets = draw(images, **how)
        valid, validated = list_rows(targets, "valid"), None
        preparation: Any = SimpleNamespace(part=lambda _: valid)
        _, session = open_session()
        session = replace(session, task=TASK, train=replace(session.train, targets=session.train.targets % 2))
        session.best.stage, session.best.probabilities = stage, probabilities
        if folds:
            shares, truth = draw(folds, 1.0, 1)
            rows = pd.concat([list_rows(truth, "train"), list_rows(targets, "valid")])
            cross: Any = SimpleNamespace(probabilities=np.concatenate([shares, probabilities]))
            validated = Validated(rows, cross, 0.0)
        heard = Recorder()
        return settle_decisions(preparation, session, validated, heard), heard

    return run


def test_on_the_valid_part_the_figure_after_is_of_temperatures_fitted_on_other_images(settle: Any) -> None:
    found, _ = settle(300, "head")
    assert found.calibration.fitted_on == VALID
    assert (found.calibration.images, found.calibration.cross_fitted) == (300, True)
    assert 2 < found.temperature < 4
    assert found.calibration.after["loss"] < found.calibration.before["loss"]
    assert set(found.calibration.after) == set(found.calibration.before)
    np.testing.assert_allclose(found.judged, TASK.temper(draw(300)[0], found.temperature))


def test_the_cross_validated_head_is_calibrated_out_of_fold_on_training_images(settle: Any) -> None:
    found, _ = settle(60, SOLVED, folds=400)
    assert found.calibration.fitted_on == found.sets.on == OUT_OF_FOLD
    assert (found.calibration.images, found.calibration.cross_fitted, found.sets.images) == (400, False, 400)
    assert found.temperature == pytest.approx(1, abs=0.3)  # what fits the folds, not the sharp valid part


def test_another_model_is_calibrated_on_the_valid_part_though_there_are_folds(settle: Any) -> None:
    found, _ = settle(200, "last 2 stages and head", folds=400)
    assert (found.calibration.fitted_on, found.sets.on) == (VALID, VALID)


def test_few_images_leave_the_probabilities_as_they_are_and_that_is_said(settle: Any) -> None:
    found, heard = settle(15, "head")
    assert (found.temperature, found.calibration.fitted_on) == (1.0, "")
    assert found.sets.level == 0.9
    assert "uncalibrated" in {notice.kind for notice in heard.notices}


def test_very_few_images_tell_nothing_of_being_unsure_and_that_is_said(settle: Any) -> None:
    found, heard = settle(7, "head")
    assert (found.sets, found.abstention.level, found.abstention.unsure) == (None, None, None)
    assert "no-status" in {notice.kind for notice in heard.notices}


def test_groups_stay_whole_where_the_temperature_is_judged() -> None:
    together = [f"p{place // 4}" for place in range(80)]
    fold_of = divide_groups(together, 5)
    assert len(set(zip(together, fold_of.tolist(), strict=True))) == 20
    assert np.bincount(fold_of).tolist() == [16] * 5


def test_each_fifth_is_tempered_by_the_others() -> None:
    from sightx_cli.steps.calibration import Unlearned

    probabilities, targets = draw(200)
    known = Unlearned(probabilities, targets, [""] * 200, VALID)
    changed = targets.copy()
    first = divide_groups([""] * 200, 5) == 0
    changed[first] = 1 - changed[first]
    before, after = (cross_temper(TASK, replace(known, targets=one)) for one in (targets, changed))
    np.testing.assert_array_equal(before[first], after[first])
    assert not np.array_equal(before[~first], after[~first])


def test_of_few_images_each_fifth_is_tempered_all_the_same() -> None:
    from sightx_cli.steps.calibration import Unlearned

    probabilities, targets = draw(24)
    found = cross_temper(TASK, Unlearned(probabilities, targets, [""] * 24, VALID))
    assert (found != probabilities).any(axis=1).all()
