"""`probe`: which choices of a recipe pay on these images, and whether more would: quick heads on the train part."""

from __future__ import annotations

import time
from dataclasses import replace

from sightx_cli import runs
from sightx_cli.errors import UsageError, quote
from sightx_cli.filesystem import check_place
from sightx_cli.progress import Listener, Relay, reporting
from sightx_cli.recipe.settings import BACKBONE
from sightx_cli.report.result_folder import choose_picture
from sightx_cli.results.probe import ProbedChoices, ProbeResult
from sightx_cli.steps.backbone_choice import check_probe_options, choose_backbone, join_probes
from sightx_cli.steps.idle_options import refuse_idle_shift
from sightx_cli.steps.image_need import measure_image_need
from sightx_cli.steps.network_depth import describe_depth, measure_depth
from sightx_cli.steps.options import AUTO, Options
from sightx_cli.steps.preparation import prepare
from sightx_cli.steps.probe_images import open_probe
from sightx_cli.steps.random_state import keeping_random_state
from sightx_cli.steps.recipe_search import Chooser
from sightx_cli.steps.signature import take_options


@take_options("probe")
@keeping_random_state()
def probe(options: Options, listener: Listener) -> ProbeResult:
    """Measure a recipe's choices on the train part: taps, class weights, size, fit, installed networks; and its stages.

    With `learning_curve` also whether more images would help. The valid and test parts are not used. The picture is
    written to `out`, a PNG file or a folder, or under `runs/`; that of the learning curve beside it.
    Raises SightXError for anything wrong in the input.
    """
    began = time.perf_counter()
    if options.rate is not None:
        raise UsageError("--rate is for training a head, and the probe fits its heads directly", "leave --rate out")
    if not options.cache:
        raise UsageError("--no-cache: the probe compares features that it caches", "leave --no-cache out")
    listener = Relay(listener)
    refuse_idle_shift(options)
    if options.backbone == AUTO:
        check_probe_options(options)
    picture = choose_picture("probe", options.out, options.overwrite)
    check_place("--out", picture, options.out is not None)
    curve_picture = picture.with_stem(f"{picture.stem}-learning-curve")
    if options.learning_curve:
        choose_picture("probe", curve_picture, options.overwrite)
    preparation = prepare(replace(options, folds=0), listener)
    probe = open_probe(preparation, options.budget)
    if probe is None or preparation.recipe.model.weights == "scratch":
        raise UsageError(
            "the probe compares heads on a pretrained network, in at least two folds: "
            + ("a class has too few images or groups" if probe is None else "this recipe starts from scratch"),
            "add images, or name another --recipe",
        )
    if options.backbone == AUTO:
        preparation = choose_backbone(preparation, listener)
    with reporting(listener, "comparing the choices"):
        chooser = Chooser(probe, preparation, listener)
        recipe = chooser.run(preparation.metric)
    with reporting(listener, "measuring each stage of the network"):
        depth = measure_depth(chooser, preparation)
    curve = measure_image_need(preparation, recipe, curve_picture, listener) if options.learning_curve else None
    from sightx_cli.report.probe_plot import plot_probe

    probed = join_probes(preparation.probed, probe.conclude())
    runs.write_file(picture, lambda aside: plot_probe(probed.choices, depth, probed.metric, aside))
    return ProbeResult(
        recipe=preparation.recipe.name,
        probed=probed,
        depth=depth,
        freezing=describe_depth(depth, probed.metric),
        picture=picture,
        seconds={"probe": round(probed.seconds, 3), "total": round(time.perf_counter() - began, 3)},
        learning_curve=curve,
        notices=tuple(listener.notices),
    )


def write_fit(options: Options, probed: ProbedChoices) -> str:
    """Write the command that trains with what was chosen; the network that auto has found is named in its place."""
    chosen = dict(probed.chosen)
    if options.backbone == AUTO:
        network = next((one.value for one in probed.choices if one.setting == BACKBONE and one.chosen), None)
        options = replace(options, backbone=network)
        chosen.pop(BACKBONE, None)
    return options.write_command() + "".join(f" --set {quote(f'{key}={value}')}" for key, value in chosen.items())
