"""Bad inputs, many and seeded: every one must end in a result or in one clear error, soon, and in little memory.

    .venv/bin/python benchmarks/bad_inputs.py [--count 2000] [--seed 0] [--whole 20] [--only NUMBER] [--keep FOLDER]

Images, tables, recipes, weights, bundles and options, damaged or absurd (`bad_input_kinds`). Each case is `sightx` in a
process of its own, forked from one that has imported torch already; of each kind the first ones (`--whole`) start
Python anew. A case is at fault that does not exit with 0 or 2, prints a traceback, calls itself a bug, says more than 6
lines beside progress, takes 30 s or 1.5 GB, or leaves something half-written after an error. Prints a table by kind and
each fault with the number that `--only` makes again; exits with 1 where there is a fault.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shlex
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from bad_input_kinds import FIT, KINDS, Ground
from PIL import Image

LIMIT_SECONDS = 30.0
LIMIT_BYTES = 1500 * 10**6
MOST_LINES = 6
GOOD = (0, 2)


@dataclass(frozen=True)
class Outcome:
    """How one case ended."""

    kind: str
    number: int
    words: tuple[str, ...]
    status: int
    seconds: float
    peak_bytes: int
    faults: tuple[str, ...]
    said: str


def run_forked(words: Sequence[str], folder: Path, whole: bool) -> tuple[int, float, int]:
    """Run `sightx` in a fork, in a folder; return its exit status (negative: a signal), seconds and peak memory."""
    began = time.monotonic()
    child = os.fork()
    if not child:
        _be_sightx(words, folder, whole)
    while True:
        done, state, used = os.wait4(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(state), time.monotonic() - began, used.ru_maxrss * 1024
        if time.monotonic() - began > LIMIT_SECONDS:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.01)


def _be_sightx(words: Sequence[str], folder: Path, whole: bool) -> NoReturn:
    """Be the command to the end of this process: what escapes it is a traceback, as it would be in a terminal."""
    try:
        os.setsid()
        os.chdir(folder)
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(folder.parent / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        if whole:
            os.execv(sys.executable, [sys.executable, "-m", "sightx_cli", *words])
        from sightx_cli.app import main

        sys.argv = ["sightx", *words]
        main()
    except BaseException:
        traceback.print_exc()
    os._exit(1)


def judge(status: int, seconds: float, peak_bytes: int, said: str, left: Sequence[str]) -> tuple[str, ...]:
    """List what is wrong with how a case ended."""
    lines = [line for line in said.splitlines() if line.strip()]
    if "see the column error in predictions.csv" in said:  # none could be read: the table says why
        left = [name for name in left if name != "predictions.csv"]
    checks = {
        f"exit status {status}": status not in GOOD,
        "a traceback": "Traceback (most recent call last)" in said,
        "called a bug": "a bug in SightX" in said,
        f"{len(lines)} lines": len(lines) > MOST_LINES,
        "no error": status == 2 and not any(line.startswith(("error: ", "Usage")) for line in lines),
        f"{seconds:.0f} s": seconds > LIMIT_SECONDS,
        f"{peak_bytes / 1e6:.0f} MB": peak_bytes > LIMIT_BYTES,
        f"left {', '.join(left)}": status == 2 and bool(left),
    }
    return tuple(what for what, wrong in checks.items() if wrong)


def run_case(number: int, seed: int, ground: Ground, keep: Path | None, whole: int) -> Outcome:
    """Make a case, run it, and judge it."""
    kind = list(KINDS)[number % len(KINDS)]
    chance = random.Random(f"{seed} {number}")
    root = Path(tempfile.mkdtemp(prefix=f"case-{number}-", dir=keep))
    folder = root / "work"
    folder.mkdir()
    words = KINDS[kind](ground, folder, chance)
    before = {path.name for path in folder.iterdir()}
    status, seconds, peak_bytes = run_forked(words, folder, number // len(KINDS) < whole)
    said = (root / "stderr").read_text(encoding="utf-8", errors="replace")
    left = sorted({path.name for path in folder.iterdir()} - before - {"runs", "inspections"})
    faults = judge(status, seconds, peak_bytes, said, left)
    if keep is None:
        shutil.rmtree(root, ignore_errors=True)
    return Outcome(kind, number, tuple(words), status, seconds, peak_bytes, faults, said)


def prepare(folder: Path) -> Ground:
    """Write good images and weights, and fit a run on them."""
    import timm
    import torch
    from sklearn.datasets import load_digits

    known = load_digits()
    for number, name in enumerate(("nought", "one", "two")):
        (folder / "digits" / name).mkdir(parents=True)
        for place, pixels in enumerate(known.images[known.target == number][:12]):
            image = Image.fromarray((pixels * 15.9).astype("uint8")).resize((64, 64))
            image.save(folder / "digits" / name / f"{place:02}.png")
    torch.manual_seed(0)
    torch.save(timm.create_model("test_resnet", num_classes=0).state_dict(), folder / "weights.pth")
    (folder / "work").mkdir()
    words = [*FIT, str(folder / "digits"), "--set", "image.size_px=32", "--set", "stage.0.epochs=1"]
    status, _, _ = run_forked(words, folder / "work", whole=False)
    if status:
        raise SystemExit((folder / "stderr").read_text())
    from sightx_cli.recipe.files import find_folder

    return Ground(folder, folder / "work" / "out", find_folder())


def show(outcomes: Sequence[Outcome]) -> None:
    """Print a line for each kind, and each fault."""
    by_kind: dict[str, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        by_kind[one.kind].append(one)
    print(f"{'kind':<9}{'cases':>7}{'exit 0':>8}{'exit 2':>8}{'faults':>8}{'slowest s':>11}{'peak MB':>9}")
    for kind, found in (*by_kind.items(), ("all", list(outcomes))):
        counts = [len(found), *(sum(one.status == status for one in found) for status in GOOD)]
        counts.append(sum(bool(one.faults) for one in found))
        most = max(one.seconds for one in found), max(one.peak_bytes for one in found) / 1e6
        print(f"{kind:<9}{counts[0]:>7}{counts[1]:>8}{counts[2]:>8}{counts[3]:>8}{most[0]:>11.1f}{most[1]:>9.0f}")
    for one in outcomes:
        if one.faults:
            line = shlex.join(["sightx", *one.words])
            print(f"\n--only {one.number}  {one.kind}: {'; '.join(one.faults)}\n  {line:.300}")
            print("".join(f"  | {said:.300}\n" for said in one.said.splitlines()[-8:]), end="")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--whole", type=int, default=20, help="cases of each kind that start Python anew")
    parser.add_argument("--only", type=int, help="the number of one case")
    parser.add_argument("--keep", type=Path, help="a folder that keeps the inputs")
    asked = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from sightx_cli.startup.imports import TRAINING
    from sightx_cli.startup.process import settle_process

    settle_process()
    __import__(TRAINING)  # once, for all forks
    import torch

    torch.set_num_threads(1)  # OpenMP's threads do not live on in a fork, which would wait for them for ever
    if asked.keep is not None:
        asked.keep.mkdir(parents=True, exist_ok=True)
    base = Path(tempfile.mkdtemp(prefix="bad-inputs-"))  # a TemporaryDirectory would be removed by the first fork's end
    try:
        os.environ["SIGHTX_CACHE"] = str(base / "cache")
        ground = prepare(base)
        outcomes = []
        for number in range(asked.count) if asked.only is None else [asked.only]:
            outcomes.append(run_case(number, asked.seed, ground, asked.keep, asked.whole))
            last = outcomes[-1]
            print(f"{number}: {last.kind} {last.status} {last.seconds:.1f} s {'; '.join(last.faults)}", file=sys.stderr)
    finally:
        shutil.rmtree(base)
    show(outcomes)
    sys.exit(any(one.faults for one in outcomes))


if __name__ == "__main__":
    main()
