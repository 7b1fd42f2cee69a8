"""`audit` and `compare_backbones`: what a network holds and costs, and what a recipe trains of it, before training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightx_cli import runs
from sightx_cli.errors import RunError, UsageError
from sightx_cli.metrics.registry import ACCURACY
from sightx_cli.progress import Listener, Silent
from sightx_cli.recipe.capacity import Capacity, Share, explain_share, judge_capacity
from sightx_cli.recipe.catalog import find_recipe
from sightx_cli.recipe.files import list_files, load_table
from sightx_cli.recipe.overrides import apply_overrides, find_overridden, join_overrides
from sightx_cli.recipe.recipe import Recipe, load_recipe, parse_recipe
from sightx_cli.results.audit import AuditResult, BackboneComparison, BackboneFacts
from sightx_cli.startup.imports import NETWORKS, importing

if TYPE_CHECKING:
    from torch import nn

CLASSES = 5
"""Classes of an audit where nobody says how many: a head's parameters depend on it, little else."""

IMAGENET_CLASSES = 1000
BARE_KEYS = ("image.size_px", "model.head", "model.grey")
"""What can be set of a network for which no recipe is named."""
COMPARED_DEPTHS = {"head": 0, "last:1": 1, "last:2": 2}
"""What a comparison lets train, and how many of the last stages that leaves unfrozen."""

WAYS = "sightx audit --recipe medical-medium, --backbone resnet50, or --compare resnet50,mobilenetv2_100"


def audit(
    run: Path | None = None,
    *,
    recipe: str | None = None,
    backbone: str | None = None,
    classes: int | None = None,
    settings: Sequence[str] = (),
    listener: Listener | None = None,
) -> AuditResult:
    """Count what a network holds and costs by stage, and what of it trains at which rates; no weights are needed.

    `recipe` is a name or a file, `backbone` any timm name in its place or, without a recipe, alone with a linear head;
    `settings` are overrides such as "image.size_px=384". `run` is the folder of a finished fit, audited as it was
    trained, by its own weights; with nothing given, that is the newest run.

    Raises SightXError for anything wrong in the input.
    """
    listener = listener or Silent()
    wanted = [("--recipe", recipe), ("--backbone", backbone), ("--classes", classes), ("--set", settings or None)]
    given = [flag for flag, value in wanted if value is not None]
    if run is not None or not given:
        if given:
            raise UsageError(
                f"a run and {given[0]} do not go together: a run is audited as it was trained", f"leave {given[0]} out"
            )
        return _audit_run(_find_run(run), listener)
    if recipe is None and backbone is None:
        raise UsageError(f"{given[0]} needs a recipe or a backbone that it holds for", WAYS)
    if classes is not None and classes < 2:
        raise UsageError(f"--classes {classes}: allowed are 2 and more", "--classes 5")
    if recipe is not None:
        resolve_recipe(recipe, backbone, settings)  # its faults are said before torch is loaded
    _import_networks(listener)
    from sightx_cli.model.classifier import build_untrained

    resolved = resolve_recipe(recipe, backbone, settings)
    model = build_untrained(resolved, classes or CLASSES)
    return _describe(model, resolved, recipe is not None, classes or CLASSES, classes is not None)


def _import_networks(listener: Listener) -> None:
    """Import torch and timm, and say so."""
    with importing(NETWORKS, listener):
        pass  # there is nothing to do meanwhile


def _find_run(run: Path | None) -> Path:
    """Find the run to audit; raises RunError, saying what else can be audited, where there is none."""
    latest = runs.RUNS / runs.LATEST
    if run is None and not latest.exists() and not latest.is_symlink():
        raise RunError(f"nothing to audit: none was named, and there is no run in {Path.cwd()}", WAYS)
    if run is not None and not run.exists():
        name = str(run)
        hint = f"sightx audit --recipe {name}" if name in list_files() else WAYS
        raise RunError(f"{name}: no such run folder", hint)
    return runs.find_run(run)


def _audit_run(folder: Path, listener: Listener) -> AuditResult:
    """Audit what a run trained, by its own weights."""
    from sightx_cli.bundle.facts import load_facts

    recipe, facts = load_recipe(folder / runs.RECIPE), load_facts(folder)
    try:
        images = int(json.loads((folder / runs.FINGERPRINT).read_text(encoding="utf-8"))["parts"]["train"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{folder / runs.FINGERPRINT}: cannot be read", "name another run, or fit again") from error
    _import_networks(listener)
    from sightx_cli.model.classifier import load_classifier

    weights = folder / runs.BUNDLE / runs.BUNDLE_WEIGHTS
    classes, size_px = facts.task.outputs, facts.size_px
    model = load_classifier(facts.backbone, facts.head, classes, size_px, weights, facts.grey)
    return _describe(model, recipe, True, classes, True, folder, images)


def resolve_recipe(recipe: str | None, backbone: str | None, settings: Sequence[str]) -> Recipe:
    """Return the recipe with the options applied; without one, a backbone's own: frozen, with a linear head.

    Raises UsageError for settings that a bare backbone has no use for.
    """
    overrides = join_overrides({"model.backbone": ("--backbone", backbone)}, settings)
    if recipe is not None:
        _, path = find_recipe(recipe)
        table, origin = load_table(path), str(path)
    else:
        useless = [one for one in settings if not one.strip().startswith(BARE_KEYS)]
        if useless:
            raise UsageError(
                f"--set {useless[0]}: a network without a recipe trains nothing; allowed are {', '.join(BARE_KEYS)}",
                "name a recipe: --recipe medical-medium",
            )
        table, origin = build_bare_table(str(backbone)), "--backbone"
    return parse_recipe(apply_overrides(table, overrides), origin, find_overridden(table, overrides))


def build_bare_table(backbone: str) -> dict[str, Any]:
    """Build a recipe's table for a backbone that no recipe was named for: frozen, at its own size, a linear head."""
    from sightx_cli.model.backbone import find_own_size

    return {
        "name": "backbone",
        "summary": "a backbone with a linear head",
        "when": {"images": [0, float("inf")], "shift": "similar"},
        "model": {"backbone": backbone, "head": {"dropout": 0.0}},
        "image": {"size_px": find_own_size(backbone), "fit": "crop", "profile": "none"},
        "stage": [{"train": "head", "epochs": 1, "rate": 1e-3}],
        "training": {"metric": ACCURACY.name},
    }


def _describe(
    model: nn.Sequential,
    recipe: Recipe,
    is_recipe: bool,
    classes: int,
    is_classes_given: bool,
    run: Path | None = None,
    images: int | None = None,
) -> AuditResult:
    """Measure a classifier and put what a recipe makes of it into words."""
    from sightx_cli.model.cost import audit_training, list_kept, measure_cost

    training = tuple(audit_training(model, stage) for stage in recipe.stage)
    cost = measure_cost(model, recipe.image.size_px)
    shares = [
        Share(stage.name, stage.parameters, trainable, stage.macs)
        for stage, trainable in zip(cost.stages, training[-1].trainable_of, strict=True)
    ]
    return AuditResult(
        backbone=recipe.model.backbone,
        recipe=recipe.name if is_recipe else None,
        run=run,
        classes=classes,
        is_classes_given=is_classes_given,
        size_px=recipe.image.size_px,
        cost=cost,
        training=training,
        kept=list_kept(model, cost, [stage.cut for stage in training]),
        views=recipe.training.views,
        capacity=_judge(shares, training[-1].rates_of, recipe, images) if is_recipe else None,
        why=explain_share(shares) if is_recipe else None,
    )


def _judge(
    shares: Sequence[Share], rates_of: Sequence[Sequence[float]], recipe: Recipe, images: int | None
) -> Capacity:
    *stages, head = rates_of
    return judge_capacity(
        shares,
        recipe.when.images if images is None else (images, images),
        recipe.when.shift,
        is_run=images is not None,
        is_scratch=recipe.model.weights == "scratch",
        has_hidden_layers=bool(recipe.model.head.hidden),
        rate_ratio=max((rate for rates in stages for rate in rates), default=0.0) / max(head),
    )


def compare_backbones(
    names: Sequence[str],
    *,
    classes: int | None = None,
    settings: Sequence[str] = (),
    listener: Listener | None = None,
) -> BackboneComparison:
    """Put backbones side by side, each with a linear classifier, at the size it was made for.

    `settings` change that for all, as in "image.size_px=320" or "model.head.taps=all". Without `classes` it
    is ImageNet's thousand, as the published figures count. Nothing is computed and no weights are read: torch's meta
    device has shapes only. Raises ModelError for names that timm does not know, all at once.
    """
    if classes is not None and classes < 2:
        raise UsageError(f"--classes {classes}: allowed are 2 and more", "--classes 5")
    wanted = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    if not wanted:
        raise UsageError("--compare: found no names", "--compare resnet50,mobilenetv2_100")
    _import_networks(listener or Silent())
    from sightx_cli.model.backbone import check_names

    check_names(wanted)
    facts = tuple(_weigh(name, classes or IMAGENET_CLASSES, settings) for name in wanted)
    return BackboneComparison(classes or IMAGENET_CLASSES, classes is None, facts)


def _weigh(name: str, classes: int, settings: Sequence[str]) -> BackboneFacts:
    """Count one backbone with a linear classifier, without its numbers."""
    from sightx_cli.model.classifier import build_untrained
    from sightx_cli.model.cost import list_kept, measure_cost
    from sightx_cli.model.weights_at_hand import find_weights_at_hand

    recipe = resolve_recipe(None, name, settings)
    model = build_untrained(recipe, classes, shapes_only=True)
    cost = measure_cost(model, recipe.image.size_px)
    count = len(cost.stages) - 1
    store = {
        train: sum(one.bytes for one in list_kept(model, cost, [count - depth]))
        for train, depth in COMPARED_DEPTHS.items()
        if depth == 0 or (cost.can_be_cut and depth < count)
    }
    return BackboneFacts(
        name,
        recipe.image.size_px,
        cost.total,
        cost.macs,
        cost.features,
        tuple(stage.name for stage in cost.stages[:-1]),
        cost.activation_bytes,
        find_weights_at_hand(name),
        store,
    )
