"""The images that a model is judged on are read as its task wants them, and what is said of them is in its words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sightx_cli.data.labelled_table import load_labelled_table
from sightx_cli.data.layout import Layout
from sightx_cli.errors import DataError
from sightx_cli.evaluation.labelled_images import load_labelled_images
from sightx_cli.progress import Recorder
from sightx_cli.task.multilabel import MultiLabel
from sightx_cli.task.single_label import SingleLabel

Write = Callable[..., Path]


@pytest.fixture
def write_table(tmp_path: Path, write_photo: Callable[..., Path]) -> Write:
    """Writes a table of these lines after its header, and the photographs 0.png … that they may name."""

    def write(*lines: str) -> Path:
        for number in range(len(lines) - 1):
            write_photo(tmp_path / f"{number}.png", seed=number)
        (tmp_path / "later.csv").write_text("\n".join([*lines, ""]))
        return tmp_path / "later.csv"

    return write


def test_several_labels_of_a_model_are_said_in_words_of_the_model_not_of_an_option(write_table: Write) -> None:
    heard, task = Recorder(), MultiLabel(("round", "straight"))
    table = write_table("image,label", "0.png,round;straight", "1.png,round", "2.png,")
    load_labelled_images(table, Layout(), task, heard)
    said = next(one.text for one in heard.notices if one.kind == "multi-label")
    assert said == (
        "as in the model: 1 of 3 images have several labels, such as round;straight, and 1 none: each of the 2 labels "
        "is judged as a question of its own"
    )
    assert not any("-multi-label" in line for line in heard.notes + heard.warnings)


def test_columns_of_classes_are_judged_without_an_option_that_evaluate_lacks(write_table: Write) -> None:
    heard = Recorder()
    table = write_table("image,round,straight", "0.png,1,1", "1.png,1,0", "2.png,1,0")
    load_labelled_images(table, Layout(), MultiLabel(("round", "straight")), heard)
    said = [one.text for one in heard.notices if one.kind in ("multi-label", "constant-label")]
    assert said[0].startswith("as in the model: 1 of 3 images have several labels")
    assert not any("-multi-label" in line or "learned" in line for line in heard.notes + heard.warnings)
    with pytest.raises(DataError) as caught:
        load_labelled_images(table, Layout(), SingleLabel(("round", "straight")), Recorder())
    assert caught.value.message == (
        "one label for each image, as in the model: 1 row has none or several of the class columns; row 1 has round "
        "and straight"
    )
    assert caught.value.hint == "name a --model of several labels, or give each row one class"


def test_rows_without_an_image_are_left_out_counted_and_named(write_table: Write) -> None:
    heard = Recorder()
    table = write_table("image,label,site", "0.png,round,a", ",round,a", "2.png,straight,b", "", "  ,straight,b")
    found = load_labelled_images(table, Layout(), SingleLabel(("round", "straight")), heard)
    assert found.judged["image"].tolist() == ["0.png", "2.png"]
    (said,) = (one for one in heard.notices if one.kind == "without-image")
    assert said.text == "2 rows of later.csv without an image left out (line 3, 6): nothing of them can be judged"
    assert (said.count, said.warns) == (2, True)


def test_a_table_in_which_no_row_has_an_image_is_refused(write_table: Write) -> None:
    table = write_table("image,label", ",round", ",straight")
    with pytest.raises(DataError, match=r"2 rows have no image \(line 2, 3\)"):
        load_labelled_images(table, Layout(), SingleLabel(("round", "straight")), Recorder())


def test_a_fit_of_a_table_with_a_row_without_an_image_is_refused(write_table: Write) -> None:
    table = write_table("image,label", "0.png,round", ",straight")
    with pytest.raises(DataError, match=r"1 row has no image \(line 3\)"):
        load_labelled_table(table)
