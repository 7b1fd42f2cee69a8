"""One decision for each patient: the mean of the probabilities of its images."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sightx_cli.errors import DataError
from sightx_cli.evaluation.joined_units import check_units, join_units, read_units
from sightx_cli.progress import Recorder

PROBABILITIES = np.array([[0.9, 0.1], [0.3, 0.7], [0.2, 0.8], [0.6, 0.4]], np.float32)


def join(frame: pd.DataFrame, listener: Recorder | None = None) -> tuple[pd.DataFrame, np.ndarray]:
    return join_units(frame, PROBABILITIES, frame["patient"].tolist(), "patient", listener or Recorder())


def build(labels: list[str], patients: list[str]) -> pd.DataFrame:
    images = [f"{place}.png" for place in range(len(labels))]
    return pd.DataFrame({"image": images, "label": labels, "group": "", "patient": patients}, dtype=str)


def test_a_patient_has_the_mean_of_its_images_and_one_label() -> None:
    joined, means = join(build(["a", "a", "b", "b"], ["p1", "p1", "p2", "p2"]))
    assert joined[["image", "label", "images"]].to_numpy().tolist() == [["p1", "a", "2"], ["p2", "b", "2"]]
    assert np.allclose(means, [[0.6, 0.4], [0.4, 0.6]])


def test_an_image_without_a_patient_stands_for_itself() -> None:
    joined, means = join(build(["a", "a", "b", "b"], ["p1", "p1", "", ""]))
    assert joined["image"].tolist() == ["p1", "2.png", "3.png"]
    assert np.allclose(means[1:], PROBABILITIES[2:])


def test_a_patient_whose_images_have_different_labels_is_left_out_and_named() -> None:
    listener = Recorder()
    joined, _ = join(build(["a", "b", "b", "b"], ["p1", "p1", "p2", "p2"]), listener)
    assert joined["image"].tolist() == ["p2"]
    assert "1 of 2 units by patient is left out" in listener.warnings[0]
    assert "p1 (a and b)" in listener.warnings[0]


def test_nothing_is_measured_where_every_unit_has_different_labels() -> None:
    with pytest.raises(DataError, match=r"the images of all 2 units have different labels, such as p1 \(a and b\)"):
        join(build(["a", "b", "a", "b"], ["p1", "p1", "p2", "p2"]))


def test_patients_that_differ_only_by_case_or_blanks_are_one_and_that_is_said() -> None:
    frame, heard = build(["a", "a", "b", "b"], ["P1", "p1", "p 2", "p  2"]), Recorder()
    units = read_units(frame["patient"].tolist(), "patient", heard)
    assert units == ["P1", "P1", "p 2", "p 2"]
    assert len(join_units(frame, PROBABILITIES, units, "patient", heard)[0]) == 2
    assert heard.warnings == [
        "--per patient: names that differ only by case, blanks or Unicode form are read as one unit: 'P1' (1) and "
        "'p1' (1) as 'P1'; 'p 2' (1) and 'p  2' (1) as 'p 2'. To keep two apart, rename one"
    ]
    with pytest.raises(DataError, match="the images of the only unit have different labels"):
        check_units(build(["a", "b"], ["P1", "p1"]), "patient")
