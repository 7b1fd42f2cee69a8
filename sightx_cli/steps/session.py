"""From a preparation to a training session: the network with its weights, the samples, the features."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.engine.choice import EngineChoice, build_forward, choose_device, choose_engine
from sightx_cli.engine.interface import EXACT
from sightx_cli.errors import DataError, WeightsError
from sightx_cli.features.extraction import compute_features
from sightx_cli.features.prefix import FitFeatures, FrozenPrefix, keep_prefix
from sightx_cli.features.sample import Sample
from sightx_cli.features.views import View, plain_view
from sightx_cli.model.backbone import Prefix
from sightx_cli.model.classifier import build_backbone, build_classifier, build_untrained
from sightx_cli.model.forward_check import check_forward
from sightx_cli.model.parameter_groups import find_cuts
from sightx_cli.model.run_weights import fill_head, load_run_backbone
from sightx_cli.probe.precision import settle_precision
from sightx_cli.processes import ALONE, Processes
from sightx_cli.progress import Listener, reporting
from sightx_cli.startup.collection import resume_collection
from sightx_cli.startup.imports import OPENING, TRAINING, importing
from sightx_cli.steps.preparation import Preparation
from sightx_cli.task.task import Task
from sightx_cli.train.seed import seed_everything

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from sightx_cli.data.pixels import PlainViews
    from sightx_cli.model.backbone import Backbone
    from sightx_cli.model.weights import Weights
    from sightx_cli.train.state import Session


def build_session(
    preparation: Preparation, listener: Listener, processes: Processes = ALONE, trains: bool = True
) -> tuple[Session, EngineChoice]:
    """Build the network and everything around it; computes, or finds cached, the frozen layers' features.

    Every stage's groups and rates are resolved here, so that a recipe that does not suit the network fails before
    anything is computed, and a random image passes through backbone and head. Of several processes each computes its
    part of the features. `trains` says whether fastai may be needed: it is imported beside that work.
    """
    options, recipe = preparation.options, preparation.recipe
    device = processes.place(choose_device(options.device))
    engine = choose_engine(options.engine, device)
    seed_everything(options.seed)
    task, earlier = preparation.task, preparation.earlier
    of_head: dict[str, Tensor] = {}
    with reporting(listener, OPENING):
        try:
            if earlier is not None:
                backbone, weights, of_head = load_run_backbone(recipe, earlier.read_weights())
            else:
                backbone, weights = build_backbone(recipe, options.weights_file())
        except WeightsError:
            untrained = build_untrained(recipe, task.outputs)
            find_cuts(untrained[0], untrained[1], recipe)  # type: ignore[arg-type]  # check what no weights can change
            raise
        model = build_classifier(backbone, recipe, task.outputs)
        if earlier is not None:
            fill_head(model[1], of_head, earlier.facts.task.classes, task.classes)  # type: ignore[arg-type]
        check_forward(model, task.outputs, recipe.image.size_px, f"weights ({weights.origin})")
    say_weights(weights, recipe.model.backbone, listener)
    listener.note(f"engine: {engine.name} ({engine.why})")
    if not backbone.can_be_cut:
        listener.note(
            f"{recipe.model.backbone} cannot be cut between its stages ({backbone.why_uncut}): "
            "features cached only if all is frozen"
        )
    if not backbone.can_be_cut and recipe.model.head.taps != "last":
        listener.warn(
            f'{recipe.model.backbone} has no stages to tap: its head reads the final features, as taps = "last"'
        )
    cuts = find_cuts(backbone, model[1], recipe)
    train = build_sample(preparation.part("train"), task)
    valid = build_sample(preparation.part("valid"), task)
    check_train_classes(train, task)
    image = recipe.image
    view = View(image.size_px, image.fit, image.build_profile(), 1, options.seed, preparation.reading)
    wanted = list_views(view, recipe.training.views)
    if preparation.store is None and any(cuts):
        listener.note(
            "--no-cache: every layer runs each epoch, on freshly drawn views: figures differ from those with the cache"
        )
    kept, store, pixels = None, preparation.store, preparation.pixels
    frozen, seed = None, options.seed
    # The precision is settled before fastai is imported beside the work: solving its heads sets aside warnings.
    if store is not None and any(cuts):
        name, size_px = recipe.model.backbone, recipe.image.size_px
        frozen = FrozenPrefix(name, backbone, weights, cuts, size_px, store, engine, listener, pixels)
        count, build = len(train) * len(wanted), frozen.build_forward
        if processes.is_first:
            settled = (wanted[0], train, task, count, seed, listener, store, frozen.address)
            engine = settle_precision(engine, build, *settled)
        engine = replace(processes.share(engine), device=device)
    else:
        engine = replace(engine, precision_why="no features are computed before training")
    with importing(TRAINING, listener) if trains else nullcontext():
        if frozen is not None:
            kept = keep_prefix(frozen, backbone, wanted, train, valid, engine.precision, listener, processes)
        features = kept
        if kept is None and not recipe.model.head.hidden and recipe.model.weights != "scratch":
            # A head is solved even if nothing is cached: the recipe's low rates would not get far from a random head.
            how = (engine, listener, pixels, processes)
            features = compute_head_features(backbone, weights, wanted[0], train, valid, *how)
    if pixels is not None:
        pixels.clear()
    from sightx_cli.train.state import Session

    resume_collection()
    groups_of_train = preparation.part("train")["group"].tolist()
    session = Session(
        recipe=recipe,
        model=model.to(device),
        weights=weights,
        train=train,
        valid=valid,
        task=task,
        metric=preparation.metric,
        view=view,
        engine=engine,
        listener=listener,
        kept=kept,
        groups_of_train=groups_of_train if any(groups_of_train) else None,
        features=features,
        frozen_before=earlier.count_frozen_stages() if earlier is not None else None,
        has_head=earlier is not None,
        is_judged=not options.full,
        is_batch_given=preparation.plan.values["training.batch"].origin == "option",
        processes=processes,
    )
    return session, engine


def compute_head_features(
    backbone: Backbone,
    weights: Weights,
    view: View,
    train: Sample,
    valid: Sample,
    engine: EngineChoice,
    listener: Listener,
    pixels: PlainViews | None,
    processes: Processes = ALONE,
) -> FitFeatures:
    """Compute what the head is solved and judged on, in memory, if nothing is cached: one plain view of each image."""
    began = time.perf_counter()
    prefix = Prefix(backbone, [], features=True)
    names = prefix.output_names()
    exact = replace(engine, precision=EXACT)
    forward = build_forward(exact, prefix, names, view.size_px, weights.mean, weights.std, None, listener)
    of_train, of_valid = (
        compute_features(
            forward, view, part.paths, part.digests, listener, f"features of the {name} part", pixels, processes
        )
        for name, part in (("train", train), ("valid", valid))
    )
    return FitFeatures((), (of_train,), of_valid, {}, True, None, time.perf_counter() - began)


def say_weights(weights: Weights, backbone: str, listener: Listener) -> None:
    """Report where the weights come from, how the user's file fitted, and what is only assumed about it."""
    said = f": {weights.match.describe()}" if weights.match is not None else ""
    listener.note(f"weights: {weights.origin}{said}")
    if weights.zeros:
        listener.warn(
            f"{len(weights.zeros)} tensor{'s' * (len(weights.zeros) > 1)} of these weights hold only zeros, such as "
            f"{weights.zeros[0]}: is the file whole?"
        )
    if weights.unsure:
        mean, std = (",".join(f"{value:g}" for value in values) for values in (weights.mean, weights.std))
        listener.warn(
            f"the normalisation of these weights is unknown; timm's for {backbone} is assumed: mean "
            f"{mean}, std {std}. A wrong one ruins domain weights: give --weights-mean and --weights-std "
            "(docs/domain-weights.md)"
        )


def check_train_classes(train: Sample, task: Task) -> None:
    """Raise DataError when a class has no image to train on."""
    missing = task.find_missing(train.targets)
    if missing:
        raise DataError(f"no training image in class {', '.join(missing)}", "add images to its train part")


def list_views(view: View, count: int) -> list[View]:
    """Return a stage's views: the plain one first, then augmented ones numbered from 1."""
    return [plain_view(view), *(replace(view, number=number) for number in range(1, count))]


def build_sample(part: pd.DataFrame, task: Task) -> Sample:
    """Build a sample of a part's rows: files, digests of their bytes, targets."""
    paths = [str(Path(path)) for path in part["path"]]
    return Sample(paths, part["digest"].tolist(), task.number(part["label"].tolist()))
