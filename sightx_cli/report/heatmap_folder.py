"""A folder of heatmaps: a picture for each image and class, and a list that says which is which."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sightx_cli import runs
from sightx_cli.bundle.explainer import Explainer
from sightx_cli.bundle.predictor import Prediction
from sightx_cli.data.cells import shield_cell
from sightx_cli.data.readers import ImageFileError, holding_pixels, read_image
from sightx_cli.errors import RunError
from sightx_cli.filesystem import check_place
from sightx_cli.report.heatmap_picture import PANEL_PX, describe_answer, draw_heatmap, save_picture
from sightx_cli.results.explain import ExplainedImage

HEATMAPS = Path("heatmaps")
LIST = "heatmaps.csv"
COLUMNS = ("image", "prediction", "confidence", "status", "class", "picture", "covered", "exact", "error")
LONGEST_NAME = 28
"""Letters of an image's name, and of a class's, that a picture's name keeps: the number before them tells all apart."""


def choose_heatmap_folder(option: str, folder: Path | None, overwrite: bool, resume: bool = False) -> Path:
    """Return where heatmaps will lie; raises RunError where that exists and may not be replaced, or cannot be made."""
    if folder is None:
        return runs.find_free((HEATMAPS / f"{datetime.now():%Y%m%d-%H%M%S}").absolute())
    folder = folder.absolute()
    is_ours = folder.is_dir() and (has_heatmaps(folder) or not any(folder.iterdir()))
    if folder.exists() and not is_ours:
        raise RunError(f"{option} {folder}: exists and holds no heatmaps of SightX", "name another folder")
    if folder.exists() and not overwrite and not resume:
        raise RunError(f"{option} {folder}: exists already", "name another folder, or add --overwrite to replace it")
    check_place(option, folder)
    return folder


def list_drawn(folder: Path) -> list[str]:
    """List the names of what was made in a folder of heatmaps: the list, and the pictures that it names."""
    return [LIST, *(picture for _, picture in list_entries(folder / LIST) if picture)]


def has_heatmaps(folder: Path) -> bool:
    """Tell whether a folder was made for heatmaps: it has their list."""
    return (folder / LIST).is_file()


class HeatmapFolder:
    """Draws heatmaps into a folder, one image after the other; each picture, and the list, is whole at any moment."""

    def __init__(self, folder: Path, explainer: Explainer, images: int, resume: bool = False) -> None:
        """Begin in a folder for so many images; with `resume` what is listed there already stays."""
        self.folder, self.explainer = folder, explainer
        self._digits = len(str(images))
        self._list = folder / LIST
        self._listed: set[tuple[str, str]] = set()
        before = list_entries(self._list)
        if resume and has_heatmaps(folder):
            self._listed = before
        else:
            for _, picture in before:
                if picture.endswith(".png"):
                    (folder / Path(picture).name).unlink(missing_ok=True)
            folder.mkdir(parents=True, exist_ok=True)
            self._write_rows([COLUMNS], "w")

    def draw(self, number: int, path: str, prediction: Prediction, classes: Sequence[str] = ()) -> list[ExplainedImage]:
        """Draw what speaks for each class of an image, by default what it is given; pictures bear its `number`.

        An image that was not predicted, or can be read no longer, has one entry, with the error.
        """
        task, image = self.explainer.facts.task, prediction.image
        if prediction.probabilities is None or prediction.error:
            return self._add([ExplainedImage(image, error=prediction.error.removeprefix(f"{path}: "))])
        row = task.fill_row(prediction.probabilities, prediction.chosen)
        said, status = str(row[task.columns[0]]), prediction.status
        given = task.split_prediction(said) if said else task.name_classes(prediction.probabilities)
        try:
            heatmaps = self.explainer.explain(path, classes or given)
            with holding_pixels():
                pixels = read_image(path, min_long_side_px=PANEL_PX, reading=self.explainer.facts.reading)
        except (ImageFileError, OSError) as error:
            return self._add([ExplainedImage(image, said, status=status, error=str(error).removeprefix(f"{path}: "))])
        made = []
        for heatmap in heatmaps:
            probability = float(row[f"p_{heatmap.class_name}"])
            confidence = float(row.get("confidence", probability))
            kind = f"-{clean_name(heatmap.class_name)}" if len(heatmaps) > 1 else ""
            picture = self.folder / f"{number:0{self._digits}d}-{clean_name(Path(image).stem)}{kind}.png"
            words = describe_answer(said, status, heatmap.class_name, probability, prediction.plain is not None)
            drawn = draw_heatmap(pixels, heatmap, image, words)
            runs.write_file(picture, lambda aside, drawn=drawn: save_picture(drawn, aside))  # type: ignore[misc]
            parts = (heatmap.class_name, picture, heatmap.covered, heatmap.is_exact)
            made.append(ExplainedImage(image, said, confidence, status, *parts))
        return self._add(made)

    def _add(self, made: list[ExplainedImage]) -> list[ExplainedImage]:
        rows = []
        for one in made:
            name = one.picture.name if one.picture else ""
            answer, map_of = (one.prediction, one.confidence, one.status), (one.class_name, name)
            if (to_cell(one.image), name) not in self._listed:
                rows.append((one.image, *answer, *map_of, one.covered, one.is_exact, one.error))
        self._write_rows(rows, "a")
        return made

    def _write_rows(self, rows: Sequence[Sequence[object]], mode: str) -> None:
        with self._list.open(mode, encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            for row in rows:
                writer.writerow([to_cell(value) for value in row])


def list_entries(file: Path) -> set[tuple[str, str]]:
    """List what a list of heatmaps has: each image with its picture's name, "" for none."""
    if not file.is_file():
        return set()
    with file.open(encoding="utf-8", newline="") as rows:
        return {(row.get("image") or "", row.get("picture") or "") for row in csv.DictReader(rows)}


def to_cell(value: object) -> str:
    """Return a value as a cell of the list: no name as a formula, shares with four digits."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4f}"
    return str(shield_cell(str(value).encode("utf-8", "backslashreplace").decode("utf-8")))


def clean_name(name: str) -> str:
    """Return the letters, digits, dots and dashes of a name, cut: part of a file name on any system."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[:LONGEST_NAME].rstrip("-.") or "image"
