"""A small finished model to export, without a fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sightx_cli import runs
from sightx_cli.bundle.exporter import FinishedModel
from sightx_cli.bundle.facts import BundleFacts, load_facts, write_facts
from sightx_cli.model.backbone import Backbone
from sightx_cli.model.head import build_head, set_linear_solution
from sightx_cli.model.tensor_file import save_tensors
from sightx_cli.task.single_label import SingleLabel
from sightx_cli.task.task import Task

MEAN, STD = (0.25, 0.5, 0.375), (0.5, 0.25, 0.75)


@pytest.fixture
def finish_model(open_backbone: Callable[..., Backbone], tmp_path: Path) -> Callable[..., FinishedModel]:
    """Writes a run's bundle of a small network of random weights and a head of three classes.

    `finish_model("test_resnet", taps="all", fit="pad", task=…)`; without a graph, which no exporter of weights reads.
    """

    def finish(
        backbone_name: str = "test_resnet",
        *,
        taps: str = "last",
        fit: str = "squash",
        task: Task | None = None,
        size_px: int = 32,
    ) -> FinishedModel:
        torch.manual_seed(0)
        backbone = open_backbone(backbone_name, size_px, taps)
        features = backbone.feature_count
        head = build_head(features, 3)
        parts = torch.randn(3, features) / 5, torch.randn(3), torch.randn(features), torch.rand(features) + 0.5
        set_linear_solution(head, *parts)
        folder = tmp_path / "run" / runs.BUNDLE
        folder.mkdir(parents=True)
        save_tensors(folder / runs.BUNDLE_WEIGHTS, nn.Sequential(backbone, head).state_dict())
        form: dict[str, Any] = {"pool": "avg", "taps": taps, "hidden": [], "dropout": 0.0}
        task = task or SingleLabel(("ant", "bee", "wasp"))
        facts = BundleFacts(task, size_px, fit, MEAN, STD, backbone_name, form, "mine", 1.3)
        write_facts(folder, replace(facts, graph=False))
        return FinishedModel(tmp_path / "run", load_facts(tmp_path / "run"))

    return finish


@pytest.fixture
def compute_plainly() -> Callable[..., Any]:
    """Gives a finished model's tempered probabilities of plain views (N, S, S, 3), step by step in torch."""

    @torch.no_grad()
    def compute(model: FinishedModel, views: Any) -> Any:
        pixels = torch.from_numpy(views).permute(0, 3, 1, 2).float() / 255
        normalised = (pixels - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
        return model.facts.task.activate(model.classifier(normalised).numpy() / model.facts.temperature)

    return compute


@pytest.fixture
def views() -> Any:
    """Five plain views of noise."""
    return np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
