"""Small images made on the spot, and one small run, for every test that needs them."""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from sightx_cli.progress import Listener, Silent

if TYPE_CHECKING:
    from sightx_cli.model.backbone import Backbone
    from sightx_cli.results.fit import FitResult
    from sightx_cli.steps.preparation import Preparation
    from sightx_cli.train.state import Session

DIGIT_NAMES = ("nought", "one", "two")

# A shell starts what runs in its background with Ctrl-C ignored, and the tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tensors are tiny: threads would mostly wait for each other
# Tests and the libraries that they import are a million objects that stay: Python need not search them for cycles.
SEARCHES = gc.get_threshold()
gc.set_threshold(50_000, 50, SEARCHES[2])


def pytest_collection_finish() -> None:
    """Search for cycles as Python does by itself from the first test on, in what is made from then on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*SEARCHES)


@pytest.fixture(autouse=True)
def _ctrl_c_stays_an_exception() -> Iterator[None]:
    """After each test Ctrl-C is as Python has it: else the next test that presses it would end the process."""
    yield
    handler = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert handler is signal.default_int_handler


def press_ctrl_c(*_: object) -> None:
    """Press Ctrl-C, where that raises: not in another thread than the first, nor where it would end the process."""
    assert threading.current_thread() is threading.main_thread()
    assert callable(signal.getsignal(signal.SIGINT))
    signal.raise_signal(signal.SIGINT)


def _write_photo(path: Path, seed: int = 0, size: tuple[int, int] = (40, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 255, (4, 5, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path)
    return path


@pytest.fixture
def write_photo() -> Callable[..., Path]:
    """Writes one RGB image of smooth random colours: `write_photo(path, seed=0, size=(40, 30))`."""
    return _write_photo


@pytest.fixture
def photo_folder(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of classes: `photo_folder(["cat", "dog"], 3)` has 3 images in each."""

    def make(classes: Sequence[str] = ("cat", "dog"), images: int = 3, under: str = "photos") -> Path:
        for number, name in enumerate(classes):
            for place in range(images):
                _write_photo(tmp_path / under / name / f"{place}.jpg", seed=100 * number + place)
        return tmp_path / under

    return make


def _write_dicom(path: Path, pixels: np.ndarray[Any, Any], syntax: str = "", **tags: Any) -> Path:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    bits = 8 * pixels.dtype.itemsize
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID, image.SOPInstanceUID, image.Modality = CTImageStorage, generate_uid(), "CT"
    is_colour = pixels.ndim == 3 and pixels.shape[-1] == 3
    image.Rows, image.Columns = pixels.shape[-3:-1] if is_colour else pixels.shape[-2:]
    image.SamplesPerPixel = 3 if is_colour else 1
    image.PhotometricInterpretation = "RGB" if is_colour else "MONOCHROME2"
    if is_colour:
        image.PlanarConfiguration = 0
    elif pixels.ndim == 3:
        image.NumberOfFrames = len(pixels)
    image.BitsAllocated = image.BitsStored = bits
    image.PixelRepresentation = int(pixels.dtype.kind == "i")
    for name, value in tags.items():
        setattr(image, name, value)
    image.HighBit = image.BitsStored - 1
    image.PixelData = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    image["PixelData"].VR = "OB" if bits == 8 else "OW"
    if syntax:
        image.compress(syntax)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture(scope="session")
def write_dicom() -> Callable[..., Path]:
    """Writes a DICOM image: `write_dicom(path, pixels, syntax=RLELossless, PatientID="1")`.

    Pixels are grey (H, W), frames (N, H, W) or colour (H, W, 3); further tags by their names.
    """
    return _write_dicom


@pytest.fixture(scope="session", autouse=True)
def own_store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Keeps outputs of frozen layers, pseudonyms' key and weights brought by hand in folders of the tests alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGHTX_CACHE", str(tmp_path_factory.mktemp("store")))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("settings")))
        patch.setenv("SIGHTX_WEIGHTS", str(tmp_path_factory.mktemp("weights_brought")))
        yield


@pytest.fixture(scope="session", autouse=True)
def forced_half() -> Any:
    """With SIGHTX_TEST_BFLOAT16=1 every CPU counts as one that is quicker in bfloat16, and few images as enough."""
    with pytest.MonkeyPatch.context() as patch:
        if os.environ.get("SIGHTX_TEST_BFLOAT16"):
            patch.setattr("torch.cpu.get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
            patch.setattr("sightx_cli.engine.openvino_forward.find_half_on_cpu", lambda: "bfloat16")
            patch.setattr("sightx_cli.engine.choice.find_half_on_cpu", lambda: "bfloat16")
            patch.setattr("sightx_cli.probe.precision.PAYS_FROM_VIEWS", 1)
        yield


@pytest.fixture
def exact_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets no fit compute in half precision, nor check it, whatever the processor has."""
    monkeypatch.setattr("sightx_cli.probe.precision.PAYS_FROM_VIEWS", 10**9)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """scikit-learn's handwritten digits 0, 1 and 2, 24 of each, as PNG files in class folders."""
    from sklearn.datasets import load_digits

    root, known = tmp_path_factory.mktemp("data") / "digits", load_digits()
    for number, name in enumerate(DIGIT_NAMES):
        (root / name).mkdir(parents=True)
        for place, pixels in enumerate(known.images[known.target == number][:24]):
            image = Image.fromarray((pixels * 15.9).astype(np.uint8)).resize((64, 64), Image.Resampling.BICUBIC)
            image.save(root / name / f"{place:02}.png")
    return root


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Writes random weights of a timm network for --weights: `random_weights("test_resnet")`."""
    folder = tmp_path_factory.mktemp("weights")

    def write(backbone: str) -> Path:
        import timm
        import torch
        from safetensors.torch import save_file

        file = folder / f"{backbone}.safetensors"
        if not file.exists():
            torch.manual_seed(0)
            config = timm.get_pretrained_cfg(backbone)
            said = {"mean": json.dumps(config.mean), "std": json.dumps(config.std)}
            tensors = timm.create_model(backbone, num_classes=0).state_dict()
            save_file({name: one.clone() for name, one in tensors.items()}, file, metadata=said)  # CoaT shares some
        return file

    return write


@pytest.fixture
def networks_brought(
    random_weights: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Leaves lite0 and the networks named at hand, with random weights: `networks_brought("test_resnet")`.

    Returns the folder of weights. Without names lite0 is the only one; with `packaged=False` it is not there either.
    The networks that are `blind` give the same features for any image.
    """

    def bring(*names: str, packaged: bool = True, blind: bool = False) -> Path:
        from safetensors.torch import load_file, save_file

        from sightx_cli.model.packaged import PACKAGED

        folder = tmp_path / "weights brought"
        folder.mkdir(exist_ok=True)
        for name in names:
            tensors = load_file(random_weights(name))
            for tensor in [tensor for tensor in tensors.values() if tensor.ndim > 1 and blind]:
                tensor.zero_()
            save_file(tensors, folder / f"{name}.safetensors")
        monkeypatch.setenv("SIGHTX_WEIGHTS", str(folder))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "no hub"))
        for name in [name for name in PACKAGED if name != "tf_efficientnet_lite0" or not packaged]:
            monkeypatch.delitem(PACKAGED, name)
        return folder

    return bring


@pytest.fixture(scope="session")
def digits_run(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """One finished fit of the digits by natural-small at 64 px in two views, in `runs/` of a folder of its own.

    The head is trained on for three epochs after it is solved.
    """
    from sightx_cli import fit

    with contextlib.chdir(tmp_path_factory.mktemp("home")):
        settings = ("image.size_px=64", "stage.0.epochs=3", "training.views=2")
        return fit(digits, recipe="natural-small", settings=settings, full=True)


@pytest.fixture
def open_session(digits: Path, random_weights: Callable[[str], Path]) -> Callable[..., tuple[Preparation, Session]]:
    """Prepares a training of the digits by natural-small, as `fit` does, with a small network of random weights.

    `open_session("stage.0.epochs=1", cache=False)` gives the preparation and the session.
    """

    def build(
        *settings: str, backbone: str = "test_resnet", listener: Listener | None = None, **how: Any
    ) -> tuple[Preparation, Session]:
        from sightx_cli.steps.options import Options
        from sightx_cli.steps.preparation import prepare
        from sightx_cli.steps.session import build_session

        weights = None if backbone == "tf_efficientnet_lite0" else random_weights(backbone)
        asked = {"source": str(digits), "recipe": "natural-small", "backbone": backbone, "weights": weights}
        asked |= {"engine": "torch", "settings": ("image.size_px=32", *settings), **how}  # torch converts nothing
        preparation = prepare(Options(**asked), listener or Silent())
        return preparation, build_session(preparation, listener or Silent())[0]

    return build


@functools.cache
def _open_backbone(name: str, size_px: int, taps: str) -> Backbone:
    import torch

    from sightx_cli.model.backbone import Backbone, build_network

    torch.manual_seed(0)
    network = build_network(name, size_px)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches
    with torch.no_grad():
        network.train()(torch.randn(4, 3, size_px, size_px))  # so that no random network fades to nothing
    return Backbone(network, taps, size_px=size_px).eval()


@pytest.fixture(scope="session")
def open_backbone() -> Callable[..., Backbone]:
    """Gives a backbone of random weights: `open_backbone("resnet18", 64, taps="all")`; do not change it."""
    return lambda name, size_px=64, taps="all": _open_backbone(name, size_px, taps)


@pytest.fixture(scope="session")
def build_run(
    digits: Path, open_backbone: Callable[..., Backbone], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Builds a finished run without a fit: a network of random weights with a bundle, and what it was validated on.

    `build_run()` has test_resnet at 32 px and the digits, every second of them in its valid part; half of those are
    unfamiliar to it. A task, a network and other facts can be given: `build_run(task, "resnet18", 64, fit="pad")`.
    """

    def build(task: Any = None, backbone: str = "test_resnet", size_px: int = 32, **facts: Any) -> Path:
        import torch
        from torch import nn

        from sightx_cli import runs
        from sightx_cli.bundle.exporters import BUNDLED
        from sightx_cli.bundle.facts import BundleFacts, write_facts
        from sightx_cli.bundle.familiarity import FamiliarImages, Familiarity, scale_features, write_vectors
        from sightx_cli.bundle.product import Product
        from sightx_cli.data.contents import digest_file
        from sightx_cli.data.pixels import read_plain_view
        from sightx_cli.engine.interface import FROZEN
        from sightx_cli.engine.openvino_forward import load_openvino
        from sightx_cli.model.head import build_head
        from sightx_cli.task.single_label import SingleLabel

        task, run = task or SingleLabel(DIGIT_NAMES), tmp_path_factory.mktemp("run")
        network = open_backbone(backbone, size_px, "last")
        torch.manual_seed(1)
        model = nn.Sequential(network, build_head(network.feature_count, task.outputs)).eval()
        head = {"pool": "avg", "taps": "last", "hidden": [], "dropout": 0.0}
        plain = {"fit": "crop", "mean": (0.25, 0.5, 0.375), "std": (0.5, 0.25, 0.75), "temperature": 1.3}
        found = BundleFacts(task, size_px, **{**plain, "backbone": backbone, "head": head, "recipe": "mine", **facts})
        (run / runs.BUNDLE).mkdir()
        for part in BUNDLED:
            assert part.write(Product(model, found, None, len(network.stages)), run / runs.BUNDLE) == ""
        files = sorted(digits.rglob("*.png"))
        views = np.stack([read_plain_view(file, size_px, found.fit, found.reading)[0] for file in files])
        [(_, outputs)] = load_openvino(run / runs.BUNDLE / runs.BUNDLE_GRAPH).run([(0, views)])
        vectors = scale_features(outputs[FROZEN][::6])
        limit = float(np.median(FamiliarImages(vectors, 3).measure(outputs[FROZEN][1::2])))
        write_vectors(run / runs.BUNDLE / runs.BUNDLE_FAMILIAR, vectors)
        familiarity = Familiarity(len(network.stages), limit, 3, len(vectors))
        write_facts(run / runs.BUNDLE, replace(found, familiarity=familiarity))
        rows = [
            f"{file.relative_to(digits).as_posix()},{file.parent.name},{'valid' if place % 2 else 'train'},,,"
            f"{digest_file(file)}"
            for place, file in enumerate(files)
        ]
        (run / runs.SPLIT).write_text("\n".join(["image,label,split,group,fold,digest", *rows]) + "\n")
        runs.write_json(run / runs.PLAN, {"command": f"sightx fit {digits}"})
        return run

    return build
