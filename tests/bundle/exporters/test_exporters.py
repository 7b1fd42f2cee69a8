"""The registries of formats."""

from __future__ import annotations

import tomllib
from pathlib import Path

from sightx_cli import runs
from sightx_cli.bundle.exporter import PRECISIONS
from sightx_cli.bundle.exporters import BUNDLED, EXPORTERS

EXTRAS = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def test_every_format_is_found_by_its_name() -> None:
    assert all(EXPORTERS[name].name == name for name in EXPORTERS)


def test_every_format_says_what_each_of_its_precisions_needs_and_which_extra_brings_it() -> None:
    for one in EXPORTERS.values():
        assert set(one.packages) == set(one.precisions) <= set(PRECISIONS)
        assert one.models[0].takes == "views"
        assert not one.extra or one.extra in EXTRAS


def test_a_bundle_holds_what_prediction_and_further_training_read() -> None:
    files = [file for part in BUNDLED for file in part.files]
    assert {runs.BUNDLE_GRAPH, runs.BUNDLE_WEIGHTS} <= set(files)
    assert len(files) == len(set(files))
