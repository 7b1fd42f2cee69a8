"""Which engine runs, why, and what happens where it cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sightx_cli.engine.choice import (
    EngineChoice,
    build_forward,
    choose_device,
    choose_engine,
    choose_step_precision,
)
from sightx_cli.engine.graph_files import check_graph
from sightx_cli.engine.interface import Forward, Precision
from sightx_cli.engine.openvino_forward import find_half_on_cpu
from sightx_cli.errors import UsageError
from sightx_cli.progress import Recorder

Build = Callable[..., Forward]
OPENVINO = EngineChoice("openvino", "float32", "cpu", "a test")


@pytest.fixture
def build(reading: Any) -> Build:
    def build(module: nn.Module, graph: Path, heard: Recorder, engine: EngineChoice = OPENVINO) -> Forward:
        return build_forward(engine, module, ["map", "features"], *reading, graph, heard)

    return build


def test_the_cpu_gets_openvino_and_the_plan_says_why() -> None:
    choice = choose_engine("auto", "cpu")
    assert (choice.name, choice.precision, choice.device) == ("openvino", "float32", "cpu")
    assert choice.half == find_half_on_cpu()
    assert choice.why == "the fastest on a CPU"


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_an_engine_named_is_the_engine_used(engine: str) -> None:
    choice = choose_engine(engine, "cpu")
    assert (choice.name, choice.why) == (engine, "chosen with --engine")


def test_mps_gets_torch_in_float32_since_float16_has_no_gradient_scaler_there() -> None:
    assert choose_engine("auto", "mps") == EngineChoice("torch", "float32", "mps", "the device is mps")


@pytest.mark.parametrize(("is_native", "half"), [(True, "bfloat16"), (False, "float16")])
def test_cuda_that_only_emulates_bfloat16_gets_float16(
    monkeypatch: pytest.MonkeyPatch, is_native: bool, half: str
) -> None:
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or is_native
    )
    choice = choose_engine("auto", "cuda")
    assert (choice.precision, choice.half) == ("float32", half)


@pytest.mark.parametrize(
    ("flags", "half"), [({"avx512_bf16": True}, "bfloat16"), ({"amx_bf16": True}, "bfloat16"), ({"avx2": True}, None)]
)
def test_a_processor_has_half_precision_where_it_says_so(
    monkeypatch: pytest.MonkeyPatch, flags: dict[str, bool], half: str | None
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags, raising=False)  # older torch has none
    assert choose_engine("torch", "cpu").half == half


@pytest.mark.parametrize(
    ("engine", "device", "said"), [("onnx", "cpu", "--engine onnx: unknown"), ("openvino", "mps", "runs on the CPU")]
)
def test_an_engine_that_cannot_run_is_refused(engine: str, device: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        choose_engine(engine, device)
    assert "--engine" in caught.value.hint


def test_a_device_that_this_machine_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(UsageError, match=r"--device tpu: this machine has .*cpu"):
        choose_device("tpu")
    with pytest.raises(UsageError, match="--device cpu:x: no device has this name"):
        choose_device("cpu:x")
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") in ("cpu", "mps", "cuda")


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ("foo", "this machine has {has}; allowed are auto, {allowed}"),
        ("CPU", "this machine has {has}; allowed are auto, {allowed}"),
        ("cpu:7", "no device has this name; allowed are auto, {allowed}"),
    ],
)
def test_a_refused_device_is_answered_with_what_is_allowed(device: str, said: str) -> None:
    has = [name for name in ("cuda", "mps", "cpu") if name == "cpu" or getattr(torch, name).is_available()]
    found = torch.cuda.device_count()
    allowed = [f"cuda, cuda:0 to cuda:{found - 1}" if name == "cuda" and found > 1 else name for name in has]
    with pytest.raises(UsageError) as caught:
        choose_device(device)
    expected = said.format(has=", ".join(has), allowed=", ".join(allowed))
    assert caught.value.message == f"--device {device}: {expected}"
    assert caught.value.hint == f"leave --device out, or --device {has[0]}"


def test_a_gpu_is_allowed_by_the_numbers_of_those_that_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [choose_device(one) for one in ("auto", "cuda", "cuda:1", "cpu")] == ["cuda", "cuda", "cuda:1", "cpu"]
    with pytest.raises(UsageError) as caught:
        choose_device("cuda:2")
    said = "--device cuda:2: this machine has 2 GPUs, counted from 0; allowed are auto, cuda, cuda:0 to cuda:1, cpu"
    assert caught.value.message == said


class Unconvertible(nn.Module):
    """A network of an operation that OpenVINO has no rule for."""

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        waves = torch.special.bessel_j0(images)
        return waves, waves.mean((2, 3))


def test_a_network_that_openvino_cannot_convert_runs_in_torch_after_one_line(
    build: Build,
    tmp_path: Path,
    draw_images: Callable[..., Any],
    compute_eagerly: Callable[..., list[Any]],
) -> None:
    heard, module, images = Recorder(), Unconvertible(), draw_images(3)
    forward = build(module, tmp_path / "graph.xml", heard)
    [(_, outputs)] = forward.run([(0, images)])
    assert forward.engine == "torch"
    np.testing.assert_allclose(outputs["features"], compute_eagerly(module, images)[1], atol=1e-4)
    [line] = heard.warnings
    assert "special_bessel_j0" in line
    assert "torch runs it instead" in line
    assert "\n" not in line
    assert list(tmp_path.iterdir()) == []


class Refuses(nn.Module):
    """A network that must not be asked."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        raise AssertionError("converted again")


def test_the_cached_graph_is_used_again_and_nothing_is_converted(
    build: Build, small: nn.Module, tmp_path: Path, draw_images: Callable[..., Any]
) -> None:
    graph, heard, images = tmp_path / "graphs" / "graph.xml", Recorder(), draw_images(3)
    [(_, first)] = build(small, graph, heard).run([(0, images)])
    [(_, second)] = build(Refuses(), graph, heard).run([(0, images)])
    np.testing.assert_array_equal(first["features"], second["features"])
    assert heard.warnings == []


@pytest.mark.parametrize("suffix", [".xml", ".bin"])
def test_a_damaged_cached_graph_is_converted_again_after_one_line(
    suffix: str, build: Build, small: nn.Module, small_graph: Path, draw_images: Callable[..., Any]
) -> None:
    images = draw_images(3)
    [(_, before)] = build(small, small_graph, Recorder()).run([(0, images)])
    file, heard = small_graph.with_suffix(suffix), Recorder()
    flipped = bytearray(file.read_bytes())
    flipped[len(flipped) // 2] ^= 16
    file.write_bytes(flipped)
    [(_, after)] = build(small, small_graph, heard).run([(0, images)])
    assert heard.warnings == ["the cached graph small.xml is damaged: converted again"]
    np.testing.assert_array_equal(before["features"], after["features"])
    assert build(Refuses(), small_graph, heard).engine == "openvino"
    check_graph(small_graph)


def test_torch_keeps_no_graph(build: Build, small: nn.Module, tmp_path: Path) -> None:
    choice = EngineChoice("torch", "float32", "cpu", "a test")
    assert build(small, tmp_path / "graph.xml", Recorder(), choice).engine == "torch"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("half", "expected"), [("bfloat16", "bfloat16"), ("float16", "float32"), (None, "float32")])
def test_steps_compute_in_bfloat16_where_it_is_faster(half: Precision | None, expected: Precision) -> None:
    assert choose_step_precision(EngineChoice("torch", "float32", "cpu", "a test", half)) == expected
