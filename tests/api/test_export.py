"""`export` hands over what gives the model's own answers, or nothing."""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sightx_cli import export, runs
from sightx_cli.bundle.chosen_threshold import Decision
from sightx_cli.bundle.exporters import EXPORTERS
from sightx_cli.bundle.exporters.openvino_models import OpenVinoModels
from sightx_cli.bundle.facts import Sets
from sightx_cli.bundle.predictor import load_predictor
from sightx_cli.bundle.table import build_answer, plan_columns
from sightx_cli.data.pixels import read_plain_view
from sightx_cli.errors import RunError, UsageError
from sightx_cli.model.packaged import digest_weights
from sightx_cli.progress import Recorder
from sightx_cli.results.export import ExportResult
from sightx_cli.task.grades import Grades
from sightx_cli.task.multilabel import MultiLabel
from sightx_cli.task.single_label import SingleLabel
from sightx_cli.task.task import Task

EDGES = {"a": 0.45, "b": 0.5, "c": 0.55}


@pytest.fixture(scope="module")
def run(build_run: Callable[..., Path]) -> Path:
    """A run whose bundle has a network of random weights."""
    return build_run()


@pytest.fixture(scope="module")
def exported(run: Path) -> ExportResult:
    """Its export in every format, into the run."""
    return export(run, format="all")


def list_valid(run: Path, digits: Path) -> list[Path]:
    rows = (run / runs.SPLIT).read_text().splitlines()[1:]
    return [digits / row.split(",")[0] for row in rows if row.split(",")[2] == "valid"]


def test_every_format_agrees_with_the_model_on_all_images_of_the_valid_part(exported: ExportResult) -> None:
    assert [one.format for one in exported.exports] == list(EXPORTERS)
    for one in exported.exports:
        assert one.parity.images == 36
        assert one.parity.agreement == 1
        assert one.parity.largest_difference <= 1e-4


def test_an_export_lies_whole_in_a_folder_of_its_format_and_says_how_it_was_checked(exported: ExportResult) -> None:
    for one in exported.exports:
        assert one.folder == exported.run / runs.EXPORT / one.format
        assert {file for file in one.folder.rglob("*") if file.is_file()} == set(one.files)
        record = json.loads((one.folder / "export.json").read_text())
        assert record["parity"] == one.parity.to_json()
        assert record["precision"] == "float32"
        for name, told in record["files"].items():
            assert told["sha256"] == digest_weights(one.folder / name)
    assert [path.name for path in (exported.run / runs.EXPORT).iterdir() if path.name.startswith(".")] == []


def test_the_json_of_one_format_has_its_contract(exported: ExportResult) -> None:
    one = ExportResult("onnx", "float32", exported.exports[:1], exported.run, {"total": 1.0}).to_json()
    assert {"format", "files", "bytes", "parity"} <= one.keys()
    assert set(one["parity"]) == {"images", "largest_difference", "agreement"}
    assert one["bytes"] == sum(Path(file).stat().st_size for file in one["files"])


@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_the_code_beside_it_answers_as_predict_does(exported: ExportResult, digits: Path, format: str) -> None:
    run, files = exported.run, list_valid(exported.run, digits)[:5]
    code = runpy.run_path(str(run / runs.EXPORT / format / f"predict_{format}.py"))
    views = np.stack([code["view"](code["read"](file)) for file in files])
    model = code["MODEL"]
    found = model.run(None, {"image": views})[0] if format == "onnx" else model(views)[0]
    expected = [one.probabilities for one in load_predictor(run).predict((str(file), str(file)) for file in files)]
    np.testing.assert_allclose(found, np.stack([row for row in expected if row is not None]), atol=1e-4)


SETS = Sets(0.9, {"0.9": (0.3,) * 3}, "valid", 36)
LABEL_SETS = Sets(0.9, {"0.9": (0.5,) * 6}, "valid", 36)


@pytest.mark.parametrize(
    ("task", "facts"),
    [
        pytest.param(SingleLabel(("a", "b", "c")), {"sets": SETS, "fit": "pad"}, marks=pytest.mark.slow),
        (SingleLabel(("a", "b")), {"decision": Decision(("b",), 0.6, "by hand", "valid"), "fit": "squash"}),
        (MultiLabel(("a", "b", "c"), thresholds=(0.45, 0.5, 0.55)), {"sets": LABEL_SETS, "thresholds": EDGES}),
        pytest.param(Grades(("0", "1", "2")), {"temperature": 0.4}, marks=pytest.mark.slow),
    ],
    ids=["classes", "a decided threshold", "several labels", "grades"],
)
def test_the_code_gives_the_labels_and_the_status_that_predict_gives(
    build_run: Callable[..., Path],
    digits: Path,
    tmp_path: Path,
    task: Task,
    facts: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = build_run(task, **facts)
    [made] = export(run, format="openvino", output=tmp_path).exports
    files = [str(file) for file in list_valid(run, digits)]
    monkeypatch.setattr(sys, "argv", ["", *files])
    runpy.run_path(str(made.folder / "predict_openvino.py"), run_name="__main__")
    printed = capsys.readouterr().out
    predictor = load_predictor(run)
    columns = plan_columns(predictor.facts.task, (), predictor.facts.decision)
    statuses = set()
    for line, prediction in zip(printed.splitlines(), predictor.predict(zip(files, files, strict=True)), strict=True):
        said, expected = json.loads(line), build_answer(prediction, columns)
        assert ";".join(said["given"]) == expected[task.columns[0]]
        assert said["status"] == expected["status"]
        statuses.add(said["status"])
        np.testing.assert_allclose(list(said["probabilities"].values()), prediction.probabilities, atol=1e-4)
    assert "unfamiliar" in statuses
    assert len(statuses) > 1


def test_the_file_for_any_size_resizes_within(exported: ExportResult, tmp_path: Path) -> None:
    import onnxruntime

    noise = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    predictor = load_predictor(exported.run)
    session = onnxruntime.InferenceSession(str(exported.run / runs.EXPORT / "onnx" / "model-any-size.onnx"))
    for place, size in enumerate([(1, 1), (31, 77), (640, 90)]):
        file = tmp_path / f"{place}.png"
        image = Image.fromarray(noise).resize(size)
        image.save(file)
        [expected] = predictor.predict([("", str(file))])
        assert expected.probabilities is not None
        found = session.run(None, {"image": np.array(image)})[0]
        assert found.shape == (1, 3)
        np.testing.assert_allclose(found[0], expected.probabilities, atol=0.02)


def test_no_file_tells_of_the_machine_it_was_made_on(exported: ExportResult) -> None:
    for one in exported.exports:
        for file in one.files:
            content = file.read_bytes()
            assert b"site-packages" not in content, file
            assert str(exported.run).encode() not in content, file


def test_an_export_that_answers_otherwise_is_refused_and_leaves_nothing(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenVinoModels, "write", write_hotter)
    with pytest.raises(RunError, match="probabilities differ from this model's by up to 0"):
        export(run, format="openvino", output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def write_hotter(exporter: OpenVinoModels, model: Any, folder: Path, precision: Any) -> str:
    from dataclasses import replace

    monkeypatched = replace(model, facts=replace(model.facts, temperature=3.0))
    return WRITE(exporter, monkeypatched, folder, precision)


WRITE = OpenVinoModels.write


def test_of_all_formats_one_that_is_refused_is_said_and_the_others_are_written(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenVinoModels, "write", lambda *_: "OpenVINO cannot convert this network")
    monkeypatch.setattr("sightx_cli.bundle.export_folder.EXPORTERS", {"openvino": OpenVinoModels(), "other": Copied()})
    heard = Recorder()
    found = export(run, format="all", output=tmp_path, listener=heard)
    assert [one.format for one in found.exports] == ["other"]
    assert heard.warnings == ["--format openvino: OpenVINO cannot convert this network"]
    assert found.notices[0].kind == "export-refused"


class Copied(OpenVinoModels):
    """The format of OpenVINO by another name."""

    name = "other"

    def write(self, model: Any, folder: Path, precision: Any) -> str:
        return WRITE(self, model, folder, precision)


def test_an_earlier_export_is_replaced_only_when_asked_and_a_folder_of_others_never(
    exported: ExportResult, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="exists already"):
        export(exported.run, format="openvino")
    again = export(exported.run, format="openvino", overwrite=True)
    assert again.exports[0].folder == exported.run / runs.EXPORT / "openvino"
    (tmp_path / "openvino").mkdir()
    (tmp_path / "openvino" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not an export by SightX"):
        export(exported.run, format="openvino", output=tmp_path, overwrite=True)
    assert (tmp_path / "openvino" / "mine.txt").read_text() == "mine"


def test_images_that_moved_are_found_by_their_bytes_wherever_they_lie(run: Path, digits: Path, tmp_path: Path) -> None:
    for place, file in enumerate(list_valid(run, digits)[:10]):
        shutil.copy(file, tmp_path / f"scan {place}.png")
    heard = Recorder()
    found = export(run, format="openvino", output=tmp_path / "out", data=tmp_path, listener=heard)
    assert found.exports[0].parity.images == 10
    assert "26 of the 36 validation images to check on are gone or changed" in heard.warnings[0]


def test_without_an_image_to_check_on_nothing_is_exported(run: Path, tmp_path: Path) -> None:
    Image.new("RGB", (30, 30)).save(tmp_path / "other.png")
    with pytest.raises(UsageError, match="none of this run's 36 validation images lies in") as caught:
        export(run, format="openvino", output=tmp_path / "out", data=tmp_path)
    assert caught.value.hint.endswith("--data FOLDER")
    assert not (tmp_path / "out").exists()


def test_an_image_that_cannot_be_read_is_left_out_of_the_check_and_said(
    run: Path, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sightx_cli.data.readers import ImageFileError

    def read(path: str, *how: Any) -> Any:
        if path == unreadable:
            raise ImageFileError(path, "needs more memory than is free")
        return read_plain_view(path, *how)

    unreadable, heard = str(list_valid(run, digits)[3]), Recorder()
    monkeypatch.setattr("sightx_cli.bundle.export_check.read_plain_view", read)
    found = export(run, format="openvino", output=tmp_path / "out", listener=heard)
    assert found.exports[0].parity.images == 35
    assert "1 of the 36 validation images" in heard.warnings[0]


def test_a_bundle_that_was_tampered_with_is_refused(build_run: Callable[..., Path], tmp_path: Path) -> None:
    run = build_run()
    weights = run / runs.BUNDLE / runs.BUNDLE_WEIGHTS
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(RunError, match=r"weights\.safetensors: is not the file that fit wrote"):
        export(run, format="openvino", output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_format_whose_package_is_missing_gives_the_line_that_installs_it(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sightx_cli.bundle.export_folder.find_spec", lambda name: None if name == "onnxscript" else 1)
    with pytest.raises(UsageError, match="--format onnx needs the package onnxscript") as caught:
        export(run)
    assert caught.value.hint == 'type pip install "sightx-cli[export]"'


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"format": "onxx"}, "--format onxx: allowed are onnx"),
        ({"precision": "half"}, "--precision half: allowed are float32, float16, bfloat16, int8"),
        ({"format": "onnx", "precision": "int8"}, "--precision int8: onnx does not take it"),
    ],
)
def test_a_format_or_precision_that_there_is_not_is_refused_with_what_is_allowed(
    run: Path, how: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        export(run, **how)
