"""`predict` from Python: any source, any table, one bad file never in the way, and on where it stopped."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from sightx_cli import predict
from sightx_cli.bundle.facts import load_facts, write_facts
from sightx_cli.bundle.model_remarks import find_strangeness
from sightx_cli.errors import DataError, RunError, UsageError
from sightx_cli.progress import Recorder, Silent
from tests.conftest import press_ctrl_c

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult


READ = {
    ".csv": lambda path: pd.read_csv(path, dtype=str, keep_default_na=False),
    ".parquet": pd.read_parquet,
    ".jsonl": lambda path: pd.read_json(path, lines=True, dtype=False),
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def images(digits: Path, home: Path) -> Path:
    """Twenty digits under `new/`, some in folders of their own."""
    for number, file in enumerate(sorted(digits.rglob("*.png"))[::4][:18]):
        folder = home / "new" / ("", "more", "more/é ü")[number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder / f"{file.parent.name}-{number}.png")
    return Path("new")


def test_a_folder_is_read_with_the_folders_below_it(digits_run: FitResult, images: Path) -> None:
    result = predict(images, model=digits_run.run)
    found = pd.read_csv("predictions.csv", keep_default_na=False)
    assert set(found["image"]) == {str(path) for path in images.rglob("*.png")}
    assert (result.images, result.unreadable, sum(result.counts.values())) == (18, 0, 18)
    assert found["prediction"].value_counts().to_dict() == {name: n for name, n in result.counts.items() if n}


def test_columns_are_image_label_confidence_and_one_for_each_class(digits_run: FitResult, images: Path) -> None:
    predict(images, model=digits_run.run)
    found = pd.read_csv("predictions.csv")
    assert list(found) == ["image", "prediction", "confidence", "status", "p_nought", "p_one", "p_two", "error"]
    shares = found[["p_nought", "p_one", "p_two"]]
    assert shares.sum(axis=1).tolist() == pytest.approx([1.0] * 18, abs=1e-5)
    assert found["confidence"].tolist() == pytest.approx(shares.max(axis=1).tolist())
    assert found["prediction"].tolist() == [name.removeprefix("p_") for name in shares.idxmax(axis=1)]


@pytest.fixture
def mixed(digits_run: FitResult, images: Path, write_photo: Callable[..., Path], tmp_path: Path) -> tuple[Path, Path]:
    """The digits with four photographs of nothing among them, and a run that is unsure below 0.999."""
    for seed in range(4):
        write_photo(images / f"photo{seed}.png", seed)
    shutil.copytree(digits_run.run, tmp_path / "run")
    facts = load_facts(tmp_path / "run")
    assert facts.sets is not None
    floors = {**facts.sets.floors, f"{facts.sets.level:g}": (1e-3,) * 3}
    write_facts(tmp_path / "run" / "bundle", replace(facts, sets=replace(facts.sets, floors=floors)))
    return images, tmp_path / "run"


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_each_row_says_whether_it_is_sure(mixed: tuple[Path, Path], suffix: str) -> None:
    images, run = mixed
    (images / "bad.png").write_text("text")
    result = predict(images, model=run, output=Path(f"out{suffix}"))
    found = READ[suffix](f"out{suffix}").set_index("image")
    unfamiliar = found.index[found["status"] == "unfamiliar"]
    assert {f"new/photo{seed}.png" for seed in range(4)} <= set(unfamiliar)
    assert found.loc["new/bad.png", "status"] == ""
    others = found.drop([*unfamiliar, "new/bad.png"])
    least = 1 - others["confidence"].astype(float)
    assert (others["status"][least > 2e-3] == "unsure").all()
    assert (others["status"][least < 1e-3] == "sure").all()
    assert (result.unsure, result.unfamiliar) == ((found["status"] == "unsure").sum(), len(unfamiliar))
    assert {"unsure", "unfamiliar"} <= set(result.to_json())


def test_where_all_images_are_unlike_the_training_images_the_run_is_doubted(
    digits_run: FitResult, write_photo: Callable[..., Path], tmp_path: Path
) -> None:
    for seed in range(5):
        write_photo(tmp_path / "photos" / f"photo{seed}.png", seed)
    heard = Recorder()
    result = predict(tmp_path / "photos", model=digits_run.run, listener=heard)
    assert result.unfamiliar == 5
    (notice,) = [one for one in result.notices if one.kind == "wrong-model"]
    assert notice.text.startswith(
        f"all 5 images are unlike the training images of {digits_run.run}: it may be the wrong"
    )
    assert notice.text in heard.warnings
    (tmp_path / "photos" / "photo4.png").unlink()
    few = predict(tmp_path / "photos", model=digits_run.run, overwrite=True)
    assert not [one for one in few.notices if one.kind == "wrong-model"]


@pytest.mark.parametrize(("images", "unfamiliar", "said"), [(10, 9, "9 of the 10"), (10, 8, ""), (4, 4, "")])
def test_a_run_is_doubted_from_nine_tenths_of_five_images_on(images: int, unfamiliar: int, said: str) -> None:
    found = find_strangeness(images, unfamiliar, Path("runs/a"))
    assert [one.text.partition(" images")[0] for one in found] == ([said] if said else [])


def test_with_abstain_an_unsure_or_unfamiliar_image_has_no_prediction(mixed: tuple[Path, Path]) -> None:
    images, run = mixed
    predict(images, model=run)
    result = predict(images, model=run, output=Path("kept.csv"), abstain=True)
    whole, kept = (pd.read_csv(name, keep_default_na=False) for name in ("predictions.csv", "kept.csv"))
    sure = whole["status"] == "sure"
    assert 0 < sure.sum() < len(whole)
    assert kept["prediction"].tolist() == whole["prediction"].where(sure, "").tolist()
    assert kept.drop(columns="prediction").equals(whole.drop(columns="prediction"))
    assert sum(result.counts.values()) == sure.sum()


def test_an_interrupted_table_does_not_go_on_with_other_cells_left_empty(mixed: tuple[Path, Path]) -> None:
    class Stopping(Silent):
        def advance(self, task: str, units: int = 1, figures: object = None) -> None:
            raise KeyboardInterrupt

    images, run = mixed
    with pytest.raises(KeyboardInterrupt):
        predict(images, model=run, listener=Stopping())
    with pytest.raises(UsageError, match="was begun with other images or another run"):
        predict(images, model=run, resume=True, abstain=True)
    assert predict(images, model=run, resume=True).images == 22


def test_a_model_that_cannot_tell_leaves_the_status_empty_and_says_so(mixed: tuple[Path, Path]) -> None:
    images, run = mixed
    write_facts(run / "bundle", replace(load_facts(run), sets=None, familiarity=None))
    heard = Recorder()
    predict(images, model=run, listener=heard)
    assert set(pd.read_csv("predictions.csv", keep_default_na=False)["status"]) == {""}
    said = {notice.kind: notice.text for notice in heard.notices}
    assert {"no-status", "no-familiarity"} <= said.keys()
    assert "keeps no training images" in said["no-familiarity"]  # its layers may be pretrained all the same


def test_files_and_folders_are_predicted_in_the_order_given_each_once(digits_run: FitResult, images: Path) -> None:
    first = sorted(images.glob("*.png"))[3]
    predict([first, images, first], model=digits_run.run)
    found = pd.read_csv("predictions.csv")["image"].tolist()
    assert found[0] == str(first)
    assert len(found) == len(set(found)) == 18


def test_a_table_is_predicted_by_its_column_image_as_it_stands_there(digits_run: FitResult, images: Path) -> None:
    names = ["more/../more", *sorted(path.name for path in images.glob("*.png"))[:2], "gone.png"]
    pd.DataFrame({"patient": [1, 2, 3, 4], "image": names}).to_csv(images / "list.csv", index=False)
    result = predict(images / "list.csv", model=digits_run.run)
    found = pd.read_csv("predictions.csv", keep_default_na=False)
    assert found["image"].tolist() == names
    assert (found["error"] != "").tolist() == [True, False, False, True]
    assert result.unreadable == 2


@pytest.mark.parametrize("suffix", READ)
def test_a_table_comes_back_row_by_row_with_its_own_columns(digits_run: FitResult, images: Path, suffix: str) -> None:
    first, second = sorted(path.name for path in images.glob("*.png"))[:2]
    given = pd.DataFrame(
        {
            "id": ["007", "8", "9", "10", "11"],
            "image": [first, second, first, "gone.png", ""],
            "label": ["one", "NA", "", "two", "x"],
            "prediction": ["mine"] * 5,
            "error": ["none"] * 5,
            "p_two": ["0.5"] * 5,
        }
    )
    given.to_csv(images / "list.csv", index=False)
    result = predict(images / "list.csv", model=digits_run.run, output=Path(f"out{suffix}"))
    found = READ[suffix](f"out{suffix}")
    own = ["id", "image", "label", "prediction_given", "error_given", "p_two_given"]
    assert list(found)[:6] == own
    assert list(found)[6:] == ["prediction", "confidence", "status", "p_nought", "p_one", "p_two", "error"]
    assert found[own].to_numpy().tolist() == given.iloc[:, :6].to_numpy().tolist()
    assert (result.images, result.files, result.unreadable) == (5, 3, 2)
    assert found["prediction"][0] == found["prediction"][2] != ""
    assert found["p_one"][0] == found["p_one"][2]
    assert [bool(error) for error in found["error"]] == [False, False, False, True, True]
    assert found["error"][4] == "the table names no image in this row"


def test_an_image_in_two_rows_is_read_once(
    digits_run: FitResult, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sightx_cli.data import test_views

    read: list[str] = []
    whole = test_views.read_plain_view
    monkeypatch.setattr(test_views, "read_plain_view", lambda path, *how: read.append(path) or whole(path, *how))
    name = sorted(path.name for path in images.glob("*.png"))[0]
    pd.DataFrame({"image": [name, f"./{name}", f" {name} "]}).to_csv(images / "list.csv", index=False)
    assert predict(images / "list.csv", model=digits_run.run).images == 3
    assert read == [str(images.absolute() / name)]


def test_tables_and_folders_are_predicted_in_turn(digits_run: FitResult, images: Path) -> None:
    name = sorted(path.name for path in images.glob("*.png"))[0]
    (images / "a.csv").write_text(f"image,age\n{name},7\n")
    (images / "b.csv").write_text(f"file,sex\n{name},f\n{name.removesuffix('.png')},m\n")
    result = predict([images / "a.csv", images / "b.csv", images], model=digits_run.run)
    found = pd.read_csv("predictions.csv", keep_default_na=False, dtype=str)
    assert list(found)[:4] == ["image", "age", "file", "sex"]
    assert found.iloc[:3, :4].to_numpy().tolist() == [
        [name, "7", "", ""],
        [name, "", name, "f"],
        [name.removesuffix(".png"), "", name.removesuffix(".png"), "m"],
    ]
    assert found["image"][3].startswith("new/")
    assert (result.images, result.files) == (20, 18)
    assert found["prediction"][:3].nunique() == 1
    assert [one.kind for one in result.notices][:2] == ["columns", "completed-names"]


def test_what_is_assumed_of_a_table_is_said(digits_run: FitResult, images: Path) -> None:
    name = sorted(path.stem for path in images.glob("*.png"))[0]
    (images / "list.csv").write_text(f"id_code\n{name}\ngone\n")
    heard = Recorder()
    result = predict(images / "list.csv", model=digits_run.run, listener=heard)
    assert tuple(heard.notices) == result.notices
    assert [one.kind for one in heard.notices] == ["columns", "completed-names", "missing-files"]


def test_the_column_and_the_folder_of_the_images_may_be_named(digits_run: FitResult, images: Path) -> None:
    name = sorted(path.name for path in images.glob("*.png"))[0]
    Path("list.csv").write_text(f"a,b\n{name},x\n")
    predict("list.csv", model=digits_run.run, image_column="a", images=images)
    found = pd.read_csv("predictions.csv", keep_default_na=False)
    assert found[["a", "b", "image", "error"]].to_numpy().tolist() == [[name, "x", name, ""]]


def test_the_run_and_the_figure_it_is_known_by_are_named(digits_run: FitResult, images: Path, home: Path) -> None:
    result = predict(images, model=digits_run.run)
    assert result.figure == ("accuracy", digits_run.valid.metrics["accuracy"])
    answer = result.to_json()
    assert (answer["model"], answer["run"]) == (str(digits_run.run), str(digits_run.run))
    assert answer["figure"] == {"metric": "accuracy", "value": digits_run.valid.metrics["accuracy"]}
    shutil.copytree(digits_run.run / "bundle", home / "copied" / "bundle")
    alone = predict(images, model=home / "copied", overwrite=True)
    assert (alone.run, alone.figure) == (home / "copied", None)
    (home / "copied" / "metrics.json").write_text('{"valid": {')
    heard = Recorder()
    assert predict(images, model=home / "copied", overwrite=True, listener=heard).figure is None
    assert "metrics.json cannot be read" in heard.warnings[0]


@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "out.jsonl"])
def test_the_outputs_name_says_the_format(digits_run: FitResult, images: Path, name: str) -> None:
    predict(images, model=digits_run.run, output=Path(name))
    read = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".jsonl": lambda p: pd.read_json(p, lines=True)}
    assert len(read[Path(name).suffix](name)) == 18


def test_bad_files_have_their_rows_and_never_stop_the_rest(digits_run: FitResult, images: Path) -> None:
    good = sorted(images.glob("*.png"))[0].read_bytes()
    bad = {"bomb.pgm": b"P5 60000 60000 255\n", "text.jpg": b"hello", "cut.png": good[:-300], "none.png": b""}
    for name, content in bad.items():
        (images / name).write_bytes(content)
    (images / "lost.png").symlink_to("nowhere.png")
    result = predict(images, model=digits_run.run)
    found = pd.read_csv("predictions.csv", keep_default_na=False).set_index("image")
    assert (result.images, result.unreadable) == (23, 5)
    for name, words in {
        "bomb.pgm": "pixels",
        "text.jpg": "not a readable image",
        "cut.png": "truncated",
        "none.png": "empty",
        "lost.png": "No such file",
    }.items():
        row = found.loc[f"new/{name}"]
        assert (row["prediction"], row["confidence"], row["p_one"]) == ("", "", "")
        assert words in row["error"]
    assert (found["error"] == "").sum() == 18


def test_a_folder_of_bad_files_only_gives_a_table_of_errors(digits_run: FitResult, home: Path) -> None:
    (home / "bad").mkdir()
    for number in range(3):
        (home / "bad" / f"{number}.png").write_text("text")
    result = predict("bad", model=digits_run.run)
    assert (result.images, result.unreadable, sum(result.counts.values())) == (3, 3, 0)


def test_a_file_whose_name_is_no_text_is_predicted(digits_run: FitResult, digits: Path) -> None:
    name = b"b\xffd.png".decode(errors="surrogateescape")
    shutil.copy(digits / "one" / "01.png", name)
    predict([name], model=digits_run.run, output=Path("out.jsonl"))
    found = pd.read_json("out.jsonl", lines=True).iloc[0]
    assert (found["image"], found["error"]) == ("b\\xffd.png".replace("\\xff", "\\udcff"), "")


def test_the_newest_run_is_the_default(digits_run: FitResult, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = images.absolute()
    with pytest.raises(RunError, match="no run yet"):
        predict(source)
    monkeypatch.chdir(digits_run.run.parent.parent)
    output = source.parent / "out.csv"
    assert predict(source, output=output).run == digits_run.run
    assert predict(source, output=output, overwrite=True, model=Path("runs/latest")).run == digits_run.run


@pytest.mark.parametrize(
    ("sources", "error"), [([], DataError), (["nowhere"], DataError), (["empty"], DataError), (["a.png"], DataError)]
)
def test_sources_without_images_are_refused_and_leave_nothing(
    digits_run: FitResult, home: Path, sources: list[str], error: type[Exception]
) -> None:
    (home / "empty").mkdir()
    with pytest.raises(error):
        predict(sources, model=digits_run.run)
    assert [path.name for path in home.iterdir()] == ["empty"]


def test_what_cannot_be_is_refused_before_the_work(digits_run: FitResult, images: Path) -> None:
    Path("there.csv").write_text("mine")
    for how in ({"output": Path("there.csv")}, {"output": Path("out.xls")}, {"batch": 0}):
        with pytest.raises(UsageError) as caught:
            predict(images, model=digits_run.run, **how)
        assert caught.value.hint
    assert Path("there.csv").read_text() == "mine"


def test_overwrite_replaces_the_output(digits_run: FitResult, images: Path) -> None:
    Path("there.csv").write_text("mine")
    predict(images, model=digits_run.run, output=Path("there.csv"), overwrite=True)
    assert len(pd.read_csv("there.csv")) == 18


KILLED = """
import os, signal
from pathlib import Path
from sightx_cli import predict
from sightx_cli.bundle import table
from sightx_cli.progress import Silent
table.PART_ROWS, table.PART_SECONDS = 5, float("inf")

class Killing(Silent):
    done = 0
    def advance(self, task, units=1, figures=None):
        self.done += units
        if self.done == 13:
            os.kill(os.getpid(), signal.{signal})

predict("new", model=Path({run!r}), batch=2, listener=Killing())
"""


@pytest.mark.parametrize(("name", "done"), [("SIGKILL", 10), ("SIGINT", 13)])
def test_after_a_kill_only_what_is_missing_is_read_and_the_table_is_the_same(
    digits_run: FitResult, images: Path, name: str, done: int
) -> None:
    whole = predict(images, model=digits_run.run, output=Path("whole.csv"), batch=2)
    code = KILLED.format(signal=name, run=str(digits_run.run))
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert killed.returncode in (-getattr(signal, name), 1, 130), killed.stderr
    assert not Path("predictions.csv").exists()
    for image in pd.read_csv("whole.csv")["image"][:done]:
        Path(image).write_text("no longer an image: it would be an error now")
    result = predict(images, model=digits_run.run, batch=2, resume=True)
    assert Path("predictions.csv").read_bytes() == Path("whole.csv").read_bytes()
    assert (result.images, result.unreadable, result.counts) == (18, 0, whole.counts)
    assert sorted(path.name for path in Path().iterdir()) == ["new", "predictions.csv", "whole.csv"]


def test_a_table_with_repeated_images_goes_on_where_it_stopped(digits_run: FitResult, images: Path) -> None:
    class PressCtrlC(Silent):
        done = 0

        def advance(self, task: str, units: int = 1, figures: object = None) -> None:
            self.done += 1
            if self.done == 5:
                press_ctrl_c()

    names = sorted(path.name for path in images.glob("*.png"))[:3]
    rows = [(str(place), names[place % 3]) for place in range(8)]
    pd.DataFrame(rows, columns=["id", "image"]).to_csv(images / "list.csv", index=False)
    source = images / "list.csv"
    predict(source, model=digits_run.run, output=Path("whole.csv"), batch=2)
    with pytest.raises(KeyboardInterrupt):
        predict(source, model=digits_run.run, batch=2, listener=PressCtrlC())
    for name in names:
        (images / name).write_text("no longer an image")
    predict(source, model=digits_run.run, batch=2, resume=True)
    assert Path("predictions.csv").read_bytes() == Path("whole.csv").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        predict(source, model=digits_run.run, batch=2, overwrite=True, listener=PressCtrlC())
    pd.DataFrame(rows[::-1], columns=["id", "image"]).to_csv(source, index=False)
    with pytest.raises(UsageError, match="--resume"):
        predict(source, model=digits_run.run, batch=2, overwrite=True, resume=True)


def test_resume_with_other_images_is_refused(digits_run: FitResult, images: Path) -> None:
    class PressCtrlC(Silent):
        def advance(self, task: str, units: int = 1, figures: object = None) -> None:
            press_ctrl_c()

    with pytest.raises(KeyboardInterrupt):
        predict(images, model=digits_run.run, listener=PressCtrlC())
    (images / "another.png").write_bytes(b"")
    with pytest.raises(UsageError, match="--resume"):
        predict(images, model=digits_run.run, resume=True)


def test_resume_takes_the_same_run_wherever_it_lies_and_no_other_model(
    digits_run: FitResult, images: Path, home: Path
) -> None:
    class PressCtrlC(Silent):
        def advance(self, task: str, units: int = 1, figures: object = None) -> None:
            press_ctrl_c()

    with pytest.raises(KeyboardInterrupt):
        predict(images, model=digits_run.run, batch=2, listener=PressCtrlC())
    shutil.copytree(digits_run.run / "bundle", home / "moved" / "bundle")
    facts = home / "moved" / "bundle" / "bundle.json"
    facts.write_text(facts.read_text().replace('"nought"', '"nil"'))
    with pytest.raises(UsageError, match="other images or another run"):
        predict(images, model=home / "moved", resume=True)
    facts.write_text(facts.read_text().replace('"nil"', '"nought"'))
    assert predict(images, model=home / "moved", resume=True).images == 18


def test_columns_of_a_parquet_table_keep_their_types_in_parquet(digits_run: FitResult, images: Path) -> None:
    names = [path.name for path in sorted(images.glob("*.png"))[:3]]
    given = pd.DataFrame(
        {
            "image": names,
            "age": pd.array([41, None, 7], dtype="Int64"),
            "dose": [0.1, 1e-9, 2.5],
            "seen": pd.to_datetime(["2024-02-29 10:11:12.5", None, "1999-12-31"], format="mixed"),
            "after": [True, False, True],
            "code": ["007", "", "x"],
            "confidence": [1, 2, 3],
        }
    )
    given.to_parquet(images / "list.parquet")
    predict(images / "list.parquet", model=digits_run.run, output=Path("out.parquet"))
    found = pd.read_parquet("out.parquet")
    for name in ("age", "dose", "seen", "after", "code"):
        pd.testing.assert_series_equal(found[name], given[name], check_dtype=name != "age")
    assert found["confidence_given"].tolist() == [1, 2, 3]
    assert found["confidence"].dtype == "float32"


def test_a_column_that_tables_hold_in_different_types_is_text(digits_run: FitResult, images: Path) -> None:
    name = next(images.glob("*.png")).name
    pd.DataFrame({"image": [name], "id": [7], "n": [1]}).to_parquet(images / "a.parquet")
    pd.DataFrame({"image": [name], "id": ["x"]}).to_parquet(images / "b.parquet")
    predict([images / "a.parquet", images / "b.parquet"], model=digits_run.run, output=Path("out.parquet"))
    found = pd.read_parquet("out.parquet")
    assert found["id"].tolist() == ["7", "x"]
    assert found["n"].tolist()[0] == 1
    assert found["n"].isna().tolist() == [False, True]
