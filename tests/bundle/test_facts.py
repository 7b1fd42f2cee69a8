"""The bundle's facts: what is written is what is read, and nothing that is damaged is taken for sound."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sightx_cli.bundle.facts import BundleFacts, load_facts, write_facts
from sightx_cli.errors import RunError
from sightx_cli.task.grades import Grades
from sightx_cli.task.single_label import SingleLabel

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult

FACTS = BundleFacts(
    task=Grades(("katze", "犬"), soft=False),
    size_px=64,
    fit="pad",
    mean=(0.5, 0.4, 0.3),
    std=(0.2, 0.2, 0.1),
    backbone="resnet18",
    head={"pool": "avg", "taps": "last", "hidden": [8], "dropout": 0.2},
    recipe="mine",
)


def write(run: Path, **changes: Any) -> Path:
    """A run's bundle.json, with some of its values changed."""
    (run / "bundle").mkdir()
    write_facts(run / "bundle", FACTS)
    file = run / "bundle" / "bundle.json"
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **changes}), encoding="utf-8")
    return file


def test_facts_come_back_as_they_were(tmp_path: Path) -> None:
    write(tmp_path)
    found = load_facts(tmp_path)
    assert found.task == FACTS.task
    assert (list(found.mean), list(found.std), found.head) == (list(FACTS.mean), list(FACTS.std), FACTS.head)


def test_a_fit_writes_its_preprocessing_classes_backbone_and_head(digits_run: FitResult) -> None:
    facts = load_facts(digits_run.run)
    assert facts.task == SingleLabel(("nought", "one", "two"))
    assert (facts.size_px, facts.fit, facts.backbone, facts.recipe) == (
        64,
        "crop",
        "tf_efficientnet_lite0",
        "natural-small",
    )
    assert list(facts.mean) == [0.5, 0.5, 0.5]  # what timm says of tf_efficientnet_lite0
    assert facts.head["taps"] == "last"
    assert (facts.temperature, facts.thresholds) == (1.0, None)


def test_another_format_is_refused_by_its_number(tmp_path: Path) -> None:
    write(tmp_path, format=99)
    with pytest.raises(RunError, match="format 99, this version reads 2"):
        load_facts(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"format": 2}',
        '{"format": 2, "task": 3}',
        '{"format": 2, "task": {"kind": "grades", "classes": 3}}',
        '{"format": 2, "task": {"kind": "colours", "classes": ["a"]}}',
        '{"format": 2, "task": {"kind": "grades", "classes": ["a"]}}',
    ],
)
def test_a_damaged_bundle_is_refused_by_its_path(tmp_path: Path, text: str) -> None:
    write(tmp_path).write_text(text)
    with pytest.raises(RunError, match=r"bundle\.json: cannot be read") as caught:
        load_facts(tmp_path)
    assert "name another run" in caught.value.hint


def test_a_value_that_this_version_does_not_know_is_refused(tmp_path: Path) -> None:
    write(tmp_path, colour="blue")
    with pytest.raises(RunError, match="colour"):
        load_facts(tmp_path)
