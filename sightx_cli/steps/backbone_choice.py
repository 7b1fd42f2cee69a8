"""The network chosen by what it brings: for the table of `backbones --data`, and for `fit --backbone auto`."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace

from sightx_cli.errors import UsageError, quote
from sightx_cli.metrics.registry import METRICS, find_title
from sightx_cli.probe.evidence import describe_evidence
from sightx_cli.probe.tournament import Tournament
from sightx_cli.probe.trials import PROBE_IMAGES, doubt_comparison
from sightx_cli.progress import Listener
from sightx_cli.recipe.settings import BACKBONE, SIZE
from sightx_cli.results.backbones import BackboneProbe, NetworkCandidate, ProbedNetwork
from sightx_cli.results.probe import ProbedChoices
from sightx_cli.steps.backbone_search import BackboneSearch
from sightx_cli.steps.networks import NamedWeights, list_at_hand
from sightx_cli.steps.options import AUTO, Options
from sightx_cli.steps.preparation import Preparation
from sightx_cli.steps.probe_images import choose_budget

LEAST_BUDGET_SECONDS = 60.0
"""Of a choice that was asked for, unless three tenths of the fit are more: on all of the probe's images lite0 and lite2
are assumed to take 8 and 25 seconds; half of that was measured on two cores."""


OTHERS_NAMED = 3
"""In the evidence: the recipe's own network and the best of the others."""


def check_probe_options(options: Options) -> None:
    """Raise UsageError where `--backbone auto` or `--budget` contradicts another option."""
    if options.backbone != AUTO:
        if options.budget is not None and (options.is_recipe_named or not options.probe):
            why = "a recipe that is named is taken as it is" if options.is_recipe_named else "--no-probe leaves it out"
            raise UsageError(f"--budget is the probe's, and this fit has none: {why}", "leave --budget out")
        return
    contradictions = {
        "--weights": (options.weights is not None, "those weights are of one network: name it with --backbone NAME"),
        "--no-cache": (not options.cache, "the networks are compared on features that are cached"),
        "--no-probe": (not options.probe, "auto measures which network is best, which is a probe"),
        "--from": (options.from_run is not None, "a fit that starts from a run has that run's network"),
    }
    for flag, (is_given, why) in contradictions.items():
        if is_given:
            raise UsageError(f"--backbone auto and {flag} cannot be combined: {why}", "leave one of them out")


def refuse_auto(options: Options, command: str) -> None:
    """Raise UsageError for `--backbone auto` in a command that looks at one network."""
    if options.backbone == AUTO:
        raise UsageError(
            f"--backbone auto is for fit: {command} looks at one network",
            f"sightx backbones --data {quote(options.source)} says which is best here",
        )


def probe_networks(
    preparation: Preparation,
    candidates: Sequence[NetworkCandidate],
    listener: Listener,
    named: NamedWeights | None = None,
) -> BackboneProbe:
    """Measure each network on the train part of the user's images, and say which one to take.

    One of them may have weights that the user named. Raises UsageError where these images cannot tell.
    """
    search = open_search(preparation, candidates, listener, named)
    tournament = search.run(search.plan_rounds()[-1:], math.inf)
    trials = tournament.decisive or tuple(
        replace(trial, chosen=place == 0) for place, trial in enumerate(tournament.rounds[-1].trials)
    )
    if not trials:
        raise UsageError("these images give no figure to compare networks by", "add images, or --backbone NAME")
    networks = tuple(
        ProbedNetwork(trial.value, search.contenders[trial.value].size_px, search.losses[trial.value], trial)
        for trial in trials
    )
    sample = search.sample(PROBE_IMAGES)
    assert sample is not None
    chosen = next(one for one in networks if one.trial.chosen)
    return BackboneProbe(
        source=str(preparation.options.source),
        recipe=preparation.recipe.name,
        metric=search.metric,
        images=len(sample),
        networks=networks,
        untried=tournament.untried,
        command=write_fit(preparation, chosen, search.find_named(chosen.name)),
    )


def write_fit(preparation: Preparation, chosen: ProbedNetwork, named: NamedWeights | None) -> str:
    """Write the command that trains with a network, at the size at which it was measured.

    The recipe's own network is named too: without a name the fit's probe might take another.
    """
    options, backbone = preparation.options, chosen.name
    if named is not None:
        backbone, file = named.backbone, named.file
        mean, std = file.normalisation or (None, None)
        options = replace(options, weights=file.path, weights_mean=mean, weights_std=std, weights_prefix=file.prefix)
    is_resized = chosen.size_px != preparation.recipe.image.size_px
    settings = (*options.settings, *([f"{SIZE}={chosen.size_px}"] if is_resized else []))
    return replace(options, backbone=backbone, settings=settings).write_command()


def choose_backbone(preparation: Preparation, listener: Listener) -> Preparation:
    """Put the best network at hand into the recipe and the plan, measured within the budget: `--backbone auto`.

    All are tried on few images, the better half of them on all of the probe's. Raises UsageError where nothing is
    pretrained, or the images cannot tell.
    """
    began = time.perf_counter()
    options, plan = preparation.options, preparation.plan
    if plan.values[BACKBONE].origin == "option":
        raise UsageError(
            f"--backbone auto and --set {BACKBONE}={preparation.recipe.model.backbone} contradict each other",
            "leave one of them out",
        )
    search = open_search(preparation, list_at_hand(listener, is_counted=False), listener)
    budget = options.budget or max(LEAST_BUDGET_SECONDS, choose_budget(preparation.recipe, len(search.rows)))
    tournament = search.run(search.plan_rounds(), budget)
    winner = search.contenders[tournament.winner]
    evidence = describe_winner(tournament)
    listener.note(f"probe: {evidence}")
    own, values = preparation.recipe, dict(plan.values)
    values[BACKBONE] = replace(values[BACKBONE], value=winner.name, origin="probe", evidence=evidence)
    if winner.size_px != own.image.size_px:
        made = f"{winner.name} was made for {winner.size_px} px, and measured at it"
        values[SIZE] = replace(values[SIZE], value=winner.size_px, origin="probe", evidence=made)
    taken = time.perf_counter() - began
    changed = {key: values[key].value for key in (BACKBONE, SIZE) if values[key].value != plan.values[key].value}
    untried = tuple(f"backbone {line} (--budget)" for line in tournament.untried)
    probed = ProbedChoices(
        search.metric,
        max((one.images for one in tournament.rounds), default=0),
        tournament.decisive,
        changed,
        (evidence,),
        untried,
        (),
        budget,
        taken,
    )
    return replace(
        preparation,
        recipe=winner.recipe,
        plan=replace(plan, recipe=winner.recipe, values=values),
        probed=probed,
        seconds={**preparation.seconds, "backbones": taken},
    )


def join_probes(first: ProbedChoices | None, then: ProbedChoices) -> ProbedChoices:
    """Have in one result what was found of the networks and then of the other choices."""
    if first is None or first is then:
        return then
    return replace(
        then,
        choices=(*first.choices, *then.choices),
        chosen={**first.chosen, **then.chosen},
        evidence=(*first.evidence, *then.evidence),
        skipped=(*first.skipped, *then.skipped),
        dropped=(*first.dropped, *then.dropped),
        budget_seconds=first.budget_seconds + then.budget_seconds,
        seconds=first.seconds + then.seconds,
    )


def describe_winner(tournament: Tournament) -> str:
    """Say what was chosen and against what, and how many were tried on how many images."""
    counts = ", ".join(f"{len(one.trials)} tried on {one.images:,} images" for one in tournament.rounds)
    if not tournament.decisive:
        return f"backbone {tournament.winner}: nothing else was measured ({counts})"
    if len(tournament.decisive) > 2:
        sign = -1.0 if METRICS[tournament.decisive[0].metric].lower_is_better else 1.0
        others = [trial for trial in tournament.decisive if not trial.chosen]
        others.sort(key=lambda trial: (trial.value != tournament.own, -sign * trial.mean))
        taken = next(trial for trial in tournament.decisive if trial.chosen)
        said = ", ".join(f"{trial.describe()} with {trial.value}" for trial in others[:OTHERS_NAMED])
        more = f" and {len(others) - OTHERS_NAMED} more" if len(others) > OTHERS_NAMED else ""
        return f"backbone {taken.value}: {find_title(taken.metric)} {taken.describe()} against {said}{more} ({counts})"
    return f"{describe_evidence(BACKBONE, tournament.decisive, tournament.own)} ({counts})"


def open_search(
    preparation: Preparation,
    candidates: Sequence[NetworkCandidate],
    listener: Listener,
    named: NamedWeights | None = None,
) -> BackboneSearch:
    """Open a search of the train part; raises UsageError where nothing is pretrained or the images cannot tell."""
    if preparation.recipe.model.weights == "scratch":
        raise UsageError(
            f"{preparation.recipe.name} starts from random weights: there is no pretrained network to choose",
            "name a network with --backbone NAME, or another --recipe",
        )
    search = BackboneSearch(preparation, candidates, listener, named)
    sample = search.sample(PROBE_IMAGES)
    why = "a class has too few images or groups" if sample is None else doubt_comparison(search.task, sample.targets)
    if why:
        raise UsageError(
            f"these images cannot tell which network is best: {why}", "add images, or name --backbone NAME"
        )
    return search
