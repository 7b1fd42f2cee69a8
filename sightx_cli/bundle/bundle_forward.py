"""The network of a run's bundle, ready to run: its graph on the CPU, or its weights by torch on a GPU."""

from __future__ import annotations

from pathlib import Path

from sightx_cli import runs
from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.engine.batch_trial import TRIAL_IMAGES, find_batch
from sightx_cli.engine.graph_files import BATCH_SUFFIX
from sightx_cli.engine.interface import EXACT, Forward
from sightx_cli.engine.openvino_forward import OpenVinoForward, measure_graph_shapes, read_graph
from sightx_cli.errors import RunError
from sightx_cli.features.addresses import digest_key
from sightx_cli.features.store import FeatureStore
from sightx_cli.filesystem import read_checksum
from sightx_cli.machine import has_nvidia_driver

CPU, AUTO = "cpu", "auto"

GPU_PAYS_IMAGES = 5000
"""From this many images on a GPU is looked for where none is asked for: to import torch and to start CUDA take some ten
seconds, in which a CPU predicts a few thousand: 16 cores of a Xeon read 840 images of 32 px a second and computed them
by lite0 at 224 px, the H200 beside them 1,500 with its first plans, and some thousands after."""

DEVICE_TOLERANCE = 1e-4
"""How far a probability by torch in float32 may lie from that of the graph. Both round in their own order: on the CPU
they differ by less than 2e-6 for the networks of the tests; cuDNN's kernels sum in yet another, and differed on an H200
by up to 5e-6 (`tf_efficientnet_lite0`, 1,000 images)."""


def choose_bundle_device(device: str, images: int) -> str:
    """Return the device for so many images: the one asked for, or for `auto` a GPU if there is one and it pays.

    Only then torch is imported. Raises UsageError for a device that is not here.
    """
    if device == CPU or (device == AUTO and (images < GPU_PAYS_IMAGES or not has_nvidia_driver())):
        return CPU
    from sightx_cli.engine.choice import choose_device

    return choose_device(device)


def compile_graph(
    path: Path, batch: int | None, images: int, views: int = 1, streams: int | None = None
) -> tuple[OpenVinoForward, tuple[int, int]]:
    """Read a run's graph and compile it, for batches as `load_predictor` says; return its shapes as well.

    Raises RunError when it is missing or damaged.
    """
    try:
        graph = read_graph(path)
        shapes = measure_graph_shapes(graph)
    except RuntimeError as error:
        raise RunError(f"{path}: cannot be read", "fit again, or name another run") from error
    if batch is None:
        count = images * views
        batch = find_batch(graph, EXACT, count, place_record(path) if count >= TRIAL_IMAGES else None)
    return OpenVinoForward(graph, batch=max(batch, views), streams=streams), shapes


def place_record(graph: Path) -> Path | None:
    """Return where the cache keeps what is known of the batches of a run's graph; None where it cannot keep anything.

    Not in the run, which may be handed over: what is fast here need not be fast there.
    """
    address = digest_key({"graph": f"{read_checksum(graph):08x}"})
    return FeatureStore().place_graph(f"run-{address}{BATCH_SUFFIX}")


def load_torch_forward(run: Path, facts: BundleFacts, device: str = CPU, batch: int | None = None) -> Forward:
    """Load the classifier's weights for torch to run, in float32: on a GPU, or a network that has no graph.

    `batch` is how many images go through at once (None: what suits the device and the images' size).
    """
    from sightx_cli.engine.torch_forward import TorchForward
    from sightx_cli.model.classifier import complete_classifier, load_classifier

    weights = run / runs.BUNDLE / runs.BUNDLE_WEIGHTS
    model = load_classifier(facts.backbone, facts.head, facts.task.outputs, facts.size_px, weights, facts.grey)
    stages = facts.familiarity.stages if facts.familiarity else 0
    whole, names = complete_classifier(model, facts.task.build_activation(), stages)
    return TorchForward(whole, names, facts.size_px, facts.mean, facts.std, device, EXACT, batch)
