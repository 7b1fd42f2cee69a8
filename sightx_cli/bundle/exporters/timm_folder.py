"""A folder that timm loads and that can be pushed to a hub as it is: safetensors, configuration and model card.

Where timm's own networks cannot express the classifier, a module that can lies beside (`model.tapped_classifier`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightx_cli import runs
from sightx_cli.bundle.export_code import Runner
from sightx_cli.bundle.exporter import (
    ExportPrecision,
    FinishedModel,
    Images,
    LoadedExport,
    ModelFile,
    Probabilities,
)
from sightx_cli.bundle.exporters.timm_card import write_timm_card
from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.data.geometry import CROP_PART
from sightx_cli.errors import RunError

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHTS, CONFIG, CARD, LOADER = "model.safetensors", "config.json", "README.md", "classifier.py"
CROP_MODES = {"crop": "center", "pad": "border", "squash": "squash"}
"""timm's name of each fit. Its "border" pads with the mean colour where SightX pads with black."""


class TimmFolder:
    """Writes weights by timm's names, with the head folded into timm's classifier wherever it is one linear layer."""

    name = "safetensors"
    precisions: tuple[ExportPrecision, ...] = ("float32", "float16", "bfloat16")
    extra = ""
    packages: Mapping[ExportPrecision, tuple[str, ...]] = dict.fromkeys(precisions, ("torch", "timm", "safetensors"))
    models: Sequence[ModelFile] = (
        ModelFile(
            WEIGHTS, "views", layout="NCHW", dtype="float32", output="logits", gives="logits", normalises=False
        ),
    )  # fmt: skip
    runner: Runner | None = None
    """Its README has the code."""

    def write(self, model: FinishedModel, folder: Path, precision: ExportPrecision) -> str:
        """Write weights, configuration, card and, where it needs one, the module that loads them."""
        from sightx_cli.model import tapped_classifier
        from sightx_cli.model.tensor_file import save_tensors
        from sightx_cli.model.timm_form import build_timm_form

        facts = model.facts
        form, why_not = build_timm_form(model.classifier, facts.backbone, facts.size_px)
        if form is None:
            return f"timm cannot load this model: {why_not}"
        save_tensors(folder / WEIGHTS, keep_in(precision, form.tensors), {"format": "pt"})
        runs.write_json(folder / CONFIG, describe(facts, form.config, form.why_tapped))
        if form.why_tapped:
            shutil.copyfile(tapped_classifier.__file__, folder / LOADER)
        write_timm_card(model.run / runs.MODEL_CARD, facts, form.why_tapped, folder / CARD)
        return ""

    def load(self, model: FinishedModel, folder: Path, precision: ExportPrecision) -> LoadedExport:  # noqa: ARG002
        """Load the folder as its README does."""
        import numpy as np
        import torch

        facts = model.facts
        module = load_folder(folder).to(memory_format=torch.channels_last)  # twice as fast, as the pixels lie
        mean, std = (torch.tensor(part).view(1, 3, 1, 1) for part in (facts.mean, facts.std))

        @torch.inference_mode()
        def answer(images: Images) -> Probabilities:
            pixels = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 255
            logits = module((pixels - mean) / std).numpy()
            return facts.task.activate(logits / facts.temperature)

        return LoadedExport(answer)


def keep_in(precision: ExportPrecision, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors with their matrices and filters in a precision.

    Biases and statistics stay in float32: they are a hundredth of the bytes, and a variance may exceed float16.
    """
    import torch

    kind: torch.dtype = getattr(torch, precision)
    return {name: one.to(kind) if one.is_floating_point() and one.dim() > 1 else one for name, one in tensors.items()}


def describe(facts: BundleFacts, form: Mapping[str, Any], why_tapped: str) -> dict[str, Any]:
    """Return `config.json` in the form of timm's hub; what timm has no word for stands under `sightx`."""
    classes = list(facts.task.classes)
    known = {
        **form.get("pretrained_cfg", {}),
        "custom_load": False,
        "label_offset": 0,
        "num_classes": facts.task.outputs,
        "label_names": classes,
        "input_size": [3, facts.size_px, facts.size_px],
        "interpolation": "bicubic",
        "crop_pct": CROP_PART if facts.fit == "crop" else 1.0,
        "crop_mode": CROP_MODES[facts.fit],
        "mean": list(facts.mean),
        "std": list(facts.std),
    }
    own = {
        "task": facts.task.kind,
        "activation": facts.task.activation,
        "temperature": facts.temperature,
        "thresholds": facts.task.list_thresholds(),
        "fit": facts.fit,
        "size_px": facts.size_px,
        "why_not_timm_alone": why_tapped or None,
    }
    return {
        **form,
        "num_classes": facts.task.outputs,
        "label_names": classes,
        "pretrained_cfg": known,
        "sightx": own,
    }


def load_folder(folder: Path) -> nn.Module:
    """Load a folder's classifier, normalised images in, logits out: by the module beside it, else by timm.

    Raises RunError where it cannot be.
    """
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if "networks" in config:
            spec = spec_from_file_location("classifier", folder / LOADER)
            assert spec is not None
            assert spec.loader is not None
            loader = module_from_spec(spec)
            spec.loader.exec_module(loader)
            tapped: nn.Module = loader.load_tapped(folder)
            return tapped
        from sightx_cli.model.timm_parts import timm

        known = {**config["pretrained_cfg"], "file": str(folder / WEIGHTS)}
        classes, arguments = config["num_classes"], config["model_args"]
        model: nn.Module = timm.create_model(
            config["architecture"], pretrained=True, num_classes=classes, pretrained_cfg_overlay=known, **arguments
        )
        return model.eval()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise RunError(f"{folder}: cannot be loaded ({error})", "export again") from error
