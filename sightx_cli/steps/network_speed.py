"""How fast each network runs on this machine: measured once, and kept beside the converted graphs."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightx_cli.engine.interface import EXACT
from sightx_cli.errors import SightXError
from sightx_cli.features.addresses import digest_key
from sightx_cli.features.store import FeatureStore
from sightx_cli.machine import measure_threads
from sightx_cli.progress import Listener, Notice
from sightx_cli.results.backbones import NetworkCandidate, NetworkSpeed
from sightx_cli.steps.networks import NamedWeights

if TYPE_CHECKING:
    from sightx_cli.engine.choice import EngineChoice

RECORD = "speeds.json"
"""In the store's folder of graphs: speeds by network, size and machine."""

MEASURED_SECONDS = 0.5
"""For each network and precision, beside its conversion: the best of some twenty rounds of lite0."""


class SpeedRecord:
    """The speeds measured so far on this machine, by the engine that a fit would take here."""

    def __init__(self, store: FeatureStore, device: str = "auto", engine: str = "auto") -> None:
        from sightx_cli.engine.choice import choose_device, choose_engine

        self._engine = choose_engine(engine, choose_device(device))
        self._store, self._file = store, store.place_graph(RECORD)
        self._processor, self._threads = name_processor(self._engine), measure_threads().total
        self._known = read_speeds(self._file)

    def find(self, network: NetworkCandidate) -> NetworkSpeed | None:
        """Find a network's speed; None where it was not measured on this machine."""
        known = self._known.get(self._address(network))
        try:
            return None if known is None else NetworkSpeed(**known)
        except TypeError:  # written by another version, or by hand
            return None

    def measure(self, network: NetworkCandidate, listener: Listener, named: NamedWeights | None = None) -> NetworkSpeed:
        """Measure how many images a second pass through the compiled network, and keep it.

        `named` is the network's if its weights are a file of the user's. Raises WeightsError for weights that cannot be
        read.
        """
        from sightx_cli.engine.throughput import measure_throughput
        from sightx_cli.features.prefix import FrozenPrefix
        from sightx_cli.model.bare_recipe import build_audited_recipe
        from sightx_cli.model.classifier import build_backbone

        name, file = (network.name, None) if named is None else (named.backbone, named.file)
        backbone, weights = build_backbone(build_audited_recipe(None, name, ()), file)
        frozen = FrozenPrefix(name, backbone, weights, [], network.size_px, self._store, self._engine, listener)
        rates: dict[str, float] = {}
        engine = self._engine.name
        for precision in dict.fromkeys((EXACT, self._engine.half or EXACT)):
            forward = frozen.build_forward(precision)
            engine = forward.engine
            rates[forward.precision] = round(measure_throughput(forward, MEASURED_SECONDS), 2)
        speed = NetworkSpeed(rates, engine, self._processor, self._threads, date.today().isoformat())
        self._known[self._address(network)] = asdict(speed)
        write_speeds(self._file, self._known)
        return speed

    def _address(self, network: NetworkCandidate) -> str:
        machine = (self._processor, self._threads, self._engine.name, self._engine.half, platform.system())
        named = {"network": network.name, "size_px": network.size_px, "machine": machine}
        return digest_key(named, ("timm", "torch", "openvino"))


def add_speeds(
    networks: list[NetworkCandidate],
    record: SpeedRecord,
    listener: Listener,
    is_measured: bool,
    again: bool = False,
    named: NamedWeights | None = None,
) -> list[NetworkCandidate]:
    """Give each network its speed: the one known, or with `is_measured` one measured now; with `again`, all anew.

    One of them may have weights that the user named. One whose weights cannot be used has none, with a notice.
    """
    known = [None if again else record.find(network) for network in networks]
    missing = sum(speed is None for speed in known)
    if not missing or not is_measured:
        return [replace(network, speed=speed) for network, speed in zip(networks, known, strict=True)]
    listener.start(MEASURING, missing, "networks")
    done = []
    for network, speed in zip(networks, known, strict=True):
        if speed is None:
            try:
                speed = record.measure(network, listener, named if named and named.name == network.name else None)
            except SightXError as error:
                text = f"{network.name} cannot be used: {error.message}"
                listener.notice(Notice("network-unusable", text, count=1, warns=True))
            listener.advance(MEASURING)
        done.append(replace(network, speed=speed))
    listener.finish(MEASURING)
    return done


MEASURING = "measuring speeds"
"""The task as the user sees it."""


def name_processor(engine: EngineChoice) -> str:
    """Name the processor that computes, as its maker does."""
    if engine.device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(torch.device(engine.device))
    if engine.name == "openvino":
        from sightx_cli.engine.openvino_forward import load_core

        return str(load_core().get_property("CPU", "FULL_DEVICE_NAME"))
    return platform.processor() or platform.machine()


def read_speeds(file: Path | None) -> dict[str, Any]:
    """Read what was measured so far; nothing where the file is missing or damaged."""
    if file is None:
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, dict)} if isinstance(found, dict) else {}


def write_speeds(file: Path | None, known: Mapping[str, Any]) -> None:
    """Write what was measured; where nothing can be kept, it is measured again next time."""
    if file is None:
        return
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f".{os.getpid()}-{file.name}")
        partial.write_text(json.dumps(known), encoding="utf-8")
        partial.replace(file)
