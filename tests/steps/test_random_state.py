"""In a user's own Python process a call of the API leaves everything as it finds it, whatever it ends with."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from sightx_cli.steps.random_state import keeping_random_state

SCRIPT = """
import json, logging, os, random, sys, warnings
# What others do to the process when they are imported is theirs.
import cleanlab, fastai.vision.all, huggingface_hub, matplotlib.pyplot, numpy as np, openvino, pandas
import PIL.Image, pyarrow, sklearn.linear_model, timm, torch
import sightx_cli.startup.switch
from sightx_cli.api import audit, fit, inspect, lr_find, predict, probe
from sightx_cli.progress import Silent

def read():
    cudnn = torch.backends.cudnn
    loggers = [logging.getLogger(), *map(logging.getLogger, list(logging.root.manager.loggerDict))]
    return {
        "random": random.getstate(),
        "numpy": str(np.random.get_state()),
        "torch": torch.get_rng_state().tolist(),
        "cudnn": [cudnn.enabled, cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32],
        "precision": [torch.backends.cuda.matmul.allow_tf32, torch.get_float32_matmul_precision()],
        "determinism": torch.are_deterministic_algorithms_enabled(),
        "autocast": [torch.is_autocast_enabled("cpu"), torch.is_autocast_enabled("cuda"), torch.is_grad_enabled()],
        "dtype": str(torch.get_default_dtype()),
        "threads": [torch.get_num_threads(), torch.get_num_interop_threads()],
        "filters": [str(one) for one in warnings.filters],
        "environment": dict(os.environ),
        "handlers": {one.name: [str(handler) for handler in one.handlers] for one in loggers if one.handlers},
        "backend": [matplotlib.get_backend(), str(matplotlib.rcParams)],
        "figures": matplotlib.pyplot.get_fignums(),
        "stand-ins": [n for n, m in sys.modules.items() if n.startswith(("torch.", "openvino.")) and not m],
        "compiler": str(getattr(sys.modules.get("torch._dynamo"), "__file__", "")) ,
        "pillow": PIL.Image.MAX_IMAGE_PIXELS,
        "numpy errors": np.geterr(),
        "switch": sightx_cli.startup.switch.is_settled(),
    }

class Stopping(Silent):
    def epoch(self, row):
        raise self.error

def stop_by(error):
    listener = Stopping()
    listener.error = error
    try:
        fit.fit(data, recipe="natural-small", settings=small, listener=listener)
    except BaseException as raised:
        assert raised is error, raised
        return
    assert isinstance(error, KeyboardInterrupt)  # in a later epoch, the run is finished from the best one

data, small = sys.argv[1], ("image.size_px=64", "stage.0.epochs=1")
calls = {
    "fit": lambda: fit.fit(data, recipe="natural-small", settings=small),
    "fit of all layers": lambda: fit.fit(data, recipe="natural-small", engine="torch", cache=False, folds=0, settings=(
        "image.size_px=32", "stage.0.epochs=1", "stage.0.train=all", "model.weights=scratch"), backbone="test_resnet"),
    "fit stopped by its listener": lambda: stop_by(ValueError("enough")),
    "fit stopped by Ctrl-C": lambda: stop_by(KeyboardInterrupt()),
    "predict": lambda: predict.predict(data),
    "inspect": lambda: inspect.inspect(data),
    "lr-find": lambda: lr_find.find_lr(data, recipe="natural-small", settings=small),
    "probe": lambda: probe.probe(data, recipe="natural-small", settings=small),
    "audit": lambda: audit.audit(backbone="test_resnet"),
    "compare": lambda: audit.compare_backbones(["test_resnet"]),
}
random.seed(5), np.random.seed(6), torch.manual_seed(7), random.random(), np.random.rand(), torch.rand(3)
changed = {}
for name in sys.argv[2:]:
    before = read()
    calls[name]()
    after = read()
    changed[name] = [key for key in before if before[key] != after[key]]
json.dump(changed, open("changed.json", "w"))
"""
QUICK = ("fit",)
SLOW = (
    "fit of all layers",
    "fit stopped by its listener",
    "fit stopped by Ctrl-C",
    "predict",
    "inspect",
    "lr-find",
    "probe",
    "audit",
    "compare",
)


def list_changed(calls: Sequence[str], digits: Path, folder: Path) -> dict[str, list[str]]:
    """List what calls of the API have changed, in a process of their own."""
    environment = {**os.environ, "SIGHTX_CACHE": str(folder / "store")}
    command = [sys.executable, "-c", SCRIPT, str(digits), *calls]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, list[str]] = json.loads((folder / "changed.json").read_text())
    return found


@pytest.mark.slow
@pytest.mark.parametrize("calls", [QUICK, (*QUICK, *SLOW)], ids=["fit", "all"])
def test_a_call_changes_nothing_that_belongs_to_the_whole_process(
    calls: tuple[str, ...], digits: Path, tmp_path: Path
) -> None:
    assert list_changed(calls, digits, tmp_path) == {call: [] for call in calls}


def draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(1))


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_random_numbers_go_on_as_if_the_block_had_not_been(error: type[BaseException] | None) -> None:
    flags = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    with keeping_random_state():
        expected = draw()

    def work() -> None:
        with keeping_random_state():
            random.seed(0)
            np.random.seed(0)
            torch.manual_seed(0)
            torch.backends.cudnn.deterministic = not flags[0]
            draw()
            if error is not None:
                raise error

    if error is None:
        work()
    else:
        with pytest.raises(error):
            work()
    assert draw() == expected
    assert (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark) == flags


def test_torch_that_was_loaded_within_the_block_draws_by_chance_behind_it() -> None:
    code = """
from sightx_cli.steps.random_state import keeping_random_state
with keeping_random_state():
    import torch
    torch.manual_seed(0)
    seeded = torch.rand(1)
print(torch.initial_seed() != 0, torch.backends.cudnn.deterministic)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"
