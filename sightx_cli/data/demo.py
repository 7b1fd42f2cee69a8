"""A real data set to try SightX with: 2,624 electroluminescence photographs of solar cells in four grades of defect.

They come in the package `elpv-dataset` (extra `demo`), images CC BY-NC-SA 4.0, so they are never part of SightX itself.
Deitsch et al. 2019, doi 10.1016/j.solener.2019.02.067; Buerhop-Lutz et al. 2018, EU PVSEC 35, 5CV.3.15.
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.data.manifest import Manifest, build_manifest
from sightx_cli.errors import DataError, RunError
from sightx_cli.progress import Listener

if TYPE_CHECKING:
    import pandas as pd

DEMO_PREFIX = "demo:"
"""The prefix of a demo source: `demo:solar`."""
DEMOS = ("solar",)

GRADES = {0: "0_functional", 1: "1_possibly_defective", 2: "2_probably_defective", 3: "3_defective"}
"""Thirds of the probability of a defect that the experts gave (0, 1/3, 2/3, 1), and the names of the four grades."""


def load_demo(name: str) -> Manifest:
    """The demo data set of this name as a manifest, read directly from the package that ships it.

    Raises: `DataError` for an unknown name, or if the package is not installed.
    """
    _check_name(name)
    return load_solar()


def load_solar() -> Manifest:
    """The solar cells, four grades in order, each image with its kind of cell in the column `cell` (mono or poly).

    Raises: `DataError` if the package `elpv-dataset` is not installed.
    """
    root = _find_solar()
    return build_manifest(_read_labels(root), root, "demo")


def write_demo(name: str, folder: str | Path, listener: Listener) -> Path:
    """Write a demo data set as `images/` and `labels.csv` into a folder; returns the path of the table.

    Raises: `DataError` like `load_demo`; `RunError` for a folder that is not empty or not writable.
    """
    _check_name(name)
    root = _find_solar()
    target = Path(folder).expanduser()
    frame = _read_labels(root)
    task = "writing the images"
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise RunError(f"{target} exists already and is not an empty folder", "choose a new folder")
        (target / "images").mkdir(parents=True)
        listener.start(task, len(frame), "images")
        try:
            for path, image in zip(frame["path"], frame["image"], strict=True):
                shutil.copyfile(path, target / image)
                listener.advance(task)
        finally:
            listener.finish(task)
        table, unfinished = target / "labels.csv", target / ".labels.csv.part"
        frame[["image", "label", "cell"]].to_csv(unfinished, index=False, encoding="utf-8")
        unfinished.replace(table)
    except OSError as error:
        raise RunError(
            f"cannot write to {target}: {error.strerror or error}", "free some space, or choose another folder"
        ) from error
    return table


def _check_name(name: str) -> None:
    if name not in DEMOS:
        choices = ", ".join(f"{DEMO_PREFIX}{demo}" for demo in DEMOS)
        raise DataError(f"there is no demo {name!r}; there is {choices}", f"type sightx fit {DEMO_PREFIX}{DEMOS[0]}")


def _find_solar() -> Path:
    """The folder of `labels.csv` and `images/` in the installed package, which is not imported."""
    spec = find_spec("elpv_dataset")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "data"
        if (folder / "labels.csv").is_file():
            return folder
    raise DataError("demo:solar needs the package elpv-dataset", 'type pip install "sightx-cli[demo]"')


def _read_labels(root: Path) -> pd.DataFrame:
    import pandas as pd

    table = pd.read_csv(root / "labels.csv", sep=r"\s+", header=None, names=["image", "probability", "cell"])
    return pd.DataFrame(
        {
            "image": table["image"],
            "path": [str(root / image) for image in table["image"]],
            "label": [GRADES[round(float(probability) * 3)] for probability in table["probability"]],
            "split": "",
            "group": "",
            "cell": table["cell"],
        },
        dtype=str,
    )
