"""A size that a network cannot take is refused, with those near it that it can."""

from __future__ import annotations

import pytest
import torch

from sightx_cli.errors import ModelError
from sightx_cli.model.backbone import Backbone, build_network
from sightx_cli.model.image_sizes import can_take, find_sizes, refusing_size
from sightx_cli.model.tail import drop_behind_map


@pytest.mark.parametrize(
    ("name", "size_px", "fitting"),
    [("test_vit", 100, "96 or 112"), ("levit_128", 100, "96 or 112"), ("nest_tiny", 72, "64 or 96")],
    ids=["patches", "positions", "blocks"],
)
def test_a_size_that_does_not_fit_is_refused_with_those_that_do(name: str, size_px: int, fitting: str) -> None:
    with pytest.raises(ModelError, match=f"{name} cannot take images of {size_px} px") as caught:
        Backbone(build_network(name, size_px), size_px=size_px)
    assert caught.value.hint.endswith(f"--set image.size_px=N: N = {fitting}")
    for one in map(int, fitting.split(" or ")):
        assert can_take(name, one)


def test_patches_that_would_leave_a_border_unseen_do_not_fit() -> None:
    with pytest.raises(ModelError, match="100 px") as caught:
        build_network("vit_tiny_patch16_224", 100)
    assert caught.value.hint.endswith("N = 96 or 112")


def test_a_network_that_takes_one_size_alone_names_it() -> None:
    assert find_sizes("efficientformer_l1", 384) == [224]


def test_a_flattened_map_asks_the_same_of_the_size() -> None:
    with pytest.raises(ModelError, match="levit_128 cannot take images of 100 px"):
        drop_behind_map(build_network("levit_128", 100), 100)


def test_what_fails_for_another_reason_is_not_blamed_on_the_size() -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2"), refusing_size("test_resnet", 64):
        torch.zeros(2, 3) @ torch.zeros(2, 3)
