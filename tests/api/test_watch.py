"""`predict --watch` from Python: each file of a folder that fills has one row, whatever happens."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from sightx_cli import load_model, predict
from sightx_cli.api.watch import watch
from sightx_cli.bundle.live_table import LiveTable
from sightx_cli.data import arrivals
from sightx_cli.errors import DataError, SightXError, UsageError
from sightx_cli.progress import Recorder

if TYPE_CHECKING:
    from sightx_cli.bundle.memory_model import Model
    from sightx_cli.results.fit import FitResult
    from sightx_cli.results.watch import WatchResult


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with an empty folder `in`; files count as whole after a moment."""
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(arrivals, "STILL_SECONDS", 0.03)
    monkeypatch.setattr(arrivals, "PATIENCE_SECONDS", 0.3)
    return tmp_path


@pytest.fixture
def files(digits: Path) -> list[Path]:
    """Nine digits."""
    return sorted(digits.rglob("*.png"))[::8]


@pytest.fixture(scope="module")
def model(digits_run: FitResult) -> Model:
    """The model of the digits, loaded once."""
    return load_model(digits_run.run)


class Watcher:
    """A folder watched in a thread of its own."""

    def __init__(self, model: Model, **how: Any) -> None:
        self.stop, self.results, self.errors = threading.Event(), list["WatchResult"](), list[BaseException]()
        self.listener = Recorder()
        self.thread = threading.Thread(target=self._watch, args=(model, how))
        self.thread.start()

    def _watch(self, model: Model, how: dict[str, Any]) -> None:
        try:
            self.results.append(watch("in", model=model, stop=self.stop, listener=self.listener, **how))
        except BaseException as error:
            self.errors.append(error)

    def wait(self, is_done: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not is_done() and self.thread.is_alive() and time.monotonic() < end:
            time.sleep(0.02)
        assert is_done(), self.errors

    def wait_for_rows(self, count: int) -> None:
        self.wait(lambda: Path("predictions.csv").exists() and len(read_rows()) == count)

    def end(self) -> WatchResult:
        self.stop.set()
        self.thread.join()
        assert self.errors == []
        return self.results[0]


@contextmanager
def watching(model: Model, **how: Any) -> Iterator[Watcher]:
    watcher = Watcher(model, **how)
    try:
        yield watcher
    finally:
        watcher.stop.set()
        watcher.thread.join()


def read_rows() -> pd.DataFrame:
    return pd.read_csv("predictions.csv", keep_default_na=False)


def list_names() -> list[str]:
    return [Path(image).name for image in read_rows()["image"]]


def put(file: Path, name: str) -> None:
    shutil.copyfile(file, f"in/{name}")


def test_what_is_there_and_what_arrives_has_its_row_in_order_and_as_predict_says(
    model: Model, digits_run: FitResult, files: list[Path]
) -> None:
    for number, file in enumerate(files[:3]):
        put(file, f"{9 - number}.png")
        os.utime(f"in/{9 - number}.png", (number, number))
    with watching(model) as watcher:
        watcher.wait_for_rows(3)
        for number, file in enumerate(files[3:]):
            put(file, f"new{number}.png")
            time.sleep(0.01)
        watcher.wait_for_rows(9)
        result = watcher.end()
    assert list_names() == ["9.png", "8.png", "7.png", *(f"new{number}.png" for number in range(6))]
    assert (result.images, result.unreadable, result.latency.images, sum(result.counts.values())) == (9, 0, 6, 9)
    assert result.latency.p50_s is not None
    assert result.to_json()["latency"]["p95_s"] >= result.latency.p50_s > 0
    predict("in", model=digits_run.run, output=Path("other.csv"))
    other = pd.read_csv("other.csv", keep_default_na=False).assign(
        image=lambda rows: rows["image"].map(os.path.abspath)
    )
    found = read_rows().drop(columns=["arrived", "model"])
    columns = [name for name in found if not name.startswith(("p_", "confidence"))]
    pd.testing.assert_frame_equal(
        found.sort_values("image", ignore_index=True)[columns], other.sort_values("image", ignore_index=True)[columns]
    )


def test_it_goes_on_without_labelling_twice(model: Model, files: list[Path]) -> None:
    put(files[0], "=1.png")
    with watching(model) as watcher:
        watcher.wait_for_rows(1)
        watcher.end()
    put(files[1], "2.png")
    with watching(model) as watcher:
        watcher.wait_for_rows(2)
        result = watcher.end()
    assert (result.images, result.before, result.latency.images) == (1, 1, 0)
    assert "going-on" in [notice.kind for notice in watcher.listener.notices]
    assert list_names() == ["=1.png", "2.png"]


def test_half_a_row_is_labelled_anew(model: Model, files: list[Path]) -> None:
    for number in range(3):
        put(files[number], f"{number}.png")
    with watching(model) as watcher:
        watcher.wait_for_rows(3)
        watcher.end()
    table = Path("predictions.csv")
    whole = table.read_bytes()
    table.write_bytes(whole[:-30])
    with watching(model) as watcher:
        watcher.wait(lambda: table.read_bytes() == whole)
        assert watcher.end().images == 1
    assert table.read_bytes() == whole


def test_an_unreadable_file_has_its_row_after_it_had_time(model: Model, files: list[Path]) -> None:
    with watching(model) as watcher:
        watcher.wait(lambda: bool(watcher.listener.tasks))
        time.sleep(0.1)
        data = files[0].read_bytes()
        Path("in/slow.png").write_bytes(data[:-100])
        Path("in/bad.png").write_bytes(data[:-100])
        time.sleep(0.2)  # a writer that pauses for longer than files stand still
        Path("in/slow.png").write_bytes(data)
        watcher.wait_for_rows(2)
        result = watcher.end()
    rows = read_rows().set_index(read_rows()["image"].map(lambda image: Path(image).name))
    assert rows.loc["slow.png", "error"] == ""
    assert "bad.png: is truncated" in rows.loc["bad.png", "error"]
    assert rows.loc["bad.png", "prediction"] == ""
    assert result.unreadable == 1


def test_labelled_files_are_moved_to_their_class(model: Model, files: list[Path]) -> None:
    with watching(model, move_to="in/sorted") as watcher:
        put(files[0], "a.png")
        watcher.wait(lambda: not Path("in/a.png").exists())
        put(files[0], "a.png")  # a camera may count from one again
        put(files[8], "b.png")
        watcher.wait_for_rows(3)
        watcher.wait(lambda: {path.name for path in Path("in").iterdir()} == {"sorted"})
        result = watcher.end()
    moved = {path.relative_to("in/sorted").as_posix() for path in Path("in/sorted").rglob("*.png")}
    rows = read_rows()
    label = dict(zip(rows["image"].map(lambda image: Path(image).name), rows["prediction"], strict=True))
    assert moved == {f"{label['a.png']}/a.png", f"{label['a.png']}/a-2.png", f"{label['b.png']}/b.png"}
    assert result.moved == 3


def test_a_file_with_a_row_that_was_not_moved_is_moved_and_not_labelled(
    model: Model, digits_run: FitResult, files: list[Path]
) -> None:
    put(files[0], "a.png")
    with watching(model) as watcher:
        watcher.wait_for_rows(1)
        watcher.end()
    with watching(model, move_to="sorted") as watcher:
        watcher.wait(lambda: not Path("in/a.png").exists())
        result = watcher.end()
    assert (result.images, result.moved) == (0, 1)
    assert len(list(Path("sorted").rglob("a.png"))) == 1


def test_a_file_that_changes_between_its_row_and_its_move_is_labelled_again(
    model: Model, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    rewritten: list[bytes] = []

    def rewrite(table: LiveTable) -> None:
        if not rewritten:
            rewritten.append(files[8].read_bytes())
            Path("in/a.png").write_bytes(rewritten[0])

    monkeypatch.setattr(LiveTable, "flush", rewrite)  # what comes before the files are moved
    put(files[0], "a.png")
    with watching(model, move_to="sorted") as watcher:
        watcher.wait_for_rows(2)
        watcher.wait(lambda: not Path("in/a.png").exists())
        result = watcher.end()
    (moved,) = Path("sorted").rglob("a.png")
    assert moved.read_bytes() == rewritten[0]
    assert moved.parent.name == read_rows()["prediction"].iloc[1]
    assert (result.images, result.moved) == (2, 1)


def test_a_link_with_a_row_that_was_not_moved_is_moved(model: Model, files: list[Path]) -> None:
    Path("in/a.png").symlink_to(files[0])
    with watching(model) as watcher:
        watcher.wait_for_rows(1)
        watcher.end()
    with watching(model, move_to="sorted") as watcher:
        watcher.wait(lambda: not Path("in/a.png").is_symlink())
        watcher.end()
    (moved,) = Path("sorted").rglob("a.png")
    assert moved.resolve() == files[0].resolve()


def test_what_cannot_be_moved_stays_and_is_said(model: Model, files: list[Path]) -> None:
    put(files[0], "a.png")
    Path("sorted").mkdir()
    for name in model.classes:
        Path("sorted", name).write_text("in the way")
    with watching(model, move_to="sorted") as watcher:
        watcher.wait(lambda: bool(watcher.listener.warnings))
        watcher.end()
    assert "files that cannot be moved stay where they are" in watcher.listener.warnings[0]
    assert Path("in/a.png").exists()


def test_a_table_of_another_model_is_refused(model: Model, files: list[Path]) -> None:
    put(files[0], "a.png")
    with watching(model) as watcher:
        watcher.wait_for_rows(1)
        watcher.end()
    before = Path("predictions.csv").read_bytes()
    with pytest.raises(UsageError, match="was filled by another model"):
        watch("in", model=model, abstain=True)
    Path("predictions.csv").write_text("image,label\na.png,one\n")
    with pytest.raises(UsageError, match="has other columns"):
        watch("in", model=model)
    stop = threading.Event()
    stop.set()
    watch("in", model=model, overwrite=True, stop=stop)
    assert Path("predictions.csv").read_bytes() == before[: before.index(b"\n") + 1]


def test_two_watches_do_not_write_one_table(model: Model) -> None:
    with watching(model) as watcher:
        watcher.wait(lambda: bool(watcher.listener.tasks))
        with pytest.raises(UsageError, match="writes it now"):
            watch("in", model=model)
        watcher.end()
    assert [path.name for path in Path().iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("folder", "how", "said"),
    [
        ("nowhere", {}, "no such folder"),
        ("file.png", {}, "is a file"),
        ("in", {"output": "a.parquet"}, "grows row by row"),
        ("in", {"move_to": "in"}, "is the folder that is watched"),
        ("in", {"move_to": "."}, "holds the folder that is watched"),  # in/ may be the folder of a class there
        ("in", {"move_to": "file.png"}, "is a file"),
        ("in", {"tta": 1000}, "--tta 1000"),
        ("in", {"model": "nowhere"}, "no such run folder"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_written(
    digits_run: FitResult, home: Path, folder: str, how: dict[str, Any], said: str
) -> None:
    (home / "file.png").write_text("x")
    before = sorted(home.rglob("*"))
    with pytest.raises(SightXError, match=said):
        watch(folder, **{"model": digits_run.run, **how})
    assert sorted(home.rglob("*")) == before


def test_a_folder_that_is_missing_is_wrong_input() -> None:
    with pytest.raises(DataError):
        watch("nowhere")
