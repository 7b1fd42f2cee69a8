"""The bundle's facts: what is written is what is read, and nothing that is damaged is taken for sound."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sightx_cli.bundle.chosen_threshold import Decision
from sightx_cli.bundle.facts import BundleFacts, Sets, check_bundled, load_facts, write_facts
from sightx_cli.bundle.familiarity import Familiarity
from sightx_cli.data.readers import AS_IS, Reading
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
    head={"pool": "avg", "taps": "last", "hidden": (8,), "dropout": 0.2},
    recipe="mine",
)


def write(run: Path, **changes: Any) -> Path:
    """A run's bundle.json, with some of its values changed."""
    (run / "bundle").mkdir()
    write_facts(run / "bundle", FACTS)
    file = run / "bundle" / "bundle.json"
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **changes}), encoding="utf-8")
    return file


def test_how_pixels_are_taken_comes_back_as_it_was_and_bundles_without_it_read_files_as_they_are(
    tmp_path: Path,
) -> None:
    reading = Reading(2, (3, 1), (0.0, 80.0), (("whole numbers", 110.0, 3900.0), ("fractions", 0.0, 1.0)), True)
    file = write(tmp_path, reading=asdict(reading))
    assert load_facts(tmp_path).reading == reading
    table = json.loads(file.read_text(encoding="utf-8"))
    del table["reading"]
    file.write_text(json.dumps(table), encoding="utf-8")
    assert load_facts(tmp_path).reading == AS_IS


def test_facts_come_back_as_they_were(tmp_path: Path) -> None:
    write(tmp_path)
    found = load_facts(tmp_path)
    assert found.task == FACTS.task
    assert (list(found.mean), list(found.std), found.head) == (list(FACTS.mean), list(FACTS.std), FACTS.head)


def test_what_tells_doubt_comes_back_as_it_was(tmp_path: Path) -> None:
    write(tmp_path, sets=SETS, familiarity=FAMILIARITY, decision=DECISION, temperature=1.25)
    found = load_facts(tmp_path)
    assert found.sets == Sets(0.9, {"0.9": (0.4, 0.5)}, "valid", 40)
    assert found.familiarity == Familiarity(5, 0.7, 3, 100)
    assert found.decision == Decision(("犬",), 0.2, "sensitivity 0.95", "out of fold")
    assert found.temperature == 1.25


def test_a_fit_writes_its_preprocessing_classes_backbone_and_head(digits_run: FitResult) -> None:
    facts = load_facts(digits_run.run)
    assert facts.task == SingleLabel(("nought", "one", "two"))
    assert (facts.size_px, facts.fit, facts.backbone, facts.recipe) == (
        64,
        "crop",
        "tf_efficientnet_lite2",
        "natural-small",
    )
    assert list(facts.mean) == [0.5, 0.5, 0.5]  # what timm says of tf_efficientnet_lite2
    assert facts.head["taps"] == "last"
    assert (facts.thresholds, facts.decision) == (None, None)
    assert facts.sets is not None
    assert facts.familiarity is not None


def test_another_format_is_refused_by_its_number(tmp_path: Path) -> None:
    write(tmp_path, format=99)
    with pytest.raises(RunError, match=r"made by a newer version of SightX \(format 99, this one reads 4\)"):
        load_facts(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"format": 4}',
        '{"format": ' + "[" * 100_000,
        '{"format": ' + "9" * 5_000 + "}",
    ],
)
def test_a_damaged_bundle_is_refused_by_its_path(tmp_path: Path, text: str) -> None:
    write(tmp_path).write_text(text)
    with pytest.raises(RunError, match=r"bundle\.json: cannot be read") as caught:
        load_facts(tmp_path)
    assert "name another run" in caught.value.hint


SETS = {"level": 0.9, "floors": {"0.9": [0.4, 0.5]}, "on": "valid", "images": 40, "shares": []}
FAMILIARITY = {"stages": 5, "limit": 0.7, "neighbours": 3, "vectors": 100}
DECISION = {"positive": ["犬"], "threshold": 0.2, "chosen": "sensitivity 0.95", "on": "out of fold"}
GRADES = {"kind": "grades", "classes": ["a", "b"], "soft": False}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size_px": 0}, "size_px: found 0; allowed: a whole number from 32 to 2,048"),
        ({"size_px": -5}, "size_px: found -5"),
        ({"size_px": 100_000}, "size_px: found 100000"),
        ({"size_px": None}, "size_px: found None"),
        ({"size_px": 64.0}, "size_px: found 64.0"),
        ({"size_px": "64"}, 'size_px: found "64"'),
        ({"fit": "stretch"}, 'fit: found "stretch"; allowed: "crop", "pad" or "squash"'),
        ({"mean": [0.5]}, "mean"),
        ({"mean": [0.5, 0.5, float("nan")]}, "mean"),
        ({"std": [0.5, 0.5, 0.0]}, "std"),
        ({"backbone": 3}, "backbone: found 3"),
        ({"head": {"pool": "max"}}, 'head.pool: found "max"'),
        ({"head": {"colour": 1}}, "head.colour: found the unknown key"),
        ({"temperature": float("inf")}, "temperature"),
        ({"thresholds": {"katze": 2}}, "thresholds"),
        ({"temperature": 0}, "temperature: found 0; allowed: a number above 0"),
        ({"sets": {"level": 0.9}}, "sets.floors"),
        ({"sets": {**SETS, "level": 1}}, "sets.level: found 1"),
        ({"sets": {**SETS, "level": 0.8}}, "sets.floors: allowed: 2 numbers for each level, 0.8 among them"),
        ({"sets": {**SETS, "floors": {"0.9": [0.5]}}}, "sets.floors: allowed: 2 numbers for each level"),
        ({"sets": {**SETS, "floors": {"0.9": [0.5, 2]}}}, "sets.floors"),
        ({"sets": {**SETS, "shares": [1.0]}}, "sets.shares: found 1; allowed: none, or one for each class"),
        ({"familiarity": {**FAMILIARITY, "limit": -1}}, "familiarity.limit: found -1; allowed: a number from 0 to 2"),
        ({"familiarity": {**FAMILIARITY, "colour": 1}}, "familiarity.colour: found the unknown key"),
        ({"decision": {**DECISION, "threshold": 1.5}}, "decision.threshold: found 1.5"),
        ({"decision": {**DECISION, "positive": ["hund"]}}, "decision.positive: found 'hund'"),
        ({"graph": "yes"}, "graph: found"),
        ({"files": {"graph.xml": "abc"}}, "files"),
        ({"task": 3}, "task: found 3"),
        ({"task": {**GRADES, "classes": 3}}, "classes: found 3"),
        ({"task": {**GRADES, "classes": ["a"]}}, "allowed: the names of two classes or more"),
        ({"task": {**GRADES, "classes": ["a", "b", "a"]}}, "classes: found 'a' twice"),
        ({"task": {**GRADES, "classes": ["a", 3]}}, "classes: found"),
        ({"task": {**GRADES, "kind": "colours"}}, "colours"),
        ({"task": {**GRADES, "kind": ["grades"]}}, ""),
        ({"task": {**GRADES, "soft": "no"}}, "soft: found 'no'"),
        ({"task": {"kind": "grades", "classes": ["a", "b"], "hard": True}}, "hard"),
    ],
    ids=str,
)
def test_a_value_that_cannot_be_is_refused_with_what_can(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    write(tmp_path, **changes)
    with pytest.raises(RunError, match=r"bundle\.json: cannot be read") as caught:
        load_facts(tmp_path)
    assert words in caught.value.message
    assert "\n" not in caught.value.message


def test_each_file_is_known_by_its_digest(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "graph.bin").write_bytes(b"abc")
    write_facts(tmp_path / "bundle", FACTS)
    facts = load_facts(tmp_path)
    check_bundled(tmp_path, facts, "graph.bin")
    (tmp_path / "bundle" / "graph.bin").write_bytes(b"abd")
    with pytest.raises(RunError, match=r"graph\.bin: is not the file that fit wrote"):
        check_bundled(tmp_path, facts, "graph.bin")
    with pytest.raises(RunError, match=r"graph\.xml: cannot be read \(No such file"):
        check_bundled(tmp_path, facts, "graph.xml")


def test_a_file_that_is_a_pipe_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    facts = write(tmp_path)
    os.mkfifo(tmp_path / "bundle" / "graph.bin")
    with pytest.raises(RunError, match="a named pipe, not a file"):
        check_bundled(tmp_path, load_facts(tmp_path), "graph.bin")
    facts.unlink()
    os.mkfifo(facts)
    with pytest.raises(RunError, match="a named pipe, not a file"):
        load_facts(tmp_path)


def test_a_value_that_this_version_does_not_know_is_refused(tmp_path: Path) -> None:
    write(tmp_path, colour="blue")
    with pytest.raises(RunError, match="colour"):
        load_facts(tmp_path)
