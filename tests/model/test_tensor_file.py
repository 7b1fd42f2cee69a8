"""Tensors as a file: what was given comes back, and a full disk is an error of the system's own number."""

from __future__ import annotations

import errno
import resource
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from sightx_cli.model.tensor_file import save_tensors


def test_tensors_and_facts_come_back_as_they_were(tmp_path: Path) -> None:
    given = {"a": torch.rand(3, 4)[:, ::2], "b": torch.arange(3), "none": torch.empty(0)}
    save_tensors(tmp_path / "file", given, {"facts": '{"ä": 1}'})
    with safe_open(tmp_path / "file", "pt") as file:
        assert file.metadata() == {"facts": '{"ä": 1}'}
        assert all(torch.equal(file.get_tensor(name), tensor) for name, tensor in given.items())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_tensors_that_share_memory_come_back_each_by_its_name(tmp_path: Path) -> None:
    shared = torch.rand(4)
    save_tensors(tmp_path / "file", {"a": shared, "b": shared, "part": shared[2:]})
    with safe_open(tmp_path / "file", "pt") as file:
        assert torch.equal(file.get_tensor("a"), shared)
        assert torch.equal(file.get_tensor("b"), shared)
        assert torch.equal(file.get_tensor("part"), shared[2:])


def test_a_full_disk_is_an_error_of_the_system(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, hard))  # no file can grow beyond: as on a full disk
    try:
        with pytest.raises(OSError, match="too large") as caught:
            save_tensors(tmp_path / "file", {"a": torch.zeros(9_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert caught.value.filename == str(tmp_path / "file")
