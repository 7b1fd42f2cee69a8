"""What the images of a data set reveal: shift and recipe, duplicates, outliers, doubtful labels.

The result is cached under a hash of its inputs, so that a second look at the same images is quick and
never imports torch.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from sightx_cli.data.manifest import Manifest
from sightx_cli.data.readers import Reading, list_packages
from sightx_cli.data.splits import join_groups
from sightx_cli.data.text_columns import count_texts, find_trained, list_some
from sightx_cli.features.addresses import digest_key
from sightx_cli.features.examination import Examination
from sightx_cli.features.store import FeatureStore
from sightx_cli.probe.trials import select_taps
from sightx_cli.progress import Listener, reporting
from sightx_cli.quality.advice import choose_by_shift, measure_manifest_shift
from sightx_cli.quality.duplicates import COMPARING, Duplicate, find_duplicates, find_twins
from sightx_cli.quality.neighbours import find_neighbours, reduce_features
from sightx_cli.quality.outliers import NEIGHBOUR, find_outliers
from sightx_cli.recipe.catalog import find_recipe
from sightx_cli.recipe.decision import count_images
from sightx_cli.recipe.settings import TAPS, change_setting
from sightx_cli.results.inspect import Advice, Shift
from sightx_cli.startup.imports import LOADING, NETWORKS

if TYPE_CHECKING:
    import pandas as pd

    from sightx_cli.quality.label_doubts import Doubt
    from sightx_cli.recipe.recipe import Recipe

DOUBTING = "weighing the labels"


@dataclass(frozen=True)
class Analysis:
    """What was found; images by their indices among the readable ones."""

    advice: Advice
    duplicates: tuple[Duplicate, ...]
    outliers: tuple[tuple[int, float], ...]
    """The index of each image far from all others, and how far, in robust standard deviations; the farthest first."""
    doubts: tuple[Doubt, ...]
    agreement: float | None
    """The share of labels that the quick head agrees with; None if it could not be trained."""


def advise(frame: pd.DataFrame, reading: Reading, listener: Listener) -> Advice:
    """Measure the shift of the training images, and choose the recipe."""
    paths = list_some(frame["path"], is_listed=find_trained(frame["split"]))
    shift = measure_manifest_shift(paths, reading, listener)
    choice = choose_by_shift(count_images(count_texts(frame["split"])), shift)
    return Advice(shift, choice.recipe, choice.reason)


def advise_again(advice: Advice, frame: pd.DataFrame) -> Advice:
    """Choose the recipe for all images by the shift that was measured on some of them."""
    choice = choose_by_shift(count_images(count_texts(frame["split"])), advice.shift)
    return Advice(advice.shift, choice.recipe, choice.reason)


def analyse(
    manifest: Manifest, frame: pd.DataFrame, examination: Examination, store: FeatureStore, listener: Listener
) -> Analysis:
    """Find all that needs the network, or load it from the cache.

    Raises WeightsError when the network's weights are not available.
    """
    address = _address(manifest, frame, examination)
    kept = store.find_text(address)
    if kept is not None:
        return _read(kept)
    advice = advise(frame, examination.reading, listener)
    analysis = _compute(advice, frame, manifest.separator, examination, store, listener)
    store.keep_text(address, json.dumps(asdict(analysis)), f"what inspect found among {len(frame):,} images")
    store.tell(listener)
    return analysis


def _compute(
    advice: Advice,
    frame: pd.DataFrame,
    separator: str,
    examination: Examination,
    store: FeatureStore,
    listener: Listener,
) -> Analysis:
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with reporting(listener, LOADING[NETWORKS]):
        from sightx_cli.features.plain import extract_plain_features
    from sightx_cli.quality.label_doubts import find_doubts
    from sightx_cli.quality.set_doubts import find_set_doubts

    paths = [str(path) for path in frame["path"]]
    recipe = choose_reader(advice.recipe)
    # All taps, as the probe reads them, and exact: one view of the images serves both, and the fit, which may measure
    # on any of them.
    wide = change_setting(recipe, TAPS, "all")
    every = extract_plain_features(
        wide, None, paths, examination.digests, store, listener, dtype="float32", reading=examination.reading
    )
    features = select_taps(every.rows, every.widths, recipe.model.head.taps)
    last = every.rows[:, -every.widths[-1] :]
    # One thread of linear algebra: its threads wait for each other by spinning, which beside other work costs several
    # times what they gain on matrices this small; pixels are compared in threads of their own.
    with threadpool_limits(1, user_api="blas"):
        listener.start(COMPARING, None, "")
        twins = find_twins(examination.digests, examination.pixel_digests)
        alone = np.unique(twins)
        near = find_neighbours(reduce_features(last[alone]))
        # Images of one colour are alike, but no copies of one photograph: that they are blank is said elsewhere.
        duplicates = tuple(
            one
            for one in find_duplicates(examination, twins, near, listener)
            if one.kind == "bytes" or not all(examination.found[place].blank for place in one.places)
        )
        as_they_are = find_neighbours(reduce_features(last[alone], about_mean=False), NEIGHBOUR)
        outliers = tuple((int(alone[row]), remoteness) for row, remoteness in find_outliers(as_they_are))
        listener.finish(COMPARING)
        listener.start(DOUBTING, None, "")
        copies = [""] * len(frame)
        for number, duplicate in enumerate(duplicates):
            for place in duplicate.places:
                copies[place] = str(number)
        labels, together = frame["label"].tolist(), join_groups(frame["group"].tolist(), copies)
        if separator:
            doubts = find_set_doubts(features, labels, separator, together)
        else:
            doubts = find_doubts(features, labels, together)
        listener.finish(DOUBTING)
    return Analysis(advice, duplicates, outliers, doubts.found, doubts.agreement)


def choose_reader(name: str) -> Recipe:
    """Return the recipe whose frozen network examines the images: the chosen one, so that a fit reuses the features.

    A recipe that trains from random weights uses the pretrained ones here.
    """
    recipe, _ = find_recipe(name)
    if recipe.model.weights != "scratch":
        return recipe
    return change_setting(recipe, "model.weights", "imagenet")


def _address(manifest: Manifest, frame: pd.DataFrame, examination: Examination) -> str:
    """Return the address of an analysis: all that it depends on."""
    packages = ("cleanlab", "scikit-learn", "openvino", "torch", "timm", *list_packages())
    return digest_key(
        {
            "analysis": "inspect",
            "digests": examination.digests,
            "columns": {name: frame[name].tolist() for name in ("label", "split", "group")},
            "kind": manifest.kind,
            "separator": manifest.separator,
            "reading": asdict(examination.reading),
        },
        packages,
    )


def _read(text: str) -> Analysis:
    from sightx_cli.quality.label_doubts import Doubt

    kept = json.loads(text)
    return Analysis(
        Advice(**{**kept["advice"], "shift": Shift(**kept["advice"]["shift"])}),
        tuple(Duplicate(tuple(one["places"]), one["kind"]) for one in kept["duplicates"]),
        tuple((place, remoteness) for place, remoteness in kept["outliers"]),
        tuple(Doubt(**one) for one in kept["doubts"]),
        kept["agreement"],
    )
