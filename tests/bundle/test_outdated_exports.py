"""Exports that a run's stored threshold has overtaken are found, and the command that writes them anew is said."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sightx_cli import export, runs
from sightx_cli.bundle.chosen_threshold import Decision
from sightx_cli.bundle.facts import keep_decision, load_facts
from sightx_cli.bundle.outdated_exports import find_outdated_exports, warn_of_outdated_exports

ONE, OTHER = (Decision(("one",), threshold, "sensitivity 0.95", "out of fold") for threshold in (0.3, 0.4))


@pytest.fixture(scope="module")
def exported(build_run: Callable[..., Path]) -> Path:
    """A run that was exported in two formats."""
    run = build_run()
    export(run, format="safetensors")
    export(run, format="openvino", precision="float16")
    return run


@pytest.fixture
def run(exported: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed, under a name that a shell would split."""
    shutil.copytree(exported, tmp_path / "my run")
    return tmp_path / "my run"


def test_exports_are_outdated_by_a_threshold_and_no_more_once_it_is_taken_back(run: Path) -> None:
    assert warn_of_outdated_exports(run, load_facts(run)) is None
    warned = warn_of_outdated_exports(run, keep_decision(run, ONE))
    assert warned is not None
    assert (warned.count, warned.warns) == (2, True)
    assert "as the run did before: openvino-float16, safetensors;" in warned.text
    assert f"sightx export '{run}' --format openvino --precision float16 --overwrite" in warned.text
    assert f"sightx export '{run}' --format safetensors --overwrite" in warned.text
    assert warn_of_outdated_exports(run, keep_decision(run, None)) is None


def test_an_export_of_the_same_threshold_is_not_outdated_and_one_of_another_is(run: Path) -> None:
    facts = keep_decision(run, ONE)
    export(run, format="safetensors", overwrite=True)
    assert [folder.name for folder in find_outdated_exports(run, facts)] == ["openvino-float16"]
    assert len(find_outdated_exports(run, keep_decision(run, OTHER))) == 2
    assert len(find_outdated_exports(run, keep_decision(run, None))) == 1


def test_an_export_whose_contract_cannot_be_read_counts_as_outdated(run: Path) -> None:
    (run / runs.EXPORT / "safetensors" / "contract.json").write_text("[")
    warned = warn_of_outdated_exports(run, load_facts(run))
    assert warned is not None
    assert "holds an export that still decides as the run did before: safetensors; to write it anew: " in warned.text
