"""From a preparation to a training session: the network with its weights, the samples, the cached features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sightx_cli.engine.choice import EngineChoice, build_forward, choose_device, choose_engine
from sightx_cli.engine.interface import Forward, Precision
from sightx_cli.errors import DataError, WeightsError
from sightx_cli.features.head_features import compute_features
from sightx_cli.features.outputs import View
from sightx_cli.features.prefix import FrozenPrefix, keep_prefix
from sightx_cli.features.sample import Sample
from sightx_cli.features.store import OutputStore
from sightx_cli.model.backbone import Prefix, has_depthwise
from sightx_cli.model.classifier import build_backbone, build_classifier, build_untrained
from sightx_cli.model.forward_check import check_forward
from sightx_cli.model.parameter_groups import find_cuts
from sightx_cli.probe.precision import settle_precision
from sightx_cli.progress import Listener
from sightx_cli.recipe.profiles import PROFILES
from sightx_cli.startup.imports import TRAINING, importing
from sightx_cli.steps.preparation import Preparation
from sightx_cli.train.seed import seed_everything

if TYPE_CHECKING:
    import pandas as pd

    from sightx_cli.model.weights import Weights
    from sightx_cli.train.state import Session


def build_session(
    preparation: Preparation, listener: Listener, views: int | None = None, solving: bool = True
) -> tuple[Session, EngineChoice]:
    """Build the network and everything around it; computes the frozen layers' features or reads them from the cache.

    The rate finder needs one view and no `solving`: it starts from a fresh head. Every stage's groups and rates are
    resolved here, so that a recipe that does not suit the network fails before anything is computed, and a random image
    passes through backbone and head.
    """
    request, recipe = preparation.request, preparation.recipe
    device = choose_device(request.device)
    engine = choose_engine(request.engine, device)
    seed_everything(request.seed)
    classes = preparation.manifest.classes
    try:
        backbone, weights = build_backbone(recipe, request.weights_file())
    except WeightsError:
        untrained = build_untrained(recipe, len(classes))
        find_cuts(untrained[0], untrained[1], recipe)  # type: ignore[arg-type]  # first what weights cannot fix
        raise
    model = build_classifier(backbone, recipe, len(classes))
    check_forward(model, len(classes), recipe.image.size_px, f"weights ({weights.origin})")
    say_weights(weights, recipe.model.backbone, listener)
    listener.note(f"engine: {engine.name} ({engine.why})")
    if backbone.failed_its_check:
        name = recipe.model.backbone
        listener.warn(f"{name} gives other outputs stage by stage: features are cached only if all of it is frozen")
    elif not backbone.can_be_cut:
        listener.note(
            f"{recipe.model.backbone} cannot be cut between its stages: features cached only if all is frozen"
        )
    if not backbone.can_be_cut and recipe.model.head.taps != "last":
        listener.warn(
            f'{recipe.model.backbone} has no stages to tap: its head reads the final features, as taps = "last"'
        )
    cuts = find_cuts(backbone, model[1], recipe)
    train = build_sample(preparation.part("train"), classes)
    valid = build_sample(preparation.part("valid"), classes)
    check_train_classes(train, classes)
    view = View(recipe.image.size_px, recipe.image.fit, PROFILES[recipe.image.profile], 1, request.seed)
    readings = list_views(view, recipe.training.views if views is None else views)
    kept, features = None, None
    with importing(TRAINING):
        if request.cache and any(cuts):
            name, store = recipe.model.backbone, OutputStore()
            frozen = FrozenPrefix(name, backbone, weights, cuts, recipe.image.size_px, store, engine, listener)
            count = len(train) * len(readings)
            engine = settle_precision(engine, frozen.build_forward, readings[0], train, count, request.seed, listener)
            kept = keep_prefix(frozen, backbone, readings, train, valid, engine.precision, listener)
        elif engine.device != "cpu" or not has_depthwise(backbone):
            prefix = Prefix(backbone, [], features=True)

            def build(precision: Precision) -> Forward:
                names, size_px = prefix.output_names(), recipe.image.size_px
                one = replace(engine, precision=precision)
                return build_forward(one, prefix, names, size_px, weights.mean, weights.std, None, listener)

            count = len(train) * sum(stage.epochs for stage in recipe.stage)
            engine = settle_precision(engine, build, readings[0], train, count, request.seed, listener)
        if kept is None and solving and not recipe.model.head.hidden and recipe.model.weights != "scratch":
            # The head is fitted directly even if nothing is cached, or the recipe's low rates would start from nothing.
            features = compute_features(backbone, weights, readings[0], train, valid, engine, listener)
    from sightx_cli.train.state import Session

    groups_of_train = preparation.part("train")["group"].tolist()
    session = Session(
        recipe=recipe,
        model=model.to(device),
        weights=weights,
        train=train,
        valid=valid,
        classes=classes,
        ordered=preparation.ordered,
        metric=preparation.metric,
        view=view,
        engine=engine,
        listener=listener,
        kept=kept,
        groups_of_train=groups_of_train if any(groups_of_train) else None,
        features=features,
    )
    return session, engine


def say_weights(weights: Weights, backbone: str, listener: Listener) -> None:
    """Report where the weights come from, how the user's file fitted, and what is only assumed about it."""
    said = f": {weights.match.describe()}" if weights.match is not None else ""
    listener.note(f"weights: {weights.origin}{said}")
    if weights.unsure:
        mean, std = (",".join(f"{value:g}" for value in values) for values in (weights.mean, weights.std))
        listener.warn(
            f"the normalisation of these weights is unknown; timm's for {backbone} is assumed: mean "
            f"{mean}, std {std}. A wrong one ruins domain weights: give --weights-mean and --weights-std "
            "(docs/domain-weights.md)"
        )


def check_train_classes(train: Sample, classes: Sequence[str]) -> None:
    """Raise DataError when a class has no training image."""
    present = set(train.targets.tolist())
    missing = [name for number, name in enumerate(classes) if number not in present]
    if missing:
        raise DataError(f"no training image in class {', '.join(missing)}", "add images to its train part")


def list_views(view: View, count: int) -> list[View]:
    """Return a stage's views: the plain one first, then augmented ones numbered from 1."""
    plain = View(view.size_px, view.fit, None, 0, 0)
    return [plain, *(View(view.size_px, view.fit, view.profile, number, view.seed) for number in range(1, count))]


def build_sample(part: pd.DataFrame, classes: tuple[str, ...]) -> Sample:
    """Build a sample of a part's rows: files, digests of their bytes, class numbers."""
    paths = [str(Path(path)) for path in part["path"]]
    numbers = {name: number for number, name in enumerate(classes)}
    targets = np.array([numbers[label] for label in part["label"]], dtype=np.int64)
    return Sample(paths, part["digest"].tolist(), targets)
