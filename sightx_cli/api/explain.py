"""`explain`: draw where in images the score of a class comes from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sightx_cli import runs
from sightx_cli.bundle.bundle_forward import AUTO, choose_bundle_device
from sightx_cli.bundle.explainer import load_explainer
from sightx_cli.bundle.predicted_rows import NO_IMAGE
from sightx_cli.bundle.predictor import Prediction, load_predictor
from sightx_cli.data.checks import Unreadable, refuse_all
from sightx_cli.data.layout import Layout
from sightx_cli.data.pixel_notices import PixelTally
from sightx_cli.data.queries import build_query
from sightx_cli.data.spellings import describe_matches
from sightx_cli.filesystem import refuse_foreign
from sightx_cli.progress import Listener, Silent
from sightx_cli.report.heatmap_folder import HeatmapFolder, choose_heatmap_folder, list_drawn
from sightx_cli.report.hidden_folder import making_folder
from sightx_cli.results.explain import ExplainedImage, ExplainResult
from sightx_cli.steps.random_state import keeping_random_state

TASK = "drawing heatmaps"


@keeping_random_state()
def explain(
    sources: str | Path | Sequence[str | Path],
    *,
    model: str | Path | None = None,
    out: Path | None = None,
    class_name: str | None = None,
    overwrite: bool = False,
    device: str = AUTO,
    listener: Listener | None = None,
) -> ExplainResult:
    """Draw a heatmap of each image: where the score of the class comes from that a run gives it, or of a named one.

    Images are files, folders (recursive) or tables, as in `predict`. The folder `out` appears whole, with a PNG for
    each image (each label that it is given, where there may be several) and the list `heatmaps.csv`. An image that
    cannot be read has its entry, with the reason in `error`. `model` is a run, by default the newest. `device` is auto
    (a GPU where there is one and the images are many), cpu, cuda or mps. Raises SightXError for anything wrong in the
    input, and where no image can be read.
    """
    began = time.perf_counter()
    listener = listener or Silent()
    folder = choose_heatmap_folder("--out", None if out is None else Path(out), overwrite)
    if folder.exists():
        refuse_foreign("--out", folder, list_drawn(folder))
    run = runs.find_run(model)
    query = build_query([sources] if isinstance(sources, (str, Path)) else list(sources), Layout())
    files = {row.path: row.image for row in query.rows if row.path}
    for notice in query.notices:
        listener.notice(notice)
    device = choose_bundle_device(device, len(files))
    explainer = load_explainer(run, device)
    asked = {} if class_name is None else {class_name: explainer.check_class(class_name)}
    respelled, classes = describe_matches("--class: class", asked), tuple(asked.values())
    if respelled is not None:
        listener.notice(respelled)
    predictor = load_predictor(run, 1 if len(files) == 1 else None, device=device)
    tally = PixelTally(predictor.facts.reading)
    images = [ExplainedImage(row.image, error=NO_IMAGE) for row in query.rows if not row.path]
    listener.start(TASK, len(files), "images")
    with making_folder(folder, overwrite) as making:
        heatmaps = HeatmapFolder(making.partial, explainer, len(files))
        predictions = predictor.predict((image, path) for path, image in files.items())
        for number, (path, prediction) in enumerate(zip(files, predictions, strict=True), 1):
            _count(prediction, tally)
            images += heatmaps.draw(number, path, prediction, classes)
            listener.advance(TASK)
        if not any(one.picture for one in images):
            raise refuse_all([Unreadable(one.image, one.error) for one in images])
    listener.finish(TASK)
    noticed = tuple(tally.list_notices(can_change=False))
    for notice in noticed:
        listener.notice(notice)
    return ExplainResult(
        images=tuple(_move(one, making.folder) for one in images),
        folder=making.folder,
        run=run,
        seconds={"total": round(time.perf_counter() - began, 3)},
        unreadable=sum(bool(one.error) for one in images),
        notices=(*query.notices, *([respelled] if respelled is not None else []), *noticed),
    )


def _count(prediction: Prediction, tally: PixelTally) -> None:
    if prediction.found is not None:
        tally.add(prediction.image, prediction.found)


def _move(image: ExplainedImage, folder: Path) -> ExplainedImage:
    """Return an entry whose picture lies in the folder that the one in the making became."""
    return image if image.picture is None else replace(image, picture=folder / image.picture.name)
