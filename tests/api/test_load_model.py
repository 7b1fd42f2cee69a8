"""`load_model`: the answers of `predict`, in memory, from any number of threads, of a whole bundle."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sightx_cli import load_model, predict
from sightx_cli.errors import DataError, RunError, UsageError

if TYPE_CHECKING:
    from sightx_cli.bundle.memory_model import Model
    from sightx_cli.results.fit import FitResult


@pytest.fixture(scope="module")
def model(digits_run: FitResult) -> Model:
    """The model of the digits."""
    return load_model(digits_run.run)


@pytest.fixture(scope="module")
def files(digits: Path) -> list[Path]:
    """Some digits."""
    return sorted(digits.rglob("*.png"))[::7]


@pytest.fixture
def copied(digits_run: FitResult, tmp_path: Path) -> Path:
    """A copy of the run."""
    return Path(shutil.copytree(digits_run.run, tmp_path / "run"))


def take(answer: Any) -> dict[str, Any]:
    """All of an answer but its time."""
    return {name: value for name, value in answer.to_json().items() if name != "seconds"}


@pytest.mark.parametrize("tta", [None, 3])
def test_an_answer_says_what_the_row_of_a_table_says(
    digits_run: FitResult, files: list[Path], tmp_path: Path, tta: int | None
) -> None:
    model = load_model(digits_run.run, tta=tta)
    predict(files, model=digits_run.run, output=tmp_path / "rows.csv", tta=tta)
    for (_, row), answer in zip(pd.read_csv(tmp_path / "rows.csv").iterrows(), model.predict(files), strict=True):
        assert (answer.prediction, answer.status) == (row["prediction"], row["status"])
        assert answer.confidence == pytest.approx(row["confidence"], abs=1e-5)
        assert answer.probabilities == pytest.approx({name: row[f"p_{name}"] for name in model.classes}, abs=1e-5)
        assert (answer.error, answer.decision, answer.notes) == ("", "", ())


def test_path_bytes_picture_and_array_get_one_answer(model: Model, files: list[Path]) -> None:
    data = files[0].read_bytes()
    with Image.open(files[0]) as image:
        kinds = [str(files[0]), data, bytearray(data), memoryview(data), image, image.copy(), np.asarray(image)]
        found = [take(model.predict(one)) for one in kinds]
    assert found == [take(model.predict(files[0]))] * len(kinds)


def test_a_list_is_answered_in_its_order_as_each_image_alone(model: Model, files: list[Path]) -> None:
    many = model.predict([path.read_bytes() for path in files])
    assert [take(one) for one in many] == [take(model.predict(path)) for path in files]
    assert model.predict([]) == []


def test_threads_get_the_answers_that_one_gets(model: Model, files: list[Path]) -> None:
    expected = [take(model.predict(path)) for path in files]
    with ThreadPoolExecutor(8) as pool:
        alone = [pool.submit(model.predict, path) for path in files * 8]
        lists = [pool.submit(model.predict, files) for _ in range(8)]
    assert [take(one.result()) for one in alone] == expected * 8
    assert [[take(answer) for answer in one.result()] for one in lists] == [expected] * 8


def test_an_unreadable_image_of_a_list_has_its_answer_and_alone_raises(model: Model, files: list[Path]) -> None:
    damaged = files[0].read_bytes()[:-300]
    first, second, third, fourth = model.predict([files[0], damaged, "nowhere.png", files[1]])
    assert first.error == fourth.error == ""
    assert (second.prediction, second.confidence, second.probabilities, second.status) == (None, None, {}, "")
    assert second.error.startswith("images[1]: is truncated")
    assert third.error.startswith("nowhere.png: cannot be read: No such file")
    for bad in (damaged, "nowhere.png", b"", b"text", np.zeros((3, 5), np.int32)):
        with pytest.raises(DataError):
            model.predict(bad)


def test_what_is_no_image_is_refused_with_what_is_allowed(model: Model) -> None:
    for no_image in (None, 7, object(), {"image": 1}):
        with pytest.raises(UsageError, match=r"^image: is of the type .*; allowed: a path"):
            model.predict(no_image)  # type: ignore[call-overload]
        with pytest.raises(UsageError, match=r"^images\[0\]: is of the type"):
            model.predict([no_image])  # type: ignore[list-item]


def test_what_was_left_out_of_an_image_is_noted(model: Model) -> None:
    deep = np.random.default_rng(0).integers(0, 60_000, (40, 30), np.uint16)
    (note,) = model.predict(deep).notes
    assert "scaled over a range of its own" in note
    assert model.predict(np.full((40, 30), 7, np.uint8)).notes == ("the image is of one colour after reading",)


def test_it_says_what_it_knows(model: Model) -> None:
    assert model.classes == ("nought", "one", "two")
    assert (model.task, model.size_px) == ("single-label", 64)
    assert model.facts.backbone.startswith("tf_efficientnet_lite")


def test_nothing_is_printed_warned_of_or_written_and_torch_is_not_loaded(
    copied: Path, files: list[Path], tmp_path: Path
) -> None:
    asked = f"from sightx_cli import load_model; load_model({str(copied)!r}).predict([{str(files[0])!r}] * 9)"
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    found = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            f"{asked}; import sys; sys.exit('torch' in sys.modules)",
        ],
        capture_output=True,
        cwd=tmp_path,
        check=False,
    )
    assert (found.returncode, found.stdout, found.stderr) == (0, b"", b"")
    assert sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["graph.bin", "weights.safetensors"])
def test_a_bundle_with_a_changed_file_is_refused(copied: Path, name: str) -> None:
    file = copied / "bundle" / name
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(RunError, match=rf"{name}: is not the file that fit wrote"):
        load_model(copied)
    file.unlink()
    with pytest.raises(RunError, match=rf"{name}: cannot be read"):
        load_model(copied)


def test_a_bundle_of_a_newer_version_is_refused_as_such(copied: Path) -> None:
    facts = copied / "bundle" / "bundle.json"
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "format": 99, "more": 1}))
    with pytest.raises(RunError, match=r"bundle\.json: was made by a newer version of SightX") as error:
        load_model(copied)
    assert "pip install --upgrade sightx-cli" in error.value.hint


def test_what_is_no_finished_run_is_refused(copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="no run yet"):
        load_model()
    with pytest.raises(RunError, match="no such run folder"):
        load_model("nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="so it is not a finished run"):
        load_model("empty")
    (copied / "journal.json").write_text('{"journal": {"usable": false}}')
    with pytest.raises(RunError, match="this run is unfinished"):
        load_model(copied)


def test_the_newest_run_is_loaded_by_default(digits_run: FitResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(digits_run.run.parent.parent)
    assert load_model().classes == ("nought", "one", "two")


def test_views_are_those_of_bytes_too(digits_run: FitResult, files: list[Path]) -> None:
    many = load_model(digits_run.run, tta=3)
    assert [take(many.predict(path.read_bytes())) for path in files] == [take(one) for one in many.predict(files)]
    with pytest.raises(UsageError, match="--tta 0"):
        load_model(digits_run.run, tta=0)
