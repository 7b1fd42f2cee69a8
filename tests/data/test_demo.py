from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from sightx_cli.data.demo import write_demo
from sightx_cli.data.sources import load_manifest
from sightx_cli.errors import DataError, RunError
from sightx_cli.progress import Silent

needs_solar = pytest.mark.skipif(find_spec("elpv_dataset") is None, reason='pip install "sightx-cli[demo]"')


@needs_solar
def test_the_solar_cells_are_four_grades_in_order() -> None:
    manifest = load_manifest("demo:solar")
    assert manifest.kind == "demo"
    assert manifest.is_numbered
    assert manifest.frame["label"].value_counts().to_dict() == {
        "0_functional": 1508,
        "1_possibly_defective": 295,
        "2_probably_defective": 106,
        "3_defective": 715,
    }
    assert Path(manifest.frame["path"][0]).is_file()


@needs_solar
def test_the_demo_written_to_a_folder_reads_as_the_same_table(tmp_path: Path) -> None:
    table = write_demo("solar", tmp_path / "cells", Silent())
    assert table == tmp_path / "cells" / "labels.csv"
    written, shipped = load_manifest(table), load_manifest("demo:solar")
    assert written.is_numbered
    assert written.classes == shipped.classes
    assert written.frame[["image", "label", "cell"]].equals(shipped.frame[["image", "label", "cell"]])


@needs_solar
def test_a_folder_that_holds_something_is_never_written_to(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(RunError, match="not an empty folder"):
        write_demo("solar", tmp_path, Silent())
    with pytest.raises(RunError, match="not an empty folder"):
        write_demo("solar", tmp_path / "mine.txt", Silent())
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_another_demo_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(DataError, match="there is demo:solar"):
        load_manifest("demo:lunar")


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", sys.meta_path)
    for name in [name for name in sys.modules if name.startswith("elpv_dataset")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(DataError, match="needs the package elpv-dataset") as caught:
        load_manifest("demo:solar")
    assert "sightx-cli[demo]" in caught.value.hint
