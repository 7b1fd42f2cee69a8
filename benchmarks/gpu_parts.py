"""What `gpu.py` measures of SightX, each in a process of its own: python gpu_parts.py PART … prints one JSON object."""

import argparse
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from fastai.callback.core import Callback

from sightx_cli.startup.process import settle_process

NETWORK = "tf_efficientnet_lite0"
PROFILED_FROM, PROFILED_STEPS = 40, 10
READ_FIRST = "fastai.vision.all", "sightx_cli.engine.conversion", "sightx_cli.steps.conclusion"
"""What both sides import, read from disk before any clock."""


def describe(_: argparse.Namespace) -> dict[str, Any]:
    """The machine, its GPU and what is installed."""
    for name in READ_FIRST:
        importlib.import_module(name)
    import torch
    from machine import describe_machine

    from sightx_cli.train.compiled_steps import find_missing_tool

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {**describe_machine(), "gpu": gpu, "cuda": torch.version.cuda, "compiler_lacks": find_missing_tool()}


class Profile(Callback):
    """Keeps a trace of some steps, once, in the second epoch or what there is of it."""

    order = 99

    def __init__(self, path: Path) -> None:
        self.path, self.count, self.profiler = path, 0, None

    def after_batch(self) -> None:
        import torch

        if not self.training or self.count < 0:
            return
        self.count += 1
        begins = min(PROFILED_FROM, max(1, self.learn.n_iter // 2))
        if self.count == begins:
            self.profiler = torch.profiler.profile()
            self.profiler.__enter__()
        elif self.profiler is not None and self.count == begins + min(PROFILED_STEPS, max(1, self.learn.n_iter // 4)):
            self.profiler.__exit__(None, None, None)
            self.profiler.export_chrome_trace(str(self.path))
            self.count = -1


def epoch(given: argparse.Namespace) -> dict[str, Any]:
    """Epochs of the whole network as `sightx fit` trains them; the first warms up, and has the profiler."""
    from epoch_clock import EpochClock

    from sightx_cli.engine.choice import choose_step_precision
    from sightx_cli.progress import Recorder
    from sightx_cli.startup.allocator import keeping_memory
    from sightx_cli.steps.options import Options
    from sightx_cli.steps.preparation import prepare
    from sightx_cli.steps.session import build_session
    from sightx_cli.train.device_steps import settle_batch
    from sightx_cli.train.learners import building_learner
    from sightx_cli.train.stage_runs import fit_stage

    said = Recorder()
    began = time.perf_counter()

    def tell(what: str) -> None:
        print(f"{time.perf_counter() - began:6.1f} s  {what}", file=sys.stderr, flush=True)

    settings = [f'stage=[{{train="all",epochs={given.epochs},rate=1e-4}}]', f"image.size_px={given.image_px}"]
    how: dict[str, Any] = {"recipe": "natural-medium", "backbone": NETWORK, "full": True, "probe": False}
    options = Options(given.folder, settings=settings, **how)
    clock = time.perf_counter()
    preparation = prepare(options, said)
    prepared = time.perf_counter() - clock
    tell("prepared")
    session, engine = build_session(preparation, said)
    built = time.perf_counter() - clock - prepared
    tell("built")
    stage, epochs = preparation.recipe.stage[0], EpochClock(tell)
    with keeping_memory(), building_learner(session, stage) as (learner, groups):
        tell("decoded, and the learner built")
        chosen = settle_batch(session, stage, learner, None)
        tell(f"batch {chosen.batch}: {chosen.limit or chosen.trial}")
        profile = [Profile(given.trace)] if given.trace else []
        fit_stage(learner, stage, groups, [1e-4 for _ in groups], "flat", 0, [epochs, *profile])
    return {
        **epochs.figures(),
        "ended_at": epochs.ended_at,
        "batch": chosen.batch,
        "engine": f"{engine.name} on {engine.device}",
        "steps_in": choose_step_precision(engine),
        "settled": {key: [value.value, value.evidence] for key, value in session.settled.items()},
        "prepare_seconds": round(prepared, 2),
        "build_seconds": round(built, 2),
        "said": said.notes + said.warnings,
    }


def steps(given: argparse.Namespace) -> dict[str, Any]:
    """Steps of the network on random pixels, as training makes them: started one by one, and captured as CUDA graphs.

    Each in milliseconds, with those of its kernels alone, and how far the gradients of both lie apart.
    """
    import torch
    from torch import Tensor, nn

    from sightx_cli.engine.interface import EXACT
    from sightx_cli.engine.torch_forward import computing_in, wait_for
    from sightx_cli.model.backbone import Backbone, build_network
    from sightx_cli.train.captured_steps import capture_steps
    from sightx_cli.train.folded_norms import folded_norms
    from sightx_cli.train.optimizers import FusedAdamW
    from sightx_cli.train.seed import seed_everything
    from sightx_cli.train.step_forward import training_in

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    is_cuda, px, count = device.type == "cuda", given.image_px, 256 if device.type == "cuda" else 2
    seed_everything(0)
    backbone = Backbone(build_network(NETWORK, px), "all").eval()
    head = nn.Linear(backbone(torch.rand(1, 3, px, px)).shape[1], 10)
    model = nn.Sequential(backbone, head).to(device).to(memory_format=torch.channels_last).eval()
    images = torch.rand(count, 3, px, px, device=device).contiguous(memory_format=torch.channels_last)
    targets = torch.arange(count, device=device) % 10
    optimizer = FusedAdamW([list(model.parameters())], lr=1e-5)

    def run() -> Tensor:
        with computing_in(EXACT, device.type):
            return model(images[:2])

    def differentiate() -> None:
        nn.functional.cross_entropy(model(images), targets).backward()

    def read_gradients() -> list[Tensor]:
        differentiate()
        found = [one.grad.detach().clone() for one in model.parameters() if one.grad is not None]
        optimizer.zero_grad()
        return found

    def step() -> None:
        differentiate()
        optimizer.step()
        optimizer.zero_grad()

    def measure() -> dict[str, float]:
        for _ in range(3):
            step()
        wait_for(device)
        repeats, began = (20 if is_cuda else 1), time.perf_counter()
        for _ in range(repeats):
            step()
        started = (time.perf_counter() - began) / repeats
        wait_for(device)
        taken = (time.perf_counter() - began) / repeats
        with torch.profiler.profile() as profiler:
            step()
            wait_for(device)
        found, on_device = profiler.key_averages(), torch.autograd.DeviceType.CUDA  # the host's rows name them again
        rows = [row for row in found if row.device_type == on_device and not row.is_user_annotation]
        kernels = sum(row.self_device_time_total for row in rows) / 1e6
        return {
            "ms": round(1e3 * taken, 2),
            "started_ms": round(1e3 * started, 2),
            "kernels_ms": round(1e3 * kernels, 2),
            "images_per_second": round(count / taken, 1),
        }

    with folded_norms(model, run) as pairs, training_in(model, head, "bfloat16", device.type) as forward:
        model.training = True
        for module in backbone.modules():
            module.training = not isinstance(module, nn.BatchNorm2d)
        clock = time.perf_counter()
        read_gradients()
        wait_for(device)
        first = time.perf_counter() - clock
        found: dict[str, Any] = {
            "images": count,
            "pairs": pairs,
            "first_seconds": round(first, 2),
            "one_by_one": measure(),
        }
        if is_cuda:
            clock = time.perf_counter()
            forward.captured, forward.captured_shapes = capture_steps(forward, [images.clone()]), [images.shape]
            found["capture_seconds"] = round(time.perf_counter() - clock, 2)
        captured, replay, forward.captured = read_gradients(), forward.captured, None
        plain, again = read_gradients(), read_gradients()
        largest = [max(float(one.abs().max()), 1e-9) for one in plain]
        for name, others in (("captured_differs", captured), ("repeat_differs", again)):
            apart = [float((a - b).abs().max()) / most for a, b, most in zip(plain, others, largest, strict=True)]
            found[name] = max(apart)
        if is_cuda:
            forward.captured = replay
            found["captured"] = measure()
    return found


def list_files(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*") if path.is_file())


def features(given: argparse.Namespace) -> dict[str, Any]:
    """From files to the store, in the precision that the device is faster in."""
    from sightx_cli.engine.choice import choose_device, choose_engine
    from sightx_cli.features.prefix import FrozenPrefix
    from sightx_cli.features.store import FeatureStore
    from sightx_cli.features.views import View
    from sightx_cli.model.backbone import Backbone, build_network
    from sightx_cli.model.weights import find_weights, load_weights
    from sightx_cli.progress import Silent

    files = list_files(given.folder)
    digests = [f"{number:032x}" for number in range(len(files))]
    backbone = Backbone(build_network(NETWORK, given.image_px), "all")
    weights = find_weights(NETWORK, backbone)
    load_weights(backbone, weights)
    engine = choose_engine("torch", choose_device())
    precision = engine.half or engine.precision
    frozen = FrozenPrefix(NETWORK, backbone, weights, [], given.image_px, FeatureStore(), engine, Silent())
    view = View(given.image_px, "crop", None, 0, 0)
    clock = time.perf_counter()
    warm = len(files) // 10
    frozen.extract(frozen.find(files[:warm], digests[:warm], view, precision), view, "warm up", precision)
    warm_seconds = time.perf_counter() - clock
    clock = time.perf_counter()
    frozen.extract(frozen.find(files[warm:], digests[warm:], view, precision), view, "frozen layers", precision)
    seconds = time.perf_counter() - clock
    return {
        "images": len(files) - warm,
        "precision": precision,
        "batch": frozen.build_forward(precision).batch_images,
        "warm_seconds": round(warm_seconds, 2),
        "images_per_second": round((len(files) - warm) / seconds, 1),
    }


def check(given: argparse.Namespace) -> dict[str, Any]:
    """Every file is read to its end."""
    import pandas as pd

    from sightx_cli.data.checks import check_files
    from sightx_cli.progress import Silent

    files = list_files(given.folder)
    clock = time.perf_counter()
    check_files(pd.DataFrame({"image": files, "path": files}), Silent())
    seconds = time.perf_counter() - clock
    return {"images": len(files), "seconds": round(seconds, 2), "images_per_second": round(len(files) / seconds, 1)}


def predict(given: argparse.Namespace) -> dict[str, Any]:
    """A run's model on the device and by its graph on the CPU: images a second, and the largest difference."""
    import numpy as np

    from sightx_cli.bundle.facts import load_facts
    from sightx_cli.bundle.predictor import load_predictor, load_torch_predictor
    from sightx_cli.engine.choice import choose_device

    items = [(file, file) for file in list_files(given.folder)]
    facts, found, rates = load_facts(given.run), {}, {}
    for name in ("device", "cpu"):
        some = items if name == "device" else items[:1000]
        predictor = load_predictor(given.run)
        if name == "device":
            predictor = load_torch_predictor(given.run, facts, 1, choose_device())
        next(predictor.predict(items[:1]))
        clock = time.perf_counter()
        found[name] = np.stack([one.probabilities for one in predictor.predict(some) if one.probabilities is not None])
        rates[f"{name}_per_second"] = round(len(some) / (time.perf_counter() - clock), 1)
    same = min(map(len, found.values()))
    difference = float(np.abs(found["device"][:same] - found["cpu"][:same]).max())
    return {"device": choose_device(), "images": len(items), **rates, "largest_difference": difference}


PARTS = {"machine": describe, "steps": steps, "epoch": epoch, "features": features, "check": check, "predict": predict}


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__)
    cli.add_argument("part", choices=PARTS)
    cli.add_argument("folder", type=Path, nargs="?")
    cli.add_argument("--epochs", type=int, default=4)
    cli.add_argument("--image-px", type=int, default=224)
    cli.add_argument("--trace", type=Path)
    cli.add_argument("--run", type=Path)
    given = cli.parse_args()
    settle_process()  # as `sightx fit` does
    print(json.dumps(PARTS[given.part](given)))


if __name__ == "__main__":
    main()
