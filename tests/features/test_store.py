"""The store gives back what was written or nothing: cut short, flipped, killed, full or shared."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightx_cli.errors import UsageError
from sightx_cli.features.shards import Column
from sightx_cli.features.store import BUDGET_BYTES, FeatureStore
from sightx_cli.filesystem import choose_cache_folder

COLUMNS = {"features": Column((5,)), "map_2": Column((3, 2, 2))}


def draw_rows(digests: list[str]) -> dict[str, Any]:
    """Outputs that belong to the images of these digests, the same each time."""
    seeds = [int(digest, 16) for digest in digests]
    return {
        name: np.stack([np.random.default_rng(seed).normal(size=shape).astype(np.float32) for seed in seeds])
        for name, (shape, _) in COLUMNS.items()
    }


def name_images(count: int, first: int = 0) -> list[str]:
    return [f"{first + place:032x}" for place in range(count)]


def keep(store: FeatureStore, digests: list[str], prefix: str = "p" * 24, view: str = "v" * 24) -> Path:
    with store.write_shard(prefix, view, digests, COLUMNS, f"what {prefix[:1]} is") as writer:
        for start in range(0, len(digests), 2):
            writer.put(start, draw_rows(digests[start : start + 2]))
    return max((store.folder / "outputs" / prefix / view).iterdir(), key=lambda folder: folder.stat().st_mtime_ns)


def find(store: FeatureStore, prefix: str = "p" * 24, view: str = "v" * 24) -> list[str]:
    """The images found; what is found of each is what was written."""
    digests = []
    for shard in store.find_shards(prefix, view):
        expected = draw_rows(list(shard.digests))
        for name, rows in shard.arrays.items():
            np.testing.assert_array_equal(rows, expected[name].astype(np.float16))
        assert shard.arrays.keys() == COLUMNS.keys()
        digests += shard.digests
    return digests


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "store")


def test_what_is_cached_is_found_in_half_precision(store: FeatureStore) -> None:
    keep(store, name_images(3))
    assert find(store) == name_images(3)
    assert find(FeatureStore(store.folder)) == name_images(3)


def test_other_prefixes_and_views_are_other_places(store: FeatureStore) -> None:
    keep(store, name_images(3))
    assert find(store, prefix="q" * 24) == []
    assert find(store, view="w" * 24) == []


def test_what_half_precision_cannot_hold_is_clipped(store: FeatureStore) -> None:
    with store.write_shard("p", "v", ["0"], {"features": Column((4,))}, "") as writer:
        writer.put(0, {"features": np.array([[1e6, -np.inf, 0.1, 65504.0]], np.float32)})
    [shard] = store.find_shards("p", "v")
    np.testing.assert_array_equal(shard.arrays["features"], np.array([[65504, -65504, 0.1, 65504]], np.float16))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut short": lambda shard: os.truncate(shard / "map_2.bin", 40),
    "grown": lambda shard: (shard / "map_2.bin").write_bytes((shard / "map_2.bin").read_bytes() + b"\0\0"),
    "an array lost": lambda shard: (shard / "features.bin").unlink(),
    "header cut short": lambda shard: os.truncate(shard / "shard.json", 30),
    "header empty": lambda shard: (shard / "shard.json").write_text(""),
    "header of something else": lambda shard: (shard / "shard.json").write_text("[1, 2]"),
    "another version": lambda shard: edit_header(shard, format=99),
    "no images": lambda shard: edit_header(shard, digests=[]),
    "arrays of another kind": lambda shard: edit_header(shard, arrays=["features"]),
}


def edit_header(shard: Path, **changes: Any) -> None:
    header = json.loads((shard / "shard.json").read_text())
    (shard / "shard.json").write_text(json.dumps({**header, **changes}))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_shard_is_dropped_with_one_line_and_the_sound_ones_stay(damage: str, store: FeatureStore) -> None:
    keep(store, name_images(3))
    shard = keep(store, name_images(3, first=10))
    DAMAGES[damage](shard)
    assert find(store) == name_images(3)
    [line] = store.warnings
    assert shard.name in line
    assert "damaged" in line
    assert "\n" not in line
    assert not shard.exists()
    keep(store, name_images(3, first=10))
    assert sorted(find(store)) == name_images(3) + name_images(3, first=10)


@pytest.mark.parametrize("file", ["features.bin", "map_2.bin", "shard.json"])
def test_a_flipped_bit_never_gives_another_value(file: str, store: FeatureStore) -> None:
    shard = keep(store, name_images(3))
    sound = {path.name: path.read_bytes() for path in shard.iterdir()}
    bits = [(place, bit) for place in range(len(sound[file])) for bit in range(8)]
    found = set()
    for number in np.random.default_rng(0).permutation(len(bits))[:400]:
        place, bit = bits[number]
        flipped = bytearray(sound[file])
        flipped[place] ^= 1 << bit
        shard.mkdir(exist_ok=True)
        for name, content in sound.items():
            (shard / name).write_bytes(bytes(flipped) if name == file else content)
        for kept in store.find_shards("p" * 24, "v" * 24):
            known = [row for row, digest in enumerate(kept.digests) if digest in name_images(3)]
            expected = draw_rows([kept.digests[row] for row in known]) if known else {}
            for name, rows in expected.items():
                np.testing.assert_array_equal(kept.arrays[name][known], rows.astype(np.float16))
            found.add(len(known))
    # A flip in what a shard says of itself harms nothing.
    assert found == ({3} if file == "shard.json" else set())


WRITE = """
import sys, time
from pathlib import Path
import numpy as np
from sightx_cli.features.shards import Column
from sightx_cli.features.store import FeatureStore
digests = [f"{place:032x}" for place in range(4)]
with FeatureStore(Path(sys.argv[1])).write_shard("p" * 24, "v" * 24, digests, {"features": Column((5,))}, "") as writer:
    writer.put(0, {"features": np.ones((2, 5), np.float32)})
    print("half", flush=True)
    time.sleep(100)
"""


def test_a_kill_in_the_middle_leaves_nothing_that_is_found(store: FeatureStore) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITE, str(store.folder)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    [left] = (store.folder / "outputs" / ("p" * 24) / ("v" * 24)).iterdir()
    assert find(store) == []
    assert store.warnings == []
    keep(store, name_images(4))
    assert find(store) == name_images(4)
    assert left.exists()  # whose writer may live still, as far as others know
    hours_ago = left.stat().st_mtime - 2 * 3600
    for path in (left, *left.iterdir()):
        os.utime(path, (hours_ago, hours_ago))
    keep(store, name_images(4, first=10))
    assert not left.exists()


def test_a_shard_whose_writer_was_killed_before_the_last_step_is_not_found(store: FeatureStore) -> None:
    shard = keep(store, name_images(2))
    shard.rename(shard.with_name(".writing-abc"))
    assert find(store) == []
    assert [entry.name for entry in store.list_entries()] == ["unfinished"]


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from sightx_cli.features.shards import Column
from sightx_cli.features.store import FeatureStore
shapes = {"features": Column((9000,))}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    with FeatureStore(Path(sys.argv[1])).write_shard("p" * 24, "v" * 24, ["0", "1"], shapes, "") as writer:
        for row in range(2):
            writer.put(row, {"features": np.ones((1, 9000), np.float32)})
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="no file size limit here")
def test_a_full_disk_is_an_error_and_leaves_nothing(store: FeatureStore) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(store.folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    assert done.stdout == f"{os.strerror(errno.EFBIG)}\n"
    assert [path for path in store.folder.rglob("*") if path.is_file()] == []
    assert list((store.folder / "outputs" / ("p" * 24) / ("v" * 24)).iterdir()) == []


def test_an_error_while_writing_leaves_nothing(store: FeatureStore) -> None:
    with pytest.raises(ZeroDivisionError), store.write_shard("p", "v", ["0"], COLUMNS, ""):
        raise ZeroDivisionError
    assert [path for path in store.folder.rglob("*") if path.is_file()] == []


def test_a_shard_with_rows_missing_is_never_used(store: FeatureStore) -> None:
    with store.write_shard("p" * 24, "v" * 24, name_images(4), COLUMNS, "") as writer:
        writer.put(0, draw_rows(name_images(2)))
    assert find(store) == []
    assert len(store.warnings) == 1


def test_the_least_recently_used_shards_go_when_the_budget_is_full(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    for name in "abc":
        shard = keep(store, name_images(10), prefix=name * 24)
        os.utime(shard / "shard.json", (1000 + ord(name), 1000 + ord(name)))
    store = FeatureStore(tmp_path, budget_bytes=sum(entry.bytes_on_disk for entry in store.list_entries()))
    assert find(store, prefix="a" * 24)  # used now: the oldest is b
    keep(store, name_images(10), prefix="d" * 24)
    assert [bool(find(store, prefix=name * 24)) for name in "abcd"] == [True, False, True, True]
    assert sum(entry.bytes_on_disk for entry in store.list_entries()) <= store.budget_bytes
    assert store.warnings == []


def keep_graph(store: FeatureStore, name: str, size: int, used: float) -> Path:
    store.graphs.mkdir(parents=True, exist_ok=True)
    graph = store.graphs / f"{name}.xml"
    graph.write_bytes(b"x" * size)
    graph.with_suffix(".bin").write_bytes(b"x" * size)
    os.utime(graph, (used, used))
    return graph


def test_graphs_count_against_the_budget_and_go_when_they_are_the_oldest(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    old, new = keep_graph(store, "old", 5000, 1000), keep_graph(store, "new", 5000, 9000)
    shard = keep(store, name_images(10))
    os.utime(shard / "shard.json", (5000, 5000))
    store = FeatureStore(tmp_path, budget_bytes=sum(entry.bytes_on_disk for entry in store.list_entries()))
    store.evict_oldest(1)
    assert [file.exists() for file in (old, old.with_suffix(".bin"), new, shard)] == [False, False, True, True]
    store.evict_oldest(store.budget_bytes - 10_000)
    assert [file.exists() for file in (new, shard)] == [True, False]


def test_a_graph_that_a_killed_process_left_half_written_goes_after_an_hour(store: FeatureStore) -> None:
    keep_graph(store, "whole", 10, 1000)
    left, young = store.graphs / ".123-left.xml", store.graphs / ".456-young.bin"
    left.write_text("half")
    young.write_text("half")
    os.utime(left, (1000, 1000))
    store.evict_oldest(0)
    assert [file.name for file in sorted(store.graphs.iterdir())] == [".456-young.bin", "whole.bin", "whole.xml"]


def test_there_is_room_up_to_the_budget_and_the_disk(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "new" / "store", budget_bytes=1000)
    assert [store.has_room(needed) for needed in (999, 1000, 1001)] == [True, True, False]
    assert not FeatureStore(tmp_path, budget_bytes=2**60).has_room(2**59)  # more than any disk has
    assert not FeatureStore(tmp_path, budget_bytes=0).has_room(1)


def test_there_is_no_room_where_no_folder_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = FeatureStore(tmp_path / "file" / "store")
    assert not store.has_room(1)
    assert store.blocked == os.strerror(errno.ENOTDIR)
    assert store.has_room(0)  # what lacks nothing needs none


def test_room_is_for_what_lacks_beside_what_is_found(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, budget_bytes=1000)
    assert [store.has_room(400, found) for found in (600, 601)] == [True, False]
    assert store.has_room(0, 5000)


@pytest.mark.parametrize(
    ("dtype", "values"), [("uint8", [0, 255]), ("int32", [-70_000, 2**31 - 1]), ("float32", [1e-30, 1e30])]
)
def test_every_type_comes_back_as_it_was(dtype: str, values: list[float], store: FeatureStore) -> None:
    rows = np.array([values, values[::-1]], dtype)
    with store.write_shard("p", "v", ["0", "1"], {"numbers": Column((2,), dtype)}, "") as writer:
        writer.put(0, {"numbers": rows})
    [shard] = store.find_shards("p", "v")
    assert shard.arrays["numbers"].dtype == rows.dtype
    np.testing.assert_array_equal(shard.arrays["numbers"], rows)


def test_a_text_is_found_again_as_it_was_and_cleared_with_the_store(store: FeatureStore) -> None:
    text = "häufig · 猫\n" * 500
    assert store.find_text("here") is None
    store.keep_text("here", text, "a text")
    assert store.find_text("here") == text
    assert store.find_text("there") is None
    assert [entry.what for entry in store.list_entries()] == ["a text"]
    store.clear()
    assert store.find_text("here") is None


def test_where_there_is_no_room_no_text_is_kept(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, budget_bytes=10)
    store.keep_text("here", "a text that is longer than ten bytes", "a text")
    assert store.find_text("here") is None


@pytest.mark.parametrize(
    ("umask", "folders", "files"), [(0o022, 0o755, 0o644), (0o002, 0o775, 0o664), (0o077, 0o700, 0o600)]
)
def test_those_who_share_a_store_may_read_it_as_the_umask_says(
    umask: int, folders: int, files: int, tmp_path: Path
) -> None:
    before = os.umask(umask)
    try:
        store = FeatureStore(tmp_path / "shared" / "store")
        keep(store, name_images(3))
    finally:
        os.umask(before)
    for path in [store.folder, *store.folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (folders if path.is_dir() else files)


SHARE = """
import sys
from pathlib import Path
import numpy as np
from sightx_cli.features.shards import Column
from sightx_cli.features.store import FeatureStore
store = FeatureStore(Path(sys.argv[1]), budget_bytes=6000)
digests = [f"{place:032x}" for place in range(8)]
rows = np.arange(8, dtype=np.float32).repeat(40).reshape(8, 40)
for turn in range(150):
    prefix = "pq"[turn % 2] * 24
    with store.write_shard(prefix, "v" * 24, digests, {"features": Column((40,))}, "shared") as writer:
        writer.put(0, {"features": rows})
    for shard in store.find_shards(prefix, "v" * 24):
        assert (shard.arrays["features"] == rows).all()
    store.list_entries()
assert store.warnings == [], store.warnings
"""


def test_processes_that_write_read_and_evict_at_once_never_trip_each_other(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SHARE, str(tmp_path)]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for process in running:
        _, error = process.communicate(timeout=100)
        assert (process.returncode, error) == (0, "")
    assert not [path for path in tmp_path.rglob(".writing-*") if path.exists()]


def test_what_was_opened_stays_readable_when_another_process_evicts_it(store: FeatureStore) -> None:
    keep(store, name_images(3))
    [shard] = store.find_shards("p" * 24, "v" * 24)
    FeatureStore(store.folder).clear()
    np.testing.assert_array_equal(shard.arrays["features"], draw_rows(name_images(3))["features"].astype(np.float16))


def test_the_list_says_what_is_cached_the_newest_first(store: FeatureStore) -> None:
    for prefix, used in (("a", 2000), ("b", 3000)):
        keep(store, name_images(2), prefix=prefix * 24)
        for header in (store.folder / "outputs" / (prefix * 24)).rglob("shard.json"):
            os.utime(header, (used, used))
    keep(store, name_images(2, first=5), prefix="a" * 24, view="w" * 24)
    store.graphs.mkdir()
    (store.graphs / "graph.xml").write_text("x" * 100)
    os.utime(store.graphs, (1000, 1000))
    entries = store.list_entries()
    assert [entry.name for entry in entries] == [
        "aaaaaaaa/wwwwwwww",
        "bbbbbbbb/vvvvvvvv",
        "aaaaaaaa/vvvvvvvv",
        "graphs",
    ]
    assert [entry.what for entry in entries] == ["what a is", "what b is", "what a is", "converted graphs"]
    on_disk = sum(path.stat().st_size for path in store.folder.rglob("*") if path.is_file())
    assert sum(entry.bytes_on_disk for entry in entries) == on_disk


def test_what_is_half_written_is_listed_too(store: FeatureStore) -> None:
    keep(store, name_images(2))
    half = store.folder / "outputs" / ("p" * 24) / ("v" * 24) / ".writing-0"
    half.mkdir()
    (half / "features.bin").write_bytes(b"x" * 1000)
    assert {entry.name: entry.bytes_on_disk for entry in store.list_entries()}["unfinished"] == 1000
    store.clear()
    assert not half.exists()


def test_with_a_budget_of_0_no_graph_is_kept_in_the_store(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "store", budget_bytes=0)
    place = store.place_graph("new.xml")
    assert place is not None
    assert not place.is_relative_to(store.folder)
    assert FeatureStore(tmp_path / "store", budget_bytes=1).place_graph("new.xml") == store.graphs / "new.xml"


def test_a_damaged_shard_is_listed_and_can_be_cleared(store: FeatureStore) -> None:
    shard = keep(store, name_images(2))
    (shard / "shard.json").write_text("{")
    [entry] = store.list_entries()
    assert entry.what == "damaged"
    assert store.clear() == entry.bytes_on_disk
    assert store.list_entries() == []


def test_clearing_frees_everything_and_says_how_much(store: FeatureStore) -> None:
    assert store.clear() == 0
    keep(store, name_images(2))
    store.graphs.mkdir()
    (store.graphs / "graph.bin").write_bytes(b"x" * 1000)
    kept = sum(entry.bytes_on_disk for entry in store.list_entries())
    assert store.clear() == kept > 1000
    assert [path for path in store.folder.rglob("*") if path.is_file()] == []
    assert find(store) == []


def test_pages_given_back_can_be_read_again(store: FeatureStore) -> None:
    keep(store, name_images(3))
    [shard] = store.find_shards("p" * 24, "v" * 24)
    before = np.array(shard.arrays["map_2"])
    shard.release()
    np.testing.assert_array_equal(shard.arrays["map_2"], before)


def test_the_environment_moves_the_store_and_sets_its_budget(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("SIGHTX_CACHE_BYTES", "12345")
    assert (FeatureStore().folder, FeatureStore().budget_bytes) == (tmp_path / "elsewhere", 12345)
    monkeypatch.delenv("SIGHTX_CACHE")
    monkeypatch.delenv("SIGHTX_CACHE_BYTES")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert (choose_cache_folder(), FeatureStore().budget_bytes) == (tmp_path / "sightx", BUDGET_BYTES)


@pytest.mark.parametrize("said", ["5 GB", "-1", "1e9"])
def test_a_budget_that_is_no_number_is_refused(said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIGHTX_CACHE_BYTES", said)
    with pytest.raises(UsageError, match=f'SIGHTX_CACHE_BYTES is "{said}"') as caught:
        FeatureStore(tmp_path)
    assert "5000000000" in caught.value.hint
