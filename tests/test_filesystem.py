"""What is no ordinary file is refused before it is opened, and one process at a time holds a lock."""

from __future__ import annotations

import errno
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sightx_cli.errors import UsageError
from sightx_cli.filesystem import (
    LOCK,
    FolderLock,
    InUseError,
    check_ordinary,
    check_place,
    exchange_folders,
    flush_to_disk,
    is_locked,
    locking,
)

HOLDER = """
import sys
from pathlib import Path
from sightx_cli.filesystem import locking
with locking(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["a named pipe", "a socket", "a device", "a folder"])
def test_what_is_no_file_is_refused_by_its_kind(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    elif kind == "a folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(OSError, match=f"{kind}, not a file"):
        check_ordinary(path)


def test_a_file_and_a_link_to_one_are_ordinary(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    check_ordinary(tmp_path / "file")
    check_ordinary(tmp_path / "link")
    with pytest.raises(FileNotFoundError):
        check_ordinary(tmp_path / "none")


@pytest.mark.parametrize("place", ["file/b", "loop/b", "lost/b", "a\0b/c", "n" * 300 + "/b", "/proc/x/b"])
def test_where_nothing_can_be_made_is_known_and_nothing_is_left(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "lost").symlink_to("nowhere")
    check_place("--out", tmp_path / "a" / "b" / "c")
    with pytest.raises(UsageError, match=r"^--out .*: cannot be written"):
        check_place("--out", tmp_path / place)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "loop", "lost"]


def test_a_lock_is_held_by_one_process_and_freed_by_its_death(tmp_path: Path) -> None:
    lock = tmp_path / "folder" / "lock"
    command = [sys.executable, "-c", HOLDER, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InUseError) as caught, locking(lock):
            pass
        assert caught.value.holder == str(holder.pid)
        holder.kill()
    with locking(lock):
        assert lock.read_text() == str(os.getpid())


def test_a_lock_that_its_holder_deletes_keeps_nobody_out(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with locking(lock):
        lock.unlink()
        with locking(lock):
            assert lock.exists()


HOLD = """
import sys
from pathlib import Path
from sightx_cli.filesystem import FolderLock
lock = FolderLock(Path(sys.argv[1]))
assert lock.take()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_lock_is_held_by_one_and_leaves_no_file(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    assert not is_locked(tmp_path)
    assert first.take()
    assert first.take(), "whoever has it has it"
    assert is_locked(tmp_path)
    assert not second.take()
    first.release()
    assert list(tmp_path.iterdir()) == []
    assert second.take()
    second.release()


def test_a_lock_is_taken_on_a_full_disk_too(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # no file can have a byte: as on a full disk
    try:
        lock = FolderLock(tmp_path)
        assert lock.take()
        assert is_locked(tmp_path)
        lock.release()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_lock_ends_with_its_process_however_that_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert is_locked(tmp_path)
        assert not FolderLock(tmp_path).take()
        process.kill()
    assert (tmp_path / LOCK).exists()
    assert not is_locked(tmp_path)
    lock = FolderLock(tmp_path)
    assert lock.take()
    lock.release()


def test_a_lock_on_a_file_that_its_holder_has_removed_is_none(tmp_path: Path) -> None:
    class Late(FolderLock):
        """Opens the file just before its holder gives it back."""

        def _names(self, file: object) -> bool:
            if not seen:
                seen.append(file)
                self.path.unlink()
            return super()._names(file)  # type: ignore[arg-type]

    seen: list[object] = []
    late = Late(tmp_path)
    assert late.take()
    assert is_locked(tmp_path), "the lock is on the file that others open"
    late.release()


def test_a_lock_in_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        FolderLock(tmp_path / "gone").take()
    assert not is_locked(tmp_path / "gone")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems rename twice")
def test_two_folders_change_places_in_one_step(tmp_path: Path) -> None:
    for name in ("one", "other ä"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    assert exchange_folders(tmp_path / "one", tmp_path / "other ä")
    assert (tmp_path / "one" / "other ä").exists()
    assert (tmp_path / "other ä" / "one").exists()


def test_what_cannot_change_places_stays(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    assert not exchange_folders(tmp_path / "one", tmp_path / "missing")
    assert [one.name for one in tmp_path.iterdir()] == ["one"]


def test_files_and_folders_are_flushed_and_what_is_missing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a")
    flush_to_disk(tmp_path / "file")
    flush_to_disk(tmp_path)
    with pytest.raises(FileNotFoundError):
        flush_to_disk(tmp_path / "missing")


@pytest.mark.skipif(sys.platform == "win32", reason="fcntl and the flushing of folders are those of other systems")
def test_a_disk_without_locks_and_flushes_is_worked_on_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))  # as some network disks do

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(os, "fsync", refuse)
    lock = FolderLock(tmp_path)
    assert lock.take()
    assert not is_locked(tmp_path)
    with locking(tmp_path / "table.lock"):
        flush_to_disk(tmp_path)
    lock.release()
    assert not (tmp_path / LOCK).exists()


def test_a_disk_that_fails_to_flush_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        flush_to_disk(tmp_path)
