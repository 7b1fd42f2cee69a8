"""What arrives in a folder comes once, whole, and in the order of its time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sightx_cli.data import arrivals as module
from sightx_cli.data.arrivals import Arrival, Arrivals, find_arrival
from sightx_cli.progress import Recorder


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as whole after a moment."""
    monkeypatch.setattr(module, "STILL_SECONDS", 0.03)
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.2)


def wait(arrivals: Arrivals, count: int = 10_000, seconds: float = 0.1) -> list[Arrival]:
    """What comes within a time, or until so many have come; all count as dealt with."""
    found: list[Arrival] = []
    end, polls = time.monotonic() + (20 if count < 10_000 else seconds), 0
    while (time.monotonic() < end or polls < 100 * seconds) and len(found) < count:
        polls += 1
        arrivals.poll()
        for one in arrivals.take(count):
            arrivals.keep(one)
            found.append(one)
        time.sleep(0.01)
    return found


def name(found: list[Arrival]) -> list[str]:
    return [Path(one.path).name for one in found]


def put(path: Path, text: str = "x", changed: float | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if changed is not None:
        os.utime(path, (changed, changed))
    return path


def test_files_come_once_in_the_order_of_their_time_then_their_name(tmp_path: Path) -> None:
    for place, changed in {"c.png": 5, "b.png": 7, "a.png": 7, "below/d.png": 6}.items():
        put(tmp_path / place, changed=changed)
    arrivals = Arrivals(tmp_path, {}, [])
    found = wait(arrivals, 4)
    assert name(found) == ["c.png", "d.png", "a.png", "b.png"]
    assert not any(one.is_new for one in found)
    put(tmp_path / "new.png")
    (late,) = wait(arrivals, 1)
    assert (Path(late.path).name, late.is_new) == ("new.png", True)
    assert wait(arrivals) == []


def test_a_file_that_is_being_written_waits_until_it_stands_still(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path, {}, [])
    with (tmp_path / "a.png").open("w") as file:
        for _ in range(5):
            file.write("x")
            file.flush()
            assert wait(arrivals, seconds=0.02) == []
    assert name(wait(arrivals, 1)) == ["a.png"]


def test_a_file_that_changes_between_is_not_handed_over(tmp_path: Path) -> None:
    file, arrivals = put(tmp_path / "a.png"), Arrivals(tmp_path, {}, [])
    end = time.monotonic() + 0.1
    while time.monotonic() < end:
        arrivals.poll()
    file.write_text("more than before")
    assert arrivals.take(9) == []
    assert name(wait(arrivals, 1)) == ["a.png"]


@pytest.mark.parametrize("ending", [".part", "~"])
def test_names_of_unfinished_and_hidden_files_are_left_alone_until_they_are_renamed(
    tmp_path: Path, ending: str
) -> None:
    listener = Recorder()
    arrivals = Arrivals(tmp_path, {}, [], listener)
    for place in (f"a.png{ending}", f"b.png{ending}", ".c.png", ".hidden/d.png", ".e.png.x7Ya"):
        put(tmp_path / place)
    assert wait(arrivals) == []
    assert sorted(notice.kind for notice in listener.notices) == ["hidden", "unfinished"]
    (tmp_path / f"a.png{ending}").rename(tmp_path / "a.png")
    assert name(wait(arrivals, 1)) == ["a.png"]


def test_what_is_no_image_is_passed_over_and_said_once(tmp_path: Path) -> None:
    listener = Recorder()
    for place in ("notes.txt", "more.txt", "volume.nii", "no ending", "Thumbs.db", "__MACOSX/a.png"):
        put(tmp_path / place, "plain text")
    (tmp_path / "picture").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    assert name(wait(Arrivals(tmp_path, {}, [], listener))) == ["picture"]
    assert sorted(notice.kind for notice in listener.notices) == ["no-images", "other-files"]


def test_a_file_comes_again_only_with_other_content(tmp_path: Path) -> None:
    file, arrivals = put(tmp_path / "a.png"), Arrivals(tmp_path, {}, [])
    wait(arrivals, 1)
    file.write_text("the next one")
    assert name(wait(arrivals, 1)) == ["a.png"]
    os.utime(file, ns=(0, file.stat().st_mtime_ns))
    assert wait(arrivals) == []


def test_what_was_dealt_with_before_is_known_by_its_time(tmp_path: Path) -> None:
    one, other = put(tmp_path / "a.png"), put(tmp_path / "b.png")
    known = {str(one): one.stat().st_mtime_ns // 1000 * 1000, str(other): 12_000}
    assert name(wait(Arrivals(tmp_path, known, []))) == ["b.png"]


def test_a_disk_that_goes_away_and_comes_back_brings_nothing_twice(tmp_path: Path) -> None:
    listener = Recorder()
    folder = put(tmp_path / "share" / "a.png").parent
    arrivals = Arrivals(folder, {}, [], listener)
    wait(arrivals, 1)
    folder.rename(tmp_path / "away")
    assert wait(arrivals) == []
    assert [notice.kind for notice in listener.notices] == ["folder"]
    folder.mkdir()  # an empty place of mounting
    assert wait(arrivals) == []
    folder.rmdir()
    (tmp_path / "away").rename(folder)
    put(folder / "b.png")
    assert name(wait(arrivals)) == ["b.png"]


def test_a_name_that_was_moved_away_may_come_anew(tmp_path: Path) -> None:
    file, arrivals = put(tmp_path / "a.png", changed=9), Arrivals(tmp_path, {}, [])
    (one,) = wait(arrivals, 1)
    file.unlink()
    arrivals.forget(one)
    put(file, changed=9)
    assert name(wait(arrivals, 1)) == ["a.png"]


def test_what_stands_apart_and_loops_of_links_bring_nothing(tmp_path: Path) -> None:
    put(tmp_path / "in" / "sorted" / "ants" / "a.png")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "self.png").symlink_to(tmp_path / "in" / "self.png")
    assert wait(Arrivals(tmp_path / "in", {}, [tmp_path / "in" / "sorted"])) == []


def test_a_link_that_leads_nowhere_is_said_once_and_taken_when_it_leads_to_an_image(tmp_path: Path) -> None:
    heard = Recorder()
    arrivals = Arrivals(tmp_path / "in", {}, [], heard)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").symlink_to(tmp_path / "a.png")
    assert wait(arrivals, seconds=0.1) == []
    assert heard.warnings == ["left alone links that lead nowhere, until they lead to a file, such as a.png"]
    put(tmp_path / "a.png")
    assert name(wait(arrivals, 1)) == ["a.png"]
    assert len(heard.warnings) == 1


def test_an_unreadable_file_gets_more_time_once(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path, {}, [])
    wait(arrivals, seconds=0.02)
    put(tmp_path / "a.png")
    polls: list[bool] = []
    end = time.monotonic() + 3
    while len(polls) < 2 and time.monotonic() < end:
        arrivals.poll()
        polls += [arrivals.postpone(one) for one in arrivals.take(9)]
        time.sleep(0.01)
    assert polls == [True, False]


def test_the_clock_of_a_file_server_changes_no_latency(tmp_path: Path) -> None:
    state = put(tmp_path / "a.png").stat()
    assert find_arrival(state, 0, state.st_ctime - 3600) == state.st_ctime - 3600
    assert find_arrival(state, state.st_ctime + 3600, state.st_ctime + 3601) == state.st_ctime + 3600


def test_a_large_folder_is_looked_at_less_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []
    arrivals = Arrivals(tmp_path, {}, [])
    look: Callable[..., None] = arrivals._look

    def look_slowly(*given: object) -> None:
        looks.append(time.monotonic())
        begun = time.thread_time()
        while time.thread_time() < begun + 0.02:
            pass
        look(*given)

    monkeypatch.setattr(arrivals, "_look", look_slowly)
    wait(arrivals, seconds=0.3)
    assert len(looks) <= 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
@pytest.mark.parametrize("pipe", ["ctl", "a.png"])
def test_a_pipe_is_passed_over_and_said(tmp_path: Path, pipe: str) -> None:
    os.mkfifo(tmp_path / pipe)
    put(tmp_path / "b.png")
    heard = Recorder()
    assert name(wait(Arrivals(tmp_path, {}, [], heard))) == ["b.png"]
    (notice,) = heard.notices
    assert (notice.kind, notice.text.endswith(f"such as {pipe}")) == ("no-images", True)


def test_an_image_without_an_ending_is_found_however_many_other_files_came_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sightx_cli.data.file_kinds.OPENED_AT_MOST", 3)
    for number in range(5):
        put(tmp_path / f"log{number}", "text", changed=5)
    arrivals = Arrivals(tmp_path, {}, [])
    assert wait(arrivals) == []
    (tmp_path / "image").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    assert name(wait(arrivals, 1)) == ["image"]


def test_names_of_folders_that_are_gone_are_held_within_the_bound_and_known_when_they_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_GONE", 4)
    arrivals = Arrivals(tmp_path / "in", {}, [])
    for batch in ("1", "2"):
        for number in range(3):
            put(tmp_path / "in" / batch / f"{number}.png")
        assert len(wait(arrivals, 3)) == 3
        (tmp_path / "in" / batch).rename(tmp_path / batch)
        wait(arrivals)
    assert sum(map(len, arrivals._done.values())) == 0
    assert len(arrivals._gone) == 4
    assert set(arrivals._listed) == {str(tmp_path / "in")}
    (tmp_path / "2").rename(tmp_path / "in" / "2")
    assert wait(arrivals) == []
