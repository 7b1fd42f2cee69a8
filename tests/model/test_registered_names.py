"""The names of timm's networks without timm: those of its own list, and none besides."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sightx_cli import fit
from sightx_cli.errors import ModelError
from sightx_cli.model.registered_names import REGISTERED, list_doubtful, read_registrations
from sightx_cli.progress import Recorder


def test_the_names_in_its_files_are_those_that_timm_lists() -> None:
    import timm

    importlib.import_module("sightx_cli.model.classifier")  # registers ours
    assert set(REGISTERED.findall(read_registrations())) == set(timm.list_models())


@pytest.mark.parametrize(
    ("name", "doubtful"),
    [
        ("resnet50", []),
        ("resnet50.a1_in1k", []),
        ("resnet50+tf_efficientnet_lite0", []),
        ("resnet5", ["resnet5"]),
        ("resnet50.a9_in1k", ["resnet50.a9_in1k"]),
        ("resnet50+resnet5", ["resnet5"]),
    ],
)
def test_a_name_that_is_nowhere_is_doubtful(name: str, doubtful: list[str]) -> None:
    assert list_doubtful([name]) == doubtful


@pytest.mark.parametrize("how", [{"backbone": "resnet5"}, {"settings": ('model.backbone="resnet5"',)}])
def test_an_unknown_network_is_refused_before_any_image_is_read(
    how: dict[str, Any], photo_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    listener, images = Recorder(), photo_folder()
    with pytest.raises(ModelError, match='backbone "resnet5" is not a timm network') as caught:
        fit(images, listener=listener, **how)
    assert "resnet50" in caught.value.hint
    assert {task for task, *_ in listener.tasks} <= {"loading torch"}
    with pytest.raises(ModelError, match="is not a timm network"):
        fit("nowhere", **how)
