"""One TorchScript file for `torch.jit.load` in Python or C++: uint8 images (N, S, S, 3) in, probabilities (N, C) out.

torch keeps TorchScript but develops it no further: it is for programs that have libtorch already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sightx_cli.bundle.export_code import Runner
from sightx_cli.bundle.exporter import (
    ExportPrecision,
    FinishedModel,
    Images,
    LoadedExport,
    ModelFile,
    Probabilities,
)
from sightx_cli.engine.interface import EXACT
from sightx_cli.errors import RunError

MODULE = "model.pt"


class TorchScriptModule:
    """Traces the whole classifier, normalisation and temperature inside, for any number of images."""

    name = "torchscript"
    precisions: tuple[ExportPrecision, ...] = ("float32", "bfloat16")
    extra = ""
    packages: Mapping[ExportPrecision, tuple[str, ...]] = dict.fromkeys(precisions, ("torch",))
    models: Sequence[ModelFile] = (ModelFile(MODULE, "views"),)
    runner: Runner | None = Runner("torch", "torch.jit.load(FILE)", "[MODEL(torch.from_numpy(VIEWS.copy()))]")

    def write(self, model: FinishedModel, folder: Path, precision: ExportPrecision) -> str:
        """Trace and write; a network that does not trace is refused in torch's words."""
        from torch import nn

        from sightx_cli.model.deployed_classifier import DeployedClassifier
        from sightx_cli.model.traced_module import HalfBackbone, write_traced

        facts, classifier = model.facts, model.classifier
        if precision != EXACT:
            classifier = nn.Sequential(HalfBackbone(classifier[0], precision), classifier[1])
        activation = facts.task.build_activation()
        whole = DeployedClassifier(classifier, activation, facts.mean, facts.std, facts.temperature)
        return write_traced(whole, facts.size_px, folder / MODULE)

    def load(self, model: FinishedModel, folder: Path, precision: ExportPrecision) -> LoadedExport:  # noqa: ARG002
        """Open the file as its user does."""
        import numpy as np
        import torch

        try:
            module = torch.jit.load(folder / MODULE, map_location="cpu")  # type: ignore[no-untyped-call]
        except (RuntimeError, ValueError) as error:
            raise RunError(f"{folder / MODULE}: cannot be loaded", "export again") from error

        @torch.inference_mode()
        def answer(images: Images) -> Probabilities:
            probabilities: Probabilities = module(torch.from_numpy(np.array(images))).numpy()
            return probabilities

        return LoadedExport(answer)
