"""What a format of a finished model answers for: files that run without SightX, and how to run them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from sightx_cli import runs
from sightx_cli.bundle.export_code import Runner
from sightx_cli.bundle.facts import BundleFacts, check_bundled
from sightx_cli.bundle.familiar_file import load_familiar
from sightx_cli.bundle.familiarity import FamiliarImages

if TYPE_CHECKING:
    from torch import nn

ExportPrecision = Literal["float32", "float16", "bfloat16", "int8"]
PRECISIONS: tuple[ExportPrecision, ...] = ("float32", "float16", "bfloat16", "int8")
"""All that `--precision` can be; which format takes which, `Exporter.precisions` says."""

DISTANCE = "distance"
"""The output of exports that tells unfamiliar images."""

Images = NDArray[np.uint8]
Probabilities = NDArray[np.float32]


@dataclass(frozen=True)
class FinishedModel:
    """A finished run's model, to be written in another format."""

    run: Path
    facts: BundleFacts
    draw_training_views: Callable[[int], Images] | None = field(default=None, compare=False)
    """Gives up to so many plain views of training images (N, S, S, 3), spread over the part, to calibrate with; raises
    SightXError where none can be read. None where nobody asked for it."""

    @property
    def graph(self) -> Path | None:
        """The bundle's OpenVINO graph, checked; None where there is none. Raises RunError where it is another file."""
        if not self.facts.graph:
            return None
        check_bundled(self.run, self.facts, runs.BUNDLE_GRAPH, str(Path(runs.BUNDLE_GRAPH).with_suffix(".bin")))
        return self.run / runs.BUNDLE / runs.BUNDLE_GRAPH

    @cached_property
    def classifier(self) -> nn.Sequential:
        """The torch module: backbone and head, normalised images (N, 3, S, S) in, logits (N, C) out, untempered.

        Loaded once, and torch with it. Raises RunError where the weights are missing or damaged.
        """
        from sightx_cli.model.classifier import load_classifier

        facts = self.facts
        check_bundled(self.run, facts, runs.BUNDLE_WEIGHTS)
        weights = self.run / runs.BUNDLE / runs.BUNDLE_WEIGHTS
        return load_classifier(facts.backbone, facts.head, facts.task.outputs, facts.size_px, weights, facts.grey)

    @cached_property
    def familiar(self) -> FamiliarImages | None:
        """What tells unfamiliar images; None where nothing does. Raises RunError where its file is damaged."""
        return load_familiar(self.run, self.facts)

    def build_deployed(self, measures_distance: bool = False) -> nn.Module:
        """Build the whole program as a torch module: plain views (N, S, S, 3) uint8 in, tempered probabilities out.

        With `measures_distance` it gives a second output where the bundle can tell unfamiliar images: the distance of
        each to the training images, (N,).
        """
        from sightx_cli.model.deployed_classifier import DeployedClassifier, ImageDistance

        facts, familiar = self.facts, self.familiar if measures_distance else None
        distances = None if familiar is None else ImageDistance(familiar.vectors, familiar.neighbours)
        stages = facts.familiarity.stages if facts.familiarity else 0
        said = (facts.mean, facts.std, facts.temperature, distances, stages)
        return DeployedClassifier(self.classifier, facts.task.build_activation(), *said).eval()


@dataclass(frozen=True)
class ModelFile:
    """One file of an export that a runtime opens, and what goes in and comes out: part of the contract beside it."""

    name: str
    """Of the file, such as model.onnx."""
    takes: Literal["views", "any size"]
    """The plain view (N, S, S, 3) that the caller makes, or one image (H, W, 3) of any size."""
    input: str = "image"
    layout: str = "NHWC"
    dtype: str = "uint8"
    output: str = "probabilities"
    gives: Literal["probabilities", "logits"] = "probabilities"
    """Tempered probabilities, or logits that the caller divides by the temperature and activates."""
    normalises: bool = True
    """Whether the file does the normalisation by mean and deviation itself."""
    distance: str = ""
    """The output that tells unfamiliar images, where the bundle can tell them; "" where the file has none."""


@dataclass(frozen=True)
class LoadedExport:
    """The exported files, each opened in its own runtime: both give the tempered probabilities of the bundle."""

    answer_views: Callable[[Images], Probabilities]
    """From plain views (N, S, S, 3) uint8 RGB to (N, C), with whatever the contract asks of the caller."""
    answer_image: Callable[[Images], Probabilities] | None = None
    """From one whole image (H, W, 3) uint8 RGB to (C,); None where the format has no such file."""
    measure_views: Callable[[Images], NDArray[np.float32]] | None = None
    """From plain views to their distances from the training images, (N,); None where that is not exported."""


class Exporter(Protocol):
    """One format of a finished model.

    A new one is a module in `bundle/exporters/` and a line in its EXPORTERS. What it wrote is opened by `load` and held
    against the bundle (`bundle.export_check`) before anyone gets it.
    """

    name: str
    """What `--format` takes; also the folder of the export."""
    precisions: tuple[ExportPrecision, ...]
    """What its numbers may be kept in; any other is refused with these."""
    extra: str
    """The extra of pyproject.toml that brings its packages; "" where a plain install has them."""
    packages: Mapping[ExportPrecision, tuple[str, ...]]
    """The modules that must be there, by precision."""
    models: Sequence[ModelFile]
    """The files that a runtime opens, that of plain views first; what else is written (weights beside a graph) is found
    in the folder."""
    runner: Runner | None
    """How Python runs the first of them, written beside it as `predict_NAME.py`; None where nothing is written."""

    def write(self, model: FinishedModel, folder: Path, precision: ExportPrecision) -> str:
        """Write the files into a folder that is there; returns why not where this network cannot be, in one line.

        Raises OSError when the disk is full.
        """

    def load(self, model: FinishedModel, folder: Path, precision: ExportPrecision) -> LoadedExport:
        """Open what `write` wrote in its own runtime, as its user would; computes in the precision it is kept in."""
