"""`compare`: several models on the same images, and whether the difference is more than chance."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from sightx_cli.errors import UsageError
from sightx_cli.evaluation.comparison import (
    choose_tables,
    compare_models,
    load_kept,
    open_candidate,
    tell_decisions,
)
from sightx_cli.evaluation.shared_images import share_images
from sightx_cli.filesystem import check_place
from sightx_cli.metrics.units import name_units
from sightx_cli.progress import Listener, Relay, Silent, reporting
from sightx_cli.report.comparison_page import choose_page, write_comparison
from sightx_cli.results.compare import CompareResult, describe_pair
from sightx_cli.steps.random_state import keeping_random_state

COMPARING = "comparing the models"
"""The work as the user sees it."""


@keeping_random_state()
def compare(
    folders: Sequence[str | Path],
    *,
    out: Path | None = None,
    overwrite: bool = False,
    listener: Listener | None = None,
) -> CompareResult:
    """Compare models, named by their runs or by evaluations of them, on the images that all were measured on.

    Images are told by the bytes of their files, by name and label where no digest of them is kept. Runs are compared on
    their test parts where all have one, else on their valid parts. The first is what the others are held against: by a
    paired bootstrap of the same images, or of whole groups of them, and by McNemar's test where images are independent.
    A threshold that one stores decides between its two classes. A page shows all of it: the .html file `out`, or a new
    one under `comparisons/`.

    Raises SightXError for models of other classes, or without an image in common.
    """
    began = time.perf_counter()
    heard = Relay(listener or Silent())
    if len(folders) < 2:
        raise UsageError("one model alone cannot be compared", "sightx compare RUN OTHER")
    page = choose_page(out, overwrite)
    check_place("--out", page, out is not None)
    candidates = [open_candidate(folder) for folder in folders]
    part, tables = choose_tables(candidates)
    if (decided := tell_decisions(candidates)) is not None:
        heard.notice(decided)
    found = share_images(load_kept(candidates, tables, part), [str(one.folder) for one in candidates])
    for notice in found.notices:
        heard.notice(notice)
    shared = found.kept
    with reporting(heard, COMPARING):
        models = compare_models(candidates, shared)
    together = list(shared[0].together)
    result = CompareResult(
        part=part,
        images=len(shared[0].images),
        intervals_by=name_units(together),
        task=candidates[0].task.kind,
        models=models,
        page=page,
        notices=tuple(heard.notices),
        seconds={"total": round(time.perf_counter() - began, 3)},
    )
    first, headline = str(candidates[0].folder), candidates[0].task.headline.name
    write_comparison(result, [describe_pair(model, first, headline) for model in models[1:]], page)
    return result
