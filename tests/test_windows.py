"""What Windows forbids is not done: a file that is open or mapped is neither renamed, replaced nor removed."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from sightx_cli.api import inspect
from sightx_cli.api.fit import fit
from sightx_cli.api.lr_find import find_lr
from sightx_cli.api.predict import predict
from sightx_cli.data.demo import write_demo
from sightx_cli.data.sources import load_manifest
from sightx_cli.engine.conversion import convert_module, write_graph
from sightx_cli.engine.openvino_forward import read_graph
from sightx_cli.errors import DataError
from sightx_cli.features.disk import list_shards
from sightx_cli.features.shards import Column
from sightx_cli.features.store import FeatureStore
from sightx_cli.progress import Recorder, Silent
from sightx_cli.recipe.files import copy_recipe

SMALL = ("image.size_px=64", "stage.0.epochs=1")

OPENED, MAPPED = Path("/proc/self/fd"), Path("/proc/self/maps")
pytestmark = pytest.mark.skipif(not MAPPED.exists(), reason="only Linux says which files a process holds")


def list_held() -> set[str]:
    """List the files that this process has open or mapped into its memory."""
    held = {line.split(maxsplit=5)[5] for line in MAPPED.read_text().splitlines() if line.count("/")}
    for descriptor in OPENED.iterdir():
        try:
            held.add(str(descriptor.readlink()))
        except FileNotFoundError:
            continue  # the one that listed them
    return held


def refuse_held(path: Path, holds: tuple[str, ...] = ()) -> None:
    place = str(path.absolute())
    held = [file for file in list_held() if file == place or file.startswith(place + "/")]
    if held:
        raise PermissionError(errno.EACCES, f"held: {held}", place)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are renamed, replaced and removed as Windows allows it (MoveFileEx, DeleteFile)."""
    rename, replace, unlink = os.rename, os.replace, os.unlink

    def rename_as_windows(source: Any, target: Any, **how: Any) -> None:
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "exists", str(target))
        refuse_held(Path(source))
        rename(source, target, **how)

    def replace_as_windows(source: Any, target: Any, **how: Any) -> None:
        if Path(target).is_dir():
            raise PermissionError(errno.EACCES, "is a folder, or a link to one", str(target))
        refuse_held(Path(source))
        refuse_held(Path(target))
        replace(source, target, **how)

    def unlink_as_windows(path: Any, *, dir_fd: int | None = None) -> None:
        refuse_held(Path(path) if dir_fd is None else (OPENED / str(dir_fd)).readlink() / path)
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "rename", rename_as_windows)
    monkeypatch.setattr(os, "replace", replace_as_windows)
    monkeypatch.setattr(os, "unlink", unlink_as_windows)
    monkeypatch.setattr(os, "remove", unlink_as_windows)


@pytest.mark.slow
@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_fits_and_predictions_replace_each_other(
    engine: str, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "symlink_to", refuse_links)
    heard = Recorder()
    for _ in range(2):
        fit(
            digits,
            recipe="natural-small",
            settings=SMALL,
            out=Path("run"),
            overwrite=True,
            engine=engine,
            listener=heard,
        )
        told = predict(digits, output=Path("labels.parquet"), overwrite=True)
    assert heard.warnings == []
    assert told.run == tmp_path / "run"
    assert {path.name for path in tmp_path.iterdir()} == {"run", "runs", "labels.parquet"}


def refuse_links(*_: Any, **__: Any) -> None:
    """Links need a privilege, or the developer mode."""
    raise OSError(errno.EPERM, "a required privilege is not held by the client")


@pytest.mark.slow
@pytest.mark.usefixtures("windows")
def test_what_else_writes_files_writes_them_again(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        inspect.inspect(digits, out=Path("look"), fix=Path("fix.csv"), overwrite=True)
        find_lr(digits, recipe="natural-small", settings=SMALL, out=Path("rates.png"), overwrite=True)
    copy_recipe("natural-small", "mine.toml")
    write_demo("solar", "solar", Silent())
    assert {path.name for path in tmp_path.iterdir()} == {"look", "fix.csv", "rates.png", "mine.toml", "solar"}


@pytest.mark.usefixtures("windows")
def test_a_graph_that_is_there_is_replaced(tmp_path: Path) -> None:
    for outputs in (4, 5):
        module = nn.Sequential(nn.Conv2d(3, outputs, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        write_graph(convert_module(module, ["features"], 16, (0.5,) * 3, (0.5,) * 3), tmp_path / "graph.xml")
    assert read_graph(tmp_path / "graph.xml").outputs[0].partial_shape[1] == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graph.bin", "graph.xml"]


@pytest.mark.usefixtures("windows")
def test_a_shard_in_use_is_removed_later(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "store")
    with store.write_shard("p", "v", ["0"], {"features": Column((4,))}, "") as writer:
        writer.put(0, {"features": np.zeros((1, 4), np.float32)})
    in_use = store.find_shards("p", "v")
    store.clear()
    [folder] = (tmp_path / "store/outputs/p/v").iterdir()
    assert store.find_shards("p", "v") == []
    del in_use
    for path in (*folder.iterdir(), folder):
        os.utime(path, (1, 1))
    assert list_shards(tmp_path / "store/outputs") == []
    assert not folder.exists()


def test_folders_without_numbers_are_told_apart_by_their_paths(
    photo_folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat = Path.stat

    def stat_without_numbers(path: Path, **how: Any) -> os.stat_result:
        found = stat(path, **how)
        return os.stat_result((found[0], 0, *found[2:]))

    monkeypatch.setattr(Path, "stat", stat_without_numbers)
    assert len(load_manifest(photo_folder(["cat", "dog"], 3)).frame) == 6


def test_a_file_named_in_capitals_is_the_same_file(photo_folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "normcase", str.lower)
    table = photo_folder(["cat"], 2).parent / "table.csv"
    table.write_text("image,label\nphotos/cat/0.jpg,cat\nphotos/cat/0.JPG,dog\n", encoding="utf-8")
    with pytest.raises(DataError, match="more than once"):
        load_manifest(table)
