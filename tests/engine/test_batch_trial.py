"""How many images go into one call: tried before long work, kept, and without effect on what comes out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from sightx_cli.engine.batch_trial import TRIAL_IMAGES, describe_machine, find_batch, read_record, try_batches
from sightx_cli.engine.conversion import convert_module
from sightx_cli.engine.interface import EXACT, choose_batch
from sightx_cli.engine.openvino_forward import OpenVinoForward
from tests.engine.conftest import MEAN, SIZE_PX, STD


@pytest.fixture
def graph(small: nn.Module) -> Any:
    return convert_module(small, ["map", "features"], SIZE_PX, MEAN, STD)


def test_few_images_are_not_worth_a_trial(graph: Any, tmp_path: Path) -> None:
    record = tmp_path / "graphs" / "net.batch.json"
    assert find_batch(graph, EXACT, TRIAL_IMAGES - 1, record) == choose_batch(SIZE_PX)
    assert not record.parent.exists()


def test_a_trial_is_made_once_and_kept_for_the_machine_it_was_made_on(graph: Any, tmp_path: Path) -> None:
    record = tmp_path / "graphs" / "net.batch.json"
    found = find_batch(graph, EXACT, TRIAL_IMAGES, record)
    assert found in {choose_batch(SIZE_PX) // 2, choose_batch(SIZE_PX), 2 * choose_batch(SIZE_PX)}
    assert read_record(record) == {describe_machine(EXACT): found}
    record.write_text(json.dumps({describe_machine(EXACT): 3, "another machine": 7}))
    assert find_batch(graph, EXACT, 1, record) == 3
    assert find_batch(graph, "bfloat16", 1, record) == choose_batch(SIZE_PX)


def test_the_graph_that_was_tried_is_as_it_was(graph: Any) -> None:
    try_batches(graph, EXACT, SIZE_PX, 4)
    assert graph.inputs[0].partial_shape[0].is_dynamic


@pytest.mark.parametrize("text", ["", "{", "[]", '{"x": "4"}', '{"x": 0}', '{"x": true}', '{"x": 1e9}'])
def test_a_damaged_record_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "net.batch.json").write_text(text)
    assert read_record(tmp_path / "net.batch.json") == {}


def test_every_batch_gives_the_same_numbers(graph: Any) -> None:
    images = np.random.default_rng(0).integers(0, 256, (24, SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
    results = []
    for batch in (1, 2, 4, 8):
        forward = OpenVinoForward(graph.clone(), batch=batch)
        parts = forward.run((first, images[first : first + batch]) for first in range(0, 24, batch))
        results.append(np.concatenate([outputs["features"] for _, outputs in parts]))
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], rtol=1e-5, atol=1e-6)
