"""From folders of DICOM to predictions of new ones: by patient, and with nobody's number in what is written."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import JPEGLSLossless, RLELossless

from sightx_cli import fit, inspect, predict
from sightx_cli.progress import Recorder

Write = Callable[..., Path]
SECRETS = (b"MRN-0815", b"Miller", b"1.2.840.4711")
QUICK = {"recipe": "natural-small", "settings": ("image.size_px=64", "stage.0.epochs=1"), "folds": 0}


def write_slices(write: Write, folder: Path, patients: range, first: int) -> None:
    """Two slices of each patient, with a bright spot or without, as CT writes them: the same file names everywhere."""
    draws = np.random.default_rng(patients.start)
    for patient in patients:
        label = ("clear", "nodule")[patient % 2]
        for place in range(2):
            values = draws.normal(1000, 60, (48, 48))
            if label == "nodule":
                rows, columns = np.mgrid[:48, :48] - draws.integers(14, 34, (2, 1, 1))
                values += 900 * np.exp(-(rows**2 + columns**2) / 30)
            write(
                folder / label / f"{first + patient * 2 + place}.dcm",
                values.clip(0, 4095).astype(np.uint16),
                ("", RLELossless, JPEGLSLossless)[patient % 3],
                BitsStored=12,
                RescaleSlope=1,
                RescaleIntercept=-1024,
                PatientID=f"MRN-0815-{patient}",
                PatientName="Miller^Ann",
                StudyInstanceUID=f"1.2.840.4711.{patient + 1}",
            )


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory, write_dicom: Write) -> Path:
    """A folder of two classes, 16 patients with two slices each, and new ones beside it."""
    root = tmp_path_factory.mktemp("slices")
    write_slices(write_dicom, root / "scans", range(16), 0)
    write_slices(write_dicom, root / "new", range(100, 106), 200)
    return root


@pytest.fixture(scope="module")
def divided(slices: Path) -> Path:
    """The same with a split that was drawn by image: each patient's second slice is held out."""
    root = slices / "divided"
    for path in sorted((slices / "scans").glob("*/*.dcm")):
        part = "valid" if int(path.stem) % 2 else "train"
        target = root / part / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return root


def find_secrets(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and any(one in path.read_bytes() for one in SECRETS)]


def test_slices_are_fitted_by_patient_and_new_ones_predicted(
    slices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = fit(slices / "scans", group_by="PatientID", **QUICK)
    with (result.run / "split.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    parts: dict[str, set[str]] = {}
    for row in rows:
        parts.setdefault(row["group"], set()).add(row["split"])
    assert len(rows) == 32
    assert len(parts) == 16
    assert all(len(found) == 1 and group.startswith("patient-") for group, found in parts.items())
    plan = json.loads((result.run / "plan.json").read_text())
    assert any(notice["kind"] == "range" and "Hounsfield units: -" in notice["text"] for notice in plan["notices"])
    predicted = predict(slices / "new", model=result.run)
    assert predicted.images == 12
    table = list(csv.DictReader(predicted.output.open(newline="")))
    right = [row["prediction"] == Path(row["image"]).parent.name for row in table]
    assert sum(right) >= 10
    assert find_secrets(tmp_path) == []


@pytest.mark.slow
def test_patients_are_offered_as_groups_by_fit_and_inspect(
    slices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = Recorder()
    fit(slices / "scans", listener=said, **QUICK)
    (offered,) = [line for line in said.warnings if "PatientID" in line]
    assert offered.startswith("32 images of 16 patients by PatientID; ")
    assert offered.endswith("add --group-by PatientID")
    found = inspect(slices / "scans")
    assert "16 patients by PatientID" in [finding.title for finding in found.findings]
    assert "--group-by PatientID" in " ".join(finding.advice for finding in found.findings)
    assert find_secrets(tmp_path) == []


@pytest.mark.slow
def test_patients_on_both_sides_of_a_given_split_are_a_leak(
    divided: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = Recorder()
    result = fit(divided, listener=said, **QUICK)
    (leak,) = [line for line in said.warnings if line.startswith("leak: ")]
    assert "16 of the 16 groups in valid (16 images) are also in train, judging by PatientID" in leak
    assert "add --resplit --group-by PatientID" in leak
    assert result.leaks.to_json()["group_by"] == "PatientID"
    again = fit(divided, resplit=True, group_by="PatientID", listener=Recorder(), **QUICK)
    assert not again.leaks
    assert find_secrets(tmp_path) == []


@pytest.mark.slow
def test_a_split_by_patient_is_the_same_whatever_the_key(
    slices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sightx_cli.dicom import pseudonyms

    monkeypatch.chdir(tmp_path)
    tables = []
    for name in ("one", "two"):
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / name))
        pseudonyms._load_key.cache_clear()
        run = fit(slices / "scans", group_by="PatientID", **QUICK, out=tmp_path / f"run-{name}").run
        with (run / "split.csv").open(newline="") as file:
            tables.append([(row["image"], row["split"], row["group"]) for row in csv.DictReader(file)])
    pseudonyms._load_key.cache_clear()
    assert [row[:2] for row in tables[0]] == [row[:2] for row in tables[1]]
    assert not {row[2] for row in tables[0]} & {row[2] for row in tables[1]}
