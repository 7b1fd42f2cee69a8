"""Prediction from a bundle: every image gets its outcome, in order, whatever lies between."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sightx_cli.bundle.facts import load_facts
from sightx_cli.bundle.predictor import NOT_FINITE, Predictor, load_predictor
from sightx_cli.data.reader_processes import ReaderPool
from sightx_cli.engine.conversion import write_graph
from sightx_cli.engine.interface import PROBABILITIES, Images, Outputs
from sightx_cli.engine.openvino_forward import read_graph
from sightx_cli.errors import RunError

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult


def list_items(digits: Path, count: int) -> list[tuple[str, str]]:
    files = sorted(digits.rglob("*.png"))
    return [(path.name, str(path)) for path in files[:: len(files) // count][:count]]


@pytest.mark.parametrize(
    ("count", "bad"), [(0, []), (1, []), (4, []), (5, [0]), (9, [0, 3, 4, 5, 6, 7, 8]), (12, range(12))]
)
def test_every_image_has_its_outcome_in_order(
    digits_run: FitResult, digits: Path, tmp_path: Path, count: int, bad: list[int]
) -> None:
    items = list_items(digits, max(count, 1))[:count]
    for place in bad:
        file = tmp_path / f"bad{place}.png"
        file.write_text("text")
        items[place] = (file.name, str(file))
    found = list(load_predictor(digits_run.run, batch=4).predict(items))
    assert [prediction.image for prediction in found] == [image for image, _ in items]
    for place, prediction in enumerate(found):
        if place in bad:
            assert prediction.probabilities is None
            assert "is not a readable image" in prediction.error
        else:
            assert prediction.error == ""
            assert prediction.probabilities is not None
            assert float(prediction.probabilities.sum()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("reason", ["is empty", "No such file", "is a folder, not a file", "truncated", "pixels"])
def test_whatever_is_wrong_with_a_file_is_said_and_the_next_one_is_read(
    digits_run: FitResult, digits: Path, tmp_path: Path, reason: str
) -> None:
    items = list_items(digits, 2)
    bad, good = tmp_path / "bad.png", Path(items[0][1])
    if reason == "is empty":
        bad.touch()
    elif reason == "is a folder, not a file":
        bad.mkdir()
    elif reason == "truncated":
        bad.write_bytes(good.read_bytes()[:-200])
    elif reason == "pixels":
        bad.write_bytes(b"P5 60000 60000 255\n")
    found = list(load_predictor(digits_run.run).predict([items[0], ("bad.png", str(bad)), items[1]]))
    assert reason in found[1].error
    assert [prediction.probabilities is not None for prediction in found] == [True, False, True]


@pytest.mark.parametrize("batch", [1, 3, 32])
def test_the_size_of_the_batch_changes_no_label(digits_run: FitResult, digits: Path, batch: int) -> None:
    items = list_items(digits, 24)
    one, other = (
        np.stack([prediction.probabilities for prediction in load_predictor(digits_run.run, size).predict(items)])
        for size in (16, batch)
    )
    np.testing.assert_allclose(other, one, atol=1e-5)


def test_a_single_image_gets_what_it_gets_among_many(digits_run: FitResult, digits: Path) -> None:
    items = list_items(digits, 5)
    alone = next(load_predictor(digits_run.run, batch=1).predict(items[2:3]))
    among = list(load_predictor(digits_run.run).predict(items))[2]
    np.testing.assert_allclose(alone.probabilities, among.probabilities, atol=1e-5)


def test_images_are_read_only_a_few_batches_ahead(digits_run: FitResult, digits: Path) -> None:
    asked = []

    def ask() -> object:
        for item in list_items(digits, 72):
            asked.append(item)
            yield item

    next(load_predictor(digits_run.run, batch=2).predict(ask()))
    assert len(asked) < 40


@pytest.mark.parametrize(("name", "keep"), [("graph.xml", 0), ("graph.xml", 1000), ("graph.bin", 1000)])
def test_a_damaged_graph_is_refused_by_its_path(digits_run: FitResult, tmp_path: Path, name: str, keep: int) -> None:
    shutil.copytree(digits_run.run, tmp_path / "run")
    file = tmp_path / "run" / "bundle" / name
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(RunError, match=rf"{name}: is not the file that fit wrote"):
        load_predictor(tmp_path / "run")


def test_a_graph_of_another_fit_is_refused_though_it_is_sound(digits_run: FitResult, tmp_path: Path) -> None:
    shutil.copytree(digits_run.run, tmp_path / "run")
    graph = read_graph(digits_run.run / "bundle" / "graph.xml")
    graph.set_friendly_name("another")
    write_graph(graph, tmp_path / "run" / "bundle" / "graph.xml")
    with pytest.raises(RunError, match="is not the file that fit wrote"):
        load_predictor(tmp_path / "run")


@pytest.mark.parametrize(
    "changes",
    [
        {"size_px": 128},
        {"task": {"kind": "single-label", "classes": ["a", "b"]}, "sets": None},
        {"task": {"kind": "single-label", "classes": ["a", "b", "c", "d"]}, "sets": None},
    ],
    ids=["size", "fewer classes", "more classes"],
)
def test_facts_are_held_against_the_graph(digits_run: FitResult, tmp_path: Path, changes: dict[str, object]) -> None:
    shutil.copytree(digits_run.run, tmp_path / "run")
    facts = tmp_path / "run" / "bundle" / "bundle.json"
    facts.write_text(json.dumps({**json.loads(facts.read_text()), **changes}))
    with pytest.raises(RunError, match="the graph beside it has 64 px and 3"):
        load_predictor(tmp_path / "run")


def test_predicting_needs_no_file_beside_facts_and_graph(digits_run: FitResult, digits: Path, tmp_path: Path) -> None:
    shutil.copytree(digits_run.run / "bundle", tmp_path / "run" / "bundle")
    (tmp_path / "run" / "bundle" / "weights.safetensors").unlink()
    found = next(load_predictor(tmp_path / "run").predict(list_items(digits, 1)))
    assert found.probabilities is not None


class NaNForward:
    """A model whose answer to every second image is not a number."""

    engine, precision, size_px, batch_images = "openvino", "float32", 64, 2

    def run(self, batches: Iterable[tuple[int, Images]]) -> Iterator[tuple[int, Outputs]]:
        for key, images in batches:
            answers = np.full((len(images), 3), 1 / 3, np.float32)
            answers[1::2] = np.nan
            yield key, {PROBABILITIES: answers}


def test_an_answer_that_is_not_finite_is_an_error_and_no_prediction(digits_run: FitResult, digits: Path) -> None:
    predictor = Predictor(load_facts(digits_run.run), NaNForward(), 2)
    found = list(predictor.predict(list_items(digits, 4)))
    assert [one.probabilities is not None for one in found] == [True, False, True, False]
    assert [one.error for one in found] == ["", NOT_FINITE, "", NOT_FINITE]


@pytest.mark.parametrize("name", ["graph.xml", "graph.bin"])
def test_a_graph_that_is_gone_is_refused_by_its_path(digits_run: FitResult, tmp_path: Path, name: str) -> None:
    shutil.copytree(digits_run.run, tmp_path / "run")
    (tmp_path / "run" / "bundle" / name).unlink()
    with pytest.raises(RunError, match=rf"{name}: cannot be read"):
        load_predictor(tmp_path / "run")


def test_processes_read_for_a_device_what_threads_read(
    digits_run: FitResult, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items: list[Any] = list_items(digits, 7)
    broken = tmp_path / "broken.png"
    broken.write_text("text")
    items[2:2] = [("broken.png", broken), ("gone.png", tmp_path / "gone.png")]
    items.append(("in memory", Path(items[0][1]).read_bytes()))
    predictor = load_predictor(digits_run.run, batch=4)
    expected = list(predictor.predict(items))
    with closing(ReaderPool(2)) as pool:
        monkeypatch.setattr("sightx_cli.bundle.predictor.choose_readers", lambda *_: pool)
        found = list(predictor.predict(items))
    assert [(one.image, one.error, one.hint, one.found) for one in found] == [
        (one.image, one.error, one.hint, one.found) for one in expected
    ]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)
