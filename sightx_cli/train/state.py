"""What all training stages of one fit share: the model, the samples, the cached features, the best epoch so far.

Imports no fastai: a fit whose head is solved, and which trains no more, does without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sightx_cli.engine.choice import EngineChoice
from sightx_cli.features.prefix import FitFeatures
from sightx_cli.features.sample import Sample
from sightx_cli.features.views import View
from sightx_cli.model.backbone import Backbone
from sightx_cli.model.parameter_groups import Group, find_cut
from sightx_cli.model.weights import Weights
from sightx_cli.processes import ALONE, Processes
from sightx_cli.progress import Listener, Notice
from sightx_cli.recipe.plan import PlanValue
from sightx_cli.recipe.recipe import Recipe
from sightx_cli.task.task import Task
from sightx_cli.train.best_epoch import Best
from sightx_cli.train.device_images import DeviceImages
from sightx_cli.train.looks import choose_look


@dataclass
class Session:
    """All that the training stages of one fit share."""

    recipe: Recipe
    model: nn.Sequential
    weights: Weights
    train: Sample
    valid: Sample
    task: Task
    metric: str
    """What chooses the best epoch."""
    view: View
    engine: EngineChoice
    listener: Listener
    kept: FitFeatures | None
    """The cached features that learners train on; None where every layer runs each epoch."""
    groups_of_train: Sequence[str] | None = None
    features: FitFeatures | None = None
    """What the head is solved on: the cached features, or those computed for it; None where nothing was computed."""
    frozen_before: int | None = None
    """How many stages of the backbone were as they were pretrained in the run that the fit starts from; None: all."""
    has_head: bool = False
    """Whether the head is that of an earlier run, to go on with."""
    is_judged: bool = True
    """Whether a stage that trains layers ends where training images say that it does not pay (see `stage_trial`)."""
    is_solved: bool = False
    """Whether the head was solved on the features of the pretrained network."""
    offsets: NDArray[np.float32] | None = None
    """What the solved head's logits (C,) were shifted by so that very unequal classes count the same."""
    is_batch_given: bool = False
    """Whether an option says how many images a step takes."""
    settled: dict[str, PlanValue] = field(default_factory=dict)
    """The plan's values that were measured while stages trained."""
    processes: Processes = ALONE
    """Those that train together."""
    notices: list[Notice] = field(default_factory=list)
    """What was noticed while stages trained, for a process that goes on after them."""
    history: list[dict[str, float | int | str]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    trained_from: int = 10**6
    """The earliest network stage that has been trained so far: cached features from beyond it are no longer valid."""

    device_images: DeviceImages | None = None
    """The decoded images of the stages that train on images on a device with memory of its own."""

    def __post_init__(self) -> None:
        self.best = Best(self.metric)
        self.device = torch.device(self.engine.device)
        self.is_on_gpu = self.device.type == "cuda"
        """Whether steps are to suit a GPU (see `device_steps`)."""
        self.look_every = choose_look(self.device)
        """After how many steps of training their losses are looked at."""

    @property
    def backbone(self) -> Backbone:
        """The classifier's backbone."""
        backbone: Backbone = self.model[0]  # type: ignore[assignment]
        return backbone

    @property
    def head(self) -> nn.Sequential:
        """The classifier's head."""
        head: nn.Sequential = self.model[1]  # type: ignore[assignment]
        return head

    def open_images(self) -> DeviceImages | None:
        """Return what decodes images for the device, the same for all stages; None where they are read in threads."""
        if self.device_images is None and self.device.type == "cuda":
            self.device_images = DeviceImages(self.device, self.listener, self.notice, processes=self.processes)
        return self.device_images

    def notice(self, notice: Notice) -> None:
        """Say what was noticed while stages train, and keep it for a process that goes on after them."""
        self.notices.append(notice)
        self.listener.notice(notice)

    def note_trained(self, groups: Sequence[Group]) -> None:
        """Note what a stage with these groups trains: the earliest part so far, and whether that is the backbone's."""
        self.trained_from = min(self.trained_from, find_cut(self.backbone, groups))
        self.best.backbone_trains = self.trained_from < len(self.backbone.stages)

    @property
    def is_unequal(self) -> bool:
        """Whether a class of the train part is so rare beside another that it would be passed over."""
        return self.task.is_unequal(self.train.targets)

    def norms_train(self) -> bool:
        """Tell whether BatchNorm learns the statistics of batches where its stage trains: only from scratch.

        A pretrained network's features, and the head that was solved on them, are those of the statistics that it came
        with: by those of a batch the head's log loss rises from 0.85 to 2.87 (docs/strategies.md).
        """
        return self.recipe.model.weights == "scratch"

    def class_weights(self) -> Tensor | None:
        """Return the loss's weight per class, (C,); None for "none"."""
        if self.recipe.training.class_weights == "none":
            return None
        return torch.tensor(self.task.weigh_classes(self.train.targets), dtype=torch.float32, device=self.device)
