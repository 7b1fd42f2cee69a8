"""The registry of formats."""

from __future__ import annotations

from sightx_cli import runs
from sightx_cli.bundle.exporters import BUNDLED, EXPORTERS


def test_every_format_is_found_by_its_name_and_no_two_write_the_same_file() -> None:
    assert all(EXPORTERS[name].name == name for name in EXPORTERS)
    files = [file for exporter in EXPORTERS.values() for file in exporter.files]
    assert len(files) == len(set(files))


def test_a_bundle_holds_what_prediction_and_further_training_read() -> None:
    files = {file for exporter in BUNDLED for file in exporter.files}
    assert {runs.BUNDLE_GRAPH, runs.BUNDLE_WEIGHTS} <= files
