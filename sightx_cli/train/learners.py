"""The fastai learner of one training stage: one parameter group per stage of the network, frozen means frozen.

A stage whose first network stages are frozen trains an ordinary `Learner` over the suffix, on cached features; a
stage with nothing frozen, or without them, trains `vision_learner`'s whole network on freshly read images. Both
train the same weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from fastai.callback.training import GradientClip
from fastai.learner import Learner
from fastai.optimizer import SGD, Adam
from fastai.vision.learner import vision_learner
from torch import Tensor, nn

from sightx_cli.engine.choice import choose_step_precision
from sightx_cli.engine.interface import EXACT
from sightx_cli.engine.torch_forward import computing_in
from sightx_cli.features.prefix import FitFeatures
from sightx_cli.model.backbone import Suffix
from sightx_cli.model.parameter_groups import Group, build_stage_groups, find_cut
from sightx_cli.recipe.parts import TrainingStage
from sightx_cli.train.callbacks import FiniteLoss, FrozenStaysFrozen
from sightx_cli.train.device_steps import list_device_callbacks
from sightx_cli.train.folded_norms import folded_norms
from sightx_cli.train.fused_convolution import faster_depthwise
from sightx_cli.train.loaders import build_cached_loaders, build_image_loaders
from sightx_cli.train.optimizers import FusedAdamW
from sightx_cli.train.state import Session
from sightx_cli.train.step_forward import training_in
from sightx_cli.train.step_losses import LossesOnDevice

# fastai turns it on as it is imported: cuDNN would time its kernels, half a minute for each new shape of batch.
torch.backends.cudnn.benchmark = False


class SuffixClassifier(nn.Module):
    """The trainable rest of a classifier: suffix and head, on the cached map and taps."""

    def __init__(self, suffix: Suffix, head: nn.Module) -> None:
        super().__init__()
        self.suffix, self.head = suffix, head

    def forward(self, kept_map: Tensor, kept_taps: Tensor | None = None) -> Tensor:
        """Return logits (N, classes)."""
        taps = kept_map.new_zeros((len(kept_map), 0)) if kept_taps is None else kept_taps
        logits: Tensor = self.head(self.suffix(kept_map, taps))
        return logits


@contextmanager
def building_learner(session: Session, stage: TrainingStage) -> Iterator[tuple[Learner, tuple[Group, ...]]]:
    """Build the stage's learner with one parameter group per stage of the network; frozen means frozen.

    Yields the learner and the groups that its optimizer has, in order; those that join later come last, and are not
    in it yet.
    """
    groups = build_stage_groups(session.backbone, session.head, stage)
    last = len(session.backbone.stages)
    cut = min(find_cut(session.backbone, groups), max(session.trained_from, 0))
    cached = session.kept
    if cached is not None:
        # The deepest cached boundary before everything that trains or has been trained.
        usable = [one for one in cached.cuts if one <= cut]
        cut = max(usable, default=0)
    else:
        cut = 0
    session.note_trained(groups)
    trains_layers = any(group.trained and group.stage < last for group in groups)
    precision = choose_step_precision(session.engine) if trains_layers else EXACT
    if cached is None or cut == 0:
        learner = _build_whole_learner(session, groups)
        learner_groups = groups
    else:
        learner = _build_suffix_learner(session, groups, cached, cut, last)
        learner_groups = tuple(group for group in groups if group.stage >= cut)
    learner_groups = tuple(sorted(learner_groups, key=lambda group: group.joins_after))
    learner.create_opt()
    first_trained = next(i for i, group in enumerate(learner_groups) if group.trained)
    learner.freeze_to(first_trained)
    for group in groups:
        for parameter in group.parameters:
            parameter.requires_grad_(group.trained and not group.joins_after)
    try:
        with (
            folding(session, learner, cached if cut else None, cut),
            training_in(learner.model, session.head, precision, session.device.type) as steps,
        ):
            learner.add_cbs(list_device_callbacks(session, stage, steps, precision, learner))
            yield learner, learner_groups
    finally:
        for parameter in session.model.parameters():
            parameter.requires_grad_(False)


@contextmanager
def folding(session: Session, learner: Learner, cached: FitFeatures | None, cut: int) -> Iterator[None]:
    """Fold norms into convolutions while they keep their statistics; a suffix reads `cached` at `cut`."""
    if session.norms_train():
        with faster_depthwise(learner.model):
            yield
        return
    size_px = session.view.size_px
    inputs = [torch.rand(2, 3, size_px, size_px)]
    if cached is not None:
        names = cached.names_at(cut, len(session.backbone.stages))
        rows = np.arange(min(2, len(session.valid)))
        inputs = [torch.from_numpy(cached.valid.take(name, rows).astype(np.float32)) for name in names]
    learner.model.eval()

    def run() -> Tensor:
        with computing_in(EXACT, session.device.type):  # what TF32 rounds is more than folding may change
            logits: Tensor = learner.model(*(one.to(session.device) for one in inputs))
        return logits

    with (
        folded_norms(learner.model, run),
        faster_depthwise(learner.model),
    ):
        yield


def _build_suffix_learner(
    session: Session, groups: Sequence[Group], cached: FitFeatures, cut: int, last: int
) -> Learner:
    loaders = build_cached_loaders(
        (cached.train_views, session.train.targets),
        (cached.valid, session.valid.targets),
        cached.names_at(cut, last),
        session.recipe.training.batch,
        session.device,
    )
    model = session.head if cut == last else SuffixClassifier(Suffix(session.backbone, cut), session.head)
    mine = [list(group.parameters) for group in groups if group.stage >= cut and not group.joins_after]
    return Learner(
        loaders,
        model.to(session.device).to(memory_format=torch.channels_last),
        splitter=lambda _: mine,
        **_learner_options(session, groups),
    )


def _build_whole_learner(session: Session, groups: Sequence[Group]) -> Learner:
    loaders = build_image_loaders(
        session.train,
        session.valid,
        session.view,
        (session.weights.mean, session.weights.std),
        session.recipe.training.batch,
        session.device,
        session.open_images(),
    )
    mine = [list(group.parameters) for group in groups if not group.joins_after]

    def build_body(pretrained: bool) -> nn.Module:  # noqa: ARG001 (fastai passes it; the weights are loaded)
        return nn.Sequential(session.backbone, nn.AdaptiveAvgPool2d(1))  # fastai cuts a body before its last pooling

    learner = vision_learner(
        loaders,
        build_body,
        n_out=session.task.outputs,
        splitter=lambda _: mine,
        custom_head=session.head,
        init=None,  # a solved head stays as it is
        normalize=False,
        **_learner_options(session, groups),
    )
    learner.model.to(session.device).to(memory_format=torch.channels_last)
    return learner


def build_shifted_loss(loss: Any, offsets: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """Build a loss of the logits without the offsets (C,) that their head has for unequal classes.

    Else training would take them back: the images learned from are told apart without (Menon et al. 2021,
    arXiv:2007.07314, train on adjusted logits for the same reason).
    """

    def measure_loss(logits: Tensor, targets: Tensor) -> Tensor:
        shifted: Tensor = loss(logits - offsets, targets)
        return shifted

    return measure_loss


def _learner_options(session: Session, groups: Sequence[Group]) -> dict[str, Any]:
    """Return what both learners share: loss, optimizer, decay, and the callbacks that keep frozen frozen."""
    training = session.recipe.training
    loss = session.task.build_loss(session.class_weights(), training.label_smoothing)
    if session.offsets is not None:
        loss = build_shifted_loss(loss, torch.from_numpy(session.offsets).to(session.device))
    optimizers = {
        "adamw": FusedAdamW,
        "adam": partial(Adam, decouple_wd=False),
        "sgd": SGD,
    }
    starting = [group for group in groups if group.trained and not group.joins_after]
    trained = [parameter for group in starting for parameter in group.parameters]
    callbacks: list[Any] = [FrozenStaysFrozen(session.backbone, trained, session.norms_train())]
    callbacks += [FiniteLoss(session.look_every), LossesOnDevice()]
    if training.clip is not None:
        callbacks.append(GradientClip(training.clip))
    return {
        "loss_func": loss,
        "opt_func": optimizers[training.optimizer],
        "wd": training.weight_decay,
        "train_bn": False,
        "cbs": callbacks,
    }
