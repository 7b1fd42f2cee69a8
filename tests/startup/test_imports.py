"""A module is imported beside other work, and behind that work nothing of it is left running."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from sightx_cli.progress import Recorder
from sightx_cli.startup.imports import importing


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """Writes a module of the code that the test asks for; gives its name."""
    name = f"written_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(request.param)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


SLOW = "import time\ntime.sleep(0.2)"


@pytest.mark.parametrize("write_module", [SLOW], indirect=True)
def test_behind_the_block_the_module_is_there_and_a_wait_is_said(write_module: str) -> None:
    heard = Recorder()
    with importing(write_module, heard):
        assert heard.tasks == []
    assert write_module in sys.modules
    assert heard.tasks == [f"loading {write_module}"]


@pytest.mark.parametrize("write_module", ["ready = True"], indirect=True)
def test_of_an_import_that_was_done_first_nothing_is_said(write_module: str) -> None:
    heard = Recorder()
    with importing(write_module, heard):
        while not hasattr(sys.modules.get(write_module), "ready"):
            time.sleep(0.01)
        time.sleep(0.05)
    assert heard.tasks == []


@pytest.mark.parametrize("write_module", [SLOW], indirect=True)
def test_an_error_of_the_block_comes_through_and_leaves_no_thread(write_module: str) -> None:
    before = threading.active_count()
    with pytest.raises(ValueError, match="no images"), importing(write_module):
        raise ValueError("no images")
    assert threading.active_count() == before
    assert write_module in sys.modules


@pytest.mark.parametrize("write_module", ["raise ImportError('broken')"], indirect=True)
def test_an_error_of_the_import_is_raised_behind_the_block(write_module: str) -> None:
    done = []
    with pytest.raises(ImportError, match="broken"), importing(write_module, Recorder()):
        done.append(True)
    assert done
