"""A fit that is killed at random moments and gone on with: is it the run that it would have been?

    .venv/bin/python benchmarks/kills.py [--kill 100] [--interrupt 30] [--terminate 30] [--full-disk 20] [--seed 0]
                                         [--data FOLDER] [--work FOLDER]

The fit has three stages, on 60 of scikit-learn's handwritten digits at 96 px (or on the class folders of `--data`).
Each time it starts in a process of its own, with a cache of its own, and gets SIGKILL, SIGINT or SIGTERM at a moment
drawn from the whole of its duration; half of those that go on are killed once more. What is unfinished is resumed;
where nothing is left to resume it starts again. For `--full-disk` the folder of the run, the cache and the temporary
folder lie in turn on a tmpfs (`unshare -rm`) that has little room, from the start or from a random moment on, and room
again afterwards.

The process is forked from one that has imported everything, so that a moment is one of the fit and not of its imports:
what runs in it is the command. Prints a table for README.md, and one line of JSON for whatever is not as it should be.
The exit status is 1 if there is any.
"""

from __future__ import annotations

import argparse
import collections
import importlib
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kill_trial import DONE, PLACES, REFUSED, STOPPED, Trial, make_data

IMPORTED = ("model.classifier", "train.stage_runs", "steps.run_files", "steps.evaluation", "engine.openvino_forward")
HARMS = {"SIGKILL": signal.SIGKILL, "SIGINT": signal.SIGINT, "SIGTERM": signal.SIGTERM}
MEGABYTE, AMPLE = 1 << 20, 2 << 30
"""Bytes; as much as nothing here needs."""


def find_leftovers(trial: Trial, whole: set[str], counts: collections.Counter[str]) -> list[str]:
    """List what a fit that ran through does not leave, and count it by place.

    Of the cache only half shards count, and are not listed: the cache itself removes them once they are old.
    """
    more = sorted(trial.list_files() - whole)
    more = [name for name in more if not name.startswith("cache/") or "/.writing" in name]
    for place in PLACES:
        counts[f"left in {place}"] += sum(name.startswith(f"{place}/") for name in more)
    return [name for name in more if not name.startswith("cache/")]


def finish(
    trial: Trial, reference: dict[str, Any], whole: set[str], counts: collections.Counter[str]
) -> dict[str, Any]:
    """Go on until the run is whole, and hold it against the one that ran through; returns what is wrong with it."""
    for _ in range(3):
        if trial.is_taken_for_whole() and not (trial.run / "journal.json").exists():
            break
        how, status = trial.fit()
        counts[how] += 1
        if status != DONE:
            return {"status": status, "said": (trial.folder / "said.txt").read_text()[-2000:]}
    found = trial.read()
    differences = [name for name, content in reference.items() if found[name] != content]
    counts["the same"] += not differences
    left = find_leftovers(trial, whole, counts)
    return {name: what for name, what in (("differ", differences), ("left", left)) if what}


def check_stop(trial: Trial, status: int, allowed: Sequence[int], counts: collections.Counter[str]) -> list[str]:
    """Say what is wrong with what a stopped fit left."""
    wrong = [] if status in allowed else [f"exit status {status}: {(trial.folder / 'said.txt').read_text()[-2000:]}"]
    if trial.is_taken_for_whole() and not trial.agrees_with_itself():
        counts["taken for whole"] += 1
        wrong.append("taken for whole, and is not")
    return wrong


def kill(trial: Trial, harm: int, seconds: float, chance: random.Random, counts: collections.Counter[str]) -> list[str]:
    """Begin a fit and kill it, half of them twice; returns what is wrong afterwards."""
    wrong: list[str] = []
    for again in range(chance.choice((1, 2))):
        how, status = trial.fit(chance.uniform(0, seconds), lambda process: os.kill(process, harm))
        counts["resumed"] += how == "resumed"
        counts["ended before"] += status == DONE and not again
        wrong += check_stop(trial, status, (DONE, -harm, 128 + harm, STOPPED), counts)
        if status == DONE:
            break
        counts["killed"] += 1
    return wrong


def fill(trial: Trial, place: str, room: int, after: float, counts: collections.Counter[str]) -> list[str]:
    """Run a fit with little room in one place, from the start (`after` is 0) or from some seconds on.

    There is room again afterwards; returns what is wrong then.
    """
    target = trial.folder / place

    def resize(size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", target], check=True)

    size = room if after == 0 else AMPLE
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", target], check=True)
    _, status = trial.fit(after, lambda _: resize(trial.measure_bytes(place) + room) if after else None)
    resize(AMPLE)
    elsewhere = trial.folder / f"sightx-{trial.run.name}"
    if elsewhere.exists():  # where SightX writes a run whose own disk is full
        counts["elsewhere"] += 1
        trial.run = elsewhere
    counts["killed"] += status != DONE
    counts["ended before"] += status == DONE
    return check_stop(trial, status, (DONE, REFUSED), counts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, count in (("kill", 100), ("interrupt", 30), ("terminate", 30), ("full-disk", 20), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--data", type=Path, help="class folders to fit instead of the digits")
    parser.add_argument("--work", type=Path, help="where to work (default: a new temporary folder)")
    options = parser.parse_args()
    if options.full_disk and not os.environ.get("SIGHTX_UNSHARED"):
        os.environ["SIGHTX_UNSHARED"] = "yes"
        os.execvp("unshare", ["unshare", "-rm", sys.executable, *sys.argv])
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    from sightx_cli.startup.process import settle_process

    settle_process()
    for name in IMPORTED:
        importlib.import_module(f"sightx_cli.{name}")
    work = Path(options.work or tempfile.mkdtemp(prefix="kills-")).absolute()
    data = options.data.absolute() if options.data else make_data(work / "data")
    warm, reference = (Trial(work / name, data) for name in ("warm", "whole"))
    seconds = math.inf
    for trial in (warm, reference):
        began = time.perf_counter()
        _, status = trial.fit()
        seconds = min(seconds, time.perf_counter() - began)
        if status != DONE:
            raise SystemExit(f"the fit itself fails with {status}: {trial.folder / 'said.txt'}")
    whole, files = reference.read(), reference.list_files()
    print(f"one fit: {seconds:.1f} s, in {work}", file=sys.stderr, flush=True)

    chance, faults, rows = random.Random(options.seed), [], {}
    plan = [(name, options.kill if name == "SIGKILL" else options.interrupt) for name in ("SIGKILL", "SIGINT")]
    plan += [("SIGTERM", options.terminate), ("full disk", options.full_disk)]
    for name, times in plan:
        counts = rows[name] = collections.Counter(times=times)
        for number in range(times):
            trial = Trial(work / f"{name.replace(' ', '-')}-{number}", data)
            place = PLACES[number % len(PLACES)]
            if name in HARMS:
                wrong = kill(trial, HARMS[name], seconds, chance, counts)
            else:
                most = max(reference.measure_bytes(place), MEGABYTE)
                after = 0.0 if number // len(PLACES) % 2 else chance.uniform(0, seconds)
                room = chance.uniform(1, 3) * most if after == 0 else chance.uniform(0, 1) ** 2 * most
                wrong = fill(trial, place, int(room) + 4096, after, counts)
            result = finish(trial, whole, files, counts)
            if wrong or result:
                faults.append({"trial": trial.folder.name, "place": place, "stop": wrong, **result})
                print(json.dumps(faults[-1]), flush=True)
            if name not in HARMS:
                subprocess.run(["umount", trial.folder / place], check=True)
            if not (wrong or result):
                shutil.rmtree(trial.folder)
        print(f"{name}: {dict(counts)}", file=sys.stderr, flush=True)
    print(write_table(rows))
    if not options.work and not faults:
        shutil.rmtree(work)
    sys.exit(bool(faults))


def write_table(rows: dict[str, collections.Counter[str]]) -> str:
    """Write the counts as a table of Markdown."""
    columns = ("times", "killed", "ended before", "resumed", "begun", "elsewhere", "the same", "taken for whole")
    columns += tuple(f"left in {place}" for place in PLACES)
    lines = [f"| | {' | '.join(columns)} |", f"|---{'|---' * len(columns)}|"]
    lines += [f"| {name} | {' | '.join(str(counts[one]) for one in columns)} |" for name, counts in rows.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
