"""What an export needs is asked for before anything is written."""

from __future__ import annotations

import pytest

from sightx_cli.bundle.export_folder import check_exporters, choose_exporters
from sightx_cli.bundle.exporters import EXPORTERS
from sightx_cli.errors import UsageError
from sightx_cli.progress import Notice, Silent


def test_int8_names_the_extra_of_its_own_beside_that_of_the_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sightx_cli.bundle.export_folder.find_spec", lambda name: None if name == "nncf" else 1)
    check_exporters([EXPORTERS["openvino"]], "float16")
    with pytest.raises(UsageError, match="--format openvino needs the package nncf, not installed here") as caught:
        check_exporters([EXPORTERS["openvino"]], "int8")
    assert caught.value.hint == 'type pip install "sightx-cli[export,int8]"'


def test_a_precision_that_a_format_does_not_take_is_refused_with_the_table_of_all() -> None:
    with pytest.raises(UsageError, match="--precision int8: torchscript does not take it") as caught:
        choose_exporters("torchscript", "int8", Silent())
    assert "openvino: float32, float16, int8; torchscript: float32, bfloat16" in caught.value.hint


def test_of_all_formats_those_that_do_not_take_a_precision_are_left_out_and_named() -> None:
    heard: list[Notice] = []

    class Ear(Silent):
        def notice(self, notice: Notice) -> None:
            heard.append(notice)

    assert [one.name for one in choose_exporters("all", "int8", Ear())] == ["openvino"]
    assert [one.text for one in heard] == ["left out, since they do not take int8: onnx, torchscript, safetensors"]
