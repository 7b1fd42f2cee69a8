"""`backbones`: the networks that a fit can start from here, their speed, and which reads the user's images best."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from sightx_cli.errors import UsageError
from sightx_cli.features.store import FeatureStore
from sightx_cli.model.weights_file import build_weights_file
from sightx_cli.progress import Listener, Relay, Silent
from sightx_cli.results.backbones import BackbonesResult
from sightx_cli.startup.imports import NETWORKS, importing
from sightx_cli.steps.idle_options import refuse_idle_shift
from sightx_cli.steps.networks import NamedWeights, count_named, list_at_hand, list_published
from sightx_cli.steps.option_values import read_numbers
from sightx_cli.steps.options import Options
from sightx_cli.steps.preparation import check_device, prepare
from sightx_cli.steps.random_state import keeping_random_state


@keeping_random_state()
def backbones(
    data: str | Path | None = None,
    *,
    online: str | None = None,
    speed: bool | None = None,
    backbone: str | None = None,
    weights: str | Path | None = None,
    weights_mean: float | Sequence[float] | str | None = None,
    weights_std: float | Sequence[float] | str | None = None,
    weights_prefix: str | None = None,
    device: str = "auto",
    engine: Literal["auto", "openvino", "torch"] = "auto",
    listener: Listener | None = None,
    **options: Any,
) -> BackbonesResult:
    """List the networks whose weights are on this machine, the cheapest first, with what they hold, cost and do.

    Their speed is measured once on a machine and kept: `speed` measures it again (True) or not at all (False). With
    `data`, each is measured on the training images with a cross-validated linear head, and `options` are those of
    `probe`, such as `recipe`, `group_by` or `settings`. `online` lists what timm could download instead: names that
    fit a pattern, or have a word in them; nothing is downloaded. `backbone` with `weights` adds a network with a file
    of your own, as a fit takes it.

    Raises SightXError for anything wrong in the input.
    """
    began, heard = time.perf_counter(), Relay(listener or Silent())
    check_given(data, online, speed, weights, options)
    named = read_named(backbone, weights, weights_mean, weights_std, weights_prefix)
    check_device(device)
    preparation = None
    if data is not None:  # what is wrong with the images is said before anything is counted
        asked = Options(data, device=device, engine=engine, folds=0, **options)
        refuse_idle_shift(asked)
        preparation = prepare(asked, heard)
    with importing(NETWORKS, heard):
        pass  # there is nothing to do in the meantime
    networks = list_published(online, heard) if online is not None else list_at_hand(heard)
    if named is not None:
        networks = sorted([*networks, count_named(named, heard)], key=lambda one: (one.macs or 0, one.name))
    if online is None and speed is not False:
        from sightx_cli.steps.network_speed import SpeedRecord, add_speeds

        record = SpeedRecord(FeatureStore(), device, engine)
        networks = add_speeds(networks, record, heard, bool(speed) or data is None, bool(speed), named)
    probe = None
    if preparation is not None:
        from sightx_cli.steps.backbone_choice import probe_networks

        probe = probe_networks(preparation, networks, heard, named)
    return BackbonesResult(tuple(networks), online, probe, tuple(heard.notices), time.perf_counter() - began)


def read_named(
    backbone: str | None,
    weights: str | Path | None,
    mean: float | Sequence[float] | str | None,
    std: float | Sequence[float] | str | None,
    prefix: str | None,
) -> NamedWeights | None:
    """Return the network with weights of the user's; raises UsageError or WeightsError for half of it, or nonsense."""
    means = None if mean is None else read_numbers("--weights-mean", mean)
    deviations = None if std is None else read_numbers("--weights-std", std)
    file = build_weights_file(None if weights is None else Path(weights), means, deviations, prefix)
    if file is None and backbone is None:
        return None
    if file is None or backbone is None:
        raise UsageError(
            f"--{'weights' if file else 'backbone'} alone: a network of your own is its name and its file",
            "--backbone NAME --weights FILE",
        )
    return NamedWeights(backbone, file)


def check_given(
    data: object, online: str | None, speed: bool | None, weights: object, options: Mapping[str, Any]
) -> None:
    """Raise UsageError for options that have nothing to apply to."""
    if online is not None and data is not None:
        raise UsageError(
            "--online and --data cannot be combined: only networks at hand are tried on images",
            "sightx backbones --data DATA, or sightx backbones --online NAME",
        )
    if online is not None and speed:
        raise UsageError("--online and --speed cannot be combined: what is not here cannot be timed", "leave one out")
    if online is not None and weights is not None:
        raise UsageError("--online and --weights cannot be combined: a file of yours is here", "leave one out")
    if online is not None and not online.strip():
        raise UsageError("--online is empty: it takes a part of a name", "sightx backbones --online resnet")
    if data is None and options:
        flag = f"--{next(iter(options)).replace('_', '-')}"
        raise UsageError(f"{flag} applies to images, and none are named", "sightx backbones --data DATA")
