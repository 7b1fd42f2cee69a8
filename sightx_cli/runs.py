"""The layout of a run folder: the only place that knows its file names.

A run is built in a hidden folder next to its destination and renamed when complete; later files are written to a
temporary name first. `runs/latest` points to the newest run, wherever it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from sightx_cli.errors import RunError
from sightx_cli.filesystem import LOCK, exchange_folders, is_locked, refuse_foreign

RUNS = Path("runs")
INSPECTIONS, EVALUATIONS = Path("inspections"), Path("evaluations")
LATEST = "latest"
LIST = "sightx runs list shows the runs that there are"
RECIPE = "recipe.toml"
PLAN = "plan.json"
FINGERPRINT = "fingerprint.json"
SPLIT = "split.csv"
EARLIER = "earlier.csv"  # of a fit that starts from a run: what that one knew, and this one's images lack
OUT_OF_FOLD = "out_of_fold.csv"
HISTORY = "history.csv"
METRICS = "metrics.json"
PREDICTIONS = "predictions"
"""The folder with what the finished model says of each image of a part: valid.csv, test.csv."""
ENVIRONMENT = "environment.json"
TRAINING_PLOT = "training.png"
CONFUSION_PLOT = "confusion.png"
LABELS_PLOT = "labels.png"
"""In place of the confusions, where an image may have several labels."""
PICTURES = {
    TRAINING_PLOT: "the course of training",
    CONFUSION_PLOT: "what is taken for what",
    LABELS_PLOT: "how each label fares",
}
"""The pictures in a run, and what they show."""
FINDINGS = "findings.json"
PAGE = "index.html"
REPORT, MODEL_CARD = "report.html", "model_card.md"
LEAVE_OUT_LIST = "leave-out.csv"
BUNDLE = "bundle"
REMOVED = "-removed"
"""What the hidden name of a run ends with while it is removed."""
JOURNAL = "journal.json"
CHECKPOINT = "checkpoint"
TENSORBOARD = "tensorboard"  # the folder of event files, where a fit is tracked there
EXPORT = "export"  # the folder with the formats that a run was exported to
BUNDLE_FACTS = "bundle.json"
BUNDLE_GRAPH = "graph.xml"
BUNDLE_WEIGHTS = "weights.safetensors"
BUNDLE_FAMILIAR = "familiar.safetensors"
MADE = {RECIPE, PLAN, FINGERPRINT, SPLIT, OUT_OF_FOLD, HISTORY, METRICS, ENVIRONMENT, TRAINING_PLOT, CONFUSION_PLOT}
MADE |= {EARLIER, LABELS_PLOT, PREDICTIONS, REPORT, MODEL_CARD, BUNDLE, JOURNAL, CHECKPOINT, LOCK, TENSORBOARD, EXPORT}
"""What a fit makes in a run's folder; anything else there is the user's."""
EXPORT_RECORD = "export.json"
"""Names the files of one export, beside them."""


def choose_run_folder(recipe: str, out: Path | None, overwrite: bool) -> Path:
    """Return where a new run will lie; raises RunError when `out` exists and may not be replaced.

    With `overwrite`, only a run (or an empty folder) is replaced, never any other folder.
    """
    if out is None:
        name = f"{datetime.now():%Y%m%d-%H%M%S}-{re.sub(r'[^A-Za-z0-9_.-]', '-', recipe)}"
        return find_free((RUNS / name).absolute())
    out = out.absolute()
    recover_replaced(out)
    if out == (RUNS / LATEST).absolute() and not out.exists():
        raise RunError(f"--out {out}: this name is reserved for the newest run", "choose another folder")
    if out.is_dir() and not overwrite and is_unfinished(out):
        raise RunError(f"--out {out}: contains an unfinished run", f"{write_resume(out)} goes on, --overwrite begins")
    if out.exists() and not overwrite and not _is_replaceable(out):
        raise RunError(f"--out {out}: exists already, and is not a run made by SightX", "choose another name")
    if out.exists() and not overwrite:
        raise RunError(f"--out {out}: exists already", "choose another folder, or add --overwrite to replace it")
    if out.is_dir() and is_locked(out):
        raise RunError(f"--out {out}: another process works on this run", "wait until it ends, or choose another")
    if out.exists() and not _is_replaceable(out):
        raise RunError(f"--out {out}: is not a run made by SightX, so it is not overwritten", "choose another folder")
    if out.is_dir():
        refuse_foreign("--out", out, list_made(out))
    return out.resolve() if out.is_symlink() else out  # runs/latest: the run it points to is replaced


def find_free(path: Path) -> Path:
    """Return the path or, if it is taken, the first free one of <name>-2, <name>-3 … (the suffix is kept)."""
    free, number = path, 2
    while free.exists():
        free, number = path.with_name(f"{path.stem}-{number}{path.suffix}"), number + 1
    return free


def list_made(folder: Path) -> list[str]:
    """List the names of what fits and exports make in a run, as patterns for `refuse_foreign`."""
    made = [one for one in MADE if one not in (BUNDLE, PREDICTIONS, CHECKPOINT, TENSORBOARD, EXPORT)]
    made += [f"{BUNDLE}/{name}" for name in (BUNDLE_FACTS, BUNDLE_WEIGHTS, BUNDLE_FAMILIAR, BUNDLE_GRAPH, "graph.bin")]
    made += [f"{PREDICTIONS}/valid.csv", f"{PREDICTIONS}/test.csv", f"{CHECKPOINT}/*", f"{TENSORBOARD}/*events.out.*"]
    for record in (folder / EXPORT).glob(f"*/{EXPORT_RECORD}"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            names = [EXPORT_RECORD, *json.loads(record.read_text(encoding="utf-8"))["files"]]
            made += [f"{EXPORT}/{record.parent.name}/{name}" for name in names]
    return made


def _is_replaceable(out: Path) -> bool:
    is_run = ((out / PLAN).is_file() and (out / BUNDLE).is_dir()) or (out / JOURNAL).is_file()
    return out.is_dir() and (is_run or not any(out.iterdir()))


def is_unfinished(folder: Path) -> bool:
    """Tell whether a fit began this run and did not end it: it has a journal that does not call it usable."""
    try:
        found = json.loads((folder / JOURNAL).read_text(encoding="utf-8"))
        return not found["journal"]["usable"]
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError):  # damaged: nothing says that it is whole
        return True


def is_left_over(folder: Path) -> bool:
    """Tell whether a run is unfinished, or has a checkpoint that no journal speaks of any more."""
    return is_unfinished(folder) or ((folder / CHECKPOINT).exists() and not (folder / JOURNAL).exists())


def replace_run(made: Path, replaced: Path) -> None:
    """Put a finished run in the place of another, which is removed: in one step where the system can."""
    if replaced.exists() and exchange_folders(made, replaced):
        remove_folder(made)
        return
    aside = _name_replaced(replaced)
    shutil.rmtree(aside, ignore_errors=True)
    if replaced.exists():
        replaced.rename(aside)
    made.rename(replaced)
    remove_folder(aside)


def remove_folder(folder: Path) -> None:
    """Remove a run under a hidden name, so that a process that is killed meanwhile leaves no half of one to be found.

    What of it cannot be removed stays, under that name.
    """
    with contextlib.suppress(OSError):  # Windows, while a file in it is open
        folder = move_aside(folder)
    shutil.rmtree(folder, ignore_errors=True)


def move_aside(folder: Path) -> Path:
    """Hide a folder that is to be removed, so that what is left of it is never taken for whole; returns its new name.

    Raises OSError.
    """
    aside = find_free(folder.with_name(f".{folder.name}-{os.getpid()}{REMOVED}"))
    return folder.rename(aside)


def recover_replaced(folder: Path) -> None:
    """Put back a run whose replacement was killed between its two renames."""
    if not folder.name:  # the current folder
        return
    aside = _name_replaced(folder)
    if not folder.exists() and not folder.is_symlink() and aside.is_dir():
        aside.rename(folder)


def _name_replaced(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}-replaced")


def is_run(folder: Path) -> bool:
    """Tell whether a folder is a run, finished or not. One that cannot be read is none.

    It has a bundle or a journal, or it is what is left of a fit that was killed before there was one or after.
    """
    try:
        if (folder / JOURNAL).exists() or (folder / BUNDLE / BUNDLE_FACTS).exists():
            return True
        names = {one.name for one in folder.iterdir()}
    except OSError:
        return False
    return bool(names & {CHECKPOINT, LOCK}) and names <= MADE


def list_runs(folder: Path = RUNS) -> list[Path]:
    """List the runs in a folder, finished and unfinished, by name: the oldest first where they have their own names."""
    if not folder.is_dir():
        return []
    found = [one for one in folder.iterdir() if one.is_dir() and not one.is_symlink() and not one.name.startswith(".")]
    return sorted(filter(is_run, found))


def name_latest(folder: Path, within: Path = RUNS) -> None:
    """Point `runs/latest` of the current folder to this run: a link, or a text file where links are not allowed."""
    within.mkdir(exist_ok=True)
    target, latest = folder.absolute(), within / LATEST
    aside = within / f".{LATEST}-{os.getpid()}"
    near = target.relative_to(within.absolute()) if target.is_relative_to(within.absolute()) else target
    try:
        aside.symlink_to(near, target_is_directory=True)
    except OSError:
        aside.write_text(str(target), encoding="utf-8")
    try:
        aside.replace(latest)
    except PermissionError:  # Windows replaces no link to a folder
        latest.unlink()
        aside.replace(latest)


def read_latest(within: Path = RUNS) -> Path | None:
    """Return the run that `latest` names, be it there or gone; None where there is no such name."""
    latest = within / LATEST
    if latest.is_symlink():
        return latest.resolve()
    return Path(latest.read_text(encoding="utf-8").strip()) if latest.is_file() else None


def resolve_run(name: str | Path) -> Path:
    """Return the folder that is meant: the one of this name here, else the run of this name in `runs/`, as listed.

    A folder here that holds no results, such as the images that a run is called by, hides no run. What is neither
    comes back as it is. Raises RunError where the newest run is meant, and gone.
    """
    path = Path(name)
    recover_replaced(path)
    is_here = is_run(path) or (path / METRICS).is_file() or (path.name == LATEST and path.is_file())
    if path.name == str(path) and not is_here:
        recover_replaced(RUNS / path)
        is_listed = is_run(RUNS / path) or (path.name == LATEST and os.path.lexists(RUNS / path))
        path = RUNS / path if is_listed else path
    latest = read_latest(path.parent) if path.name == LATEST else None
    if latest is not None and not latest.exists():
        raise RunError(f"{path}: points to a run that is gone, {latest}", LIST)
    return path if latest is None else latest


def find_run(model: str | Path | None) -> Path:
    """Return a run's folder: the given one, else the newest; raises RunError when there is none."""
    latest = RUNS / LATEST
    if model is None and not latest.exists():
        found = f"{latest} points to a run that is gone" if latest.is_symlink() else f"no run yet: there is no {latest}"
        begun = [one for one in list_runs() if is_unfinished(one)]
        hint = "sightx fit DATA makes one, or give the folder of a run elsewhere"
        if begun:
            hint = f"{write_resume(begun[-1])} goes on with an unfinished one"
        raise RunError(f"{found} in {Path.cwd()}", hint)
    model = resolve_run(model or latest)
    folder = model.parent if model.name == BUNDLE and not (model / BUNDLE).exists() else model
    recover_replaced(folder)
    if not folder.is_dir():
        raise RunError(f"{model}: no such run folder", LIST)
    if is_unfinished(folder):
        raise RunError(f"{folder}: this run is unfinished", f"{write_resume(folder)} goes on with it")
    if not (folder / BUNDLE / BUNDLE_FACTS).is_file():
        text = f"{folder}: contains no {BUNDLE}/{BUNDLE_FACTS}, so it is not a finished run"
        raise RunError(text, "give a folder made by fit; one made by evaluate holds no model")
    return folder.resolve()


def write_resume(folder: Path) -> str:
    """Write the command that goes on with a run."""
    near = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    return shlex.join(["sightx", "fit", "--resume", str(near)])


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name with `write` and rename it when complete; an error leaves nothing behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        write(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write a JSON file, completely or not at all; NumPy numbers and paths become plain values."""
    text = json.dumps(content, indent=2, ensure_ascii=False, default=_plain)
    write_file(path, lambda aside: aside.write_text(text + "\n", encoding="utf-8"))


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")
