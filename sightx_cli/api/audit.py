"""`audit` and `compare_backbones`: what a network holds and costs, and what a recipe trains of it, before training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from sightx_cli import runs
from sightx_cli.errors import RunError, UsageError, quote
from sightx_cli.filesystem import check_ordinary
from sightx_cli.model.bare_recipe import build_audited_recipe
from sightx_cli.progress import Listener, Silent
from sightx_cli.recipe.files import list_files
from sightx_cli.recipe.recipe import load_recipe
from sightx_cli.results.audit import AuditResult, BackboneComparison
from sightx_cli.startup.imports import NETWORKS, importing
from sightx_cli.steps.random_state import keeping_random_state

CLASSES = 5
"""How many classes an audit assumes by default: a head's parameters depend on it, little else."""

IMAGENET_CLASSES = 1000

WAYS = "sightx audit --recipe medical-medium, --backbone resnet50, or --compare resnet50,mobilenetv2_100"


@keeping_random_state()
def audit(
    run: Path | None = None,
    *,
    recipe: str | None = None,
    backbone: str | None = None,
    classes: int | None = None,
    settings: Sequence[str] = (),
    listener: Listener | None = None,
) -> AuditResult:
    """Count a network's parameters and cost by stage, and what trains at which rates; no weights are needed.

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
                f"a run and {given[0]} cannot be combined: a run is audited as it was trained", f"leave {given[0]} out"
            )
        return _audit_run(_find_run(run), listener)
    if recipe is None and backbone is None:
        raise UsageError(f"{given[0]} needs a recipe or a backbone to apply to", WAYS)
    if classes is not None and classes < 2:
        raise UsageError(f"--classes {classes}: allowed are 2 and more", "--classes 5")
    if recipe is not None:
        build_audited_recipe(recipe, backbone, settings)  # its faults are reported before torch is loaded
    _import_networks(listener)
    from sightx_cli.model.audit import audit_classifier
    from sightx_cli.model.classifier import build_untrained

    resolved = build_audited_recipe(recipe, backbone, settings)
    model = build_untrained(resolved, classes or CLASSES)
    return audit_classifier(model, resolved, recipe is not None, classes or CLASSES, classes is not None)


def _import_networks(listener: Listener) -> None:
    """Import torch and timm, and say so."""
    with importing(NETWORKS, listener):
        pass  # there is nothing to do in the meantime


def _find_run(run: Path | None) -> Path:
    """Find the run to audit; raises RunError, saying what else can be audited, where there is none."""
    latest = runs.RUNS / runs.LATEST
    if run is None and not latest.exists() and not latest.is_symlink():
        raise RunError(f"nothing to audit: nothing was named, and there is no run in {Path.cwd()}", WAYS)
    name = str(run)
    if run is not None and name in list_files() and not runs.resolve_run(run).exists():
        raise RunError(f"{name}: no such run folder, but a recipe", f"sightx audit --recipe {quote(name)}")
    return runs.find_run(run)


def _audit_run(folder: Path, listener: Listener) -> AuditResult:
    """Audit what a run trained, by its own weights."""
    from sightx_cli.bundle.facts import check_bundled, load_facts

    recipe, facts = load_recipe(folder / runs.RECIPE), load_facts(folder)
    check_bundled(folder, facts, runs.BUNDLE_WEIGHTS)
    try:
        check_ordinary(folder / runs.FINGERPRINT)
        images = int(json.loads((folder / runs.FINGERPRINT).read_text(encoding="utf-8"))["parts"]["train"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{folder / runs.FINGERPRINT}: cannot be read", "name another run, or fit again") from error
    _import_networks(listener)
    from sightx_cli.model.audit import audit_classifier
    from sightx_cli.model.classifier import load_classifier

    weights = folder / runs.BUNDLE / runs.BUNDLE_WEIGHTS
    classes, size_px = facts.task.outputs, facts.size_px
    model = load_classifier(facts.backbone, facts.head, classes, size_px, weights, facts.grey)
    return audit_classifier(model, recipe, True, classes, True, folder, images)


@keeping_random_state()
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
    from sightx_cli.model.audit import weigh_backbone
    from sightx_cli.model.backbone import check_names

    check_names(wanted)
    facts = tuple(weigh_backbone(name, classes or IMAGENET_CLASSES, settings) for name in wanted)
    return BackboneComparison(classes or IMAGENET_CLASSES, classes is None, facts)
