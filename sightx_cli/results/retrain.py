"""What a fit that starts from an earlier run (`fit --from`) changed, and how the two compare on the same images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightx_cli.results.json_form import to_object

if TYPE_CHECKING:
    from sightx_cli.metrics.intervals import Interval
    from sightx_cli.metrics.paired import PairedDifference


@dataclass(frozen=True)
class ImageChange:
    """How today's images differ from those that the earlier run knew, by the bytes of their files."""

    new: int
    gone: int
    same: int
    relabelled: int
    """How many of the same bear another label now."""


@dataclass(frozen=True)
class ComparedFigures:
    """The figures of one of the two models on the images that both are compared on, and their 95 % intervals."""

    metrics: Mapping[str, float | None]
    intervals: Mapping[str, Interval | None]
    intervals_by: str = "images"


@dataclass(frozen=True)
class KeptModel:
    """Why the earlier run's weights are those of the new one: nothing that was learned did better."""

    metric: str
    """What chose between the two."""
    images: int
    """How many validation images it was measured on."""
    kept: float | None
    """The earlier model's figure."""
    learned: float | None
    """The best figure of what was learned; None where nothing was learned before the training ended."""

    def describe(self) -> str:
        """Say it in a sentence, with both figures."""
        from sightx_cli.metrics.registry import find_title

        said = "the earlier model is kept unchanged: "
        if self.kept is None or self.learned is None:
            return f"{said}nothing was learned from the new images that can be measured beside it"
        return (
            f"{said}what was learned from the new images is no better on the {self.images:,} validation images: "
            f"{find_title(self.metric)} {self.learned:.3f} against {self.kept:.3f}"
        )


@dataclass(frozen=True)
class Retraining:
    """Where a fit started, what changed since, and whether it became better."""

    run: Path
    """The earlier run."""
    images: ImageChange
    new_classes: tuple[str, ...]
    gone_classes: tuple[str, ...]
    """Classes of the earlier run that no image bears any more: the new model never answers them."""
    compared_on: int = 0
    """On how many images: of today's valid part those that neither was trained on, of classes that both know."""
    before: ComparedFigures | None = None
    """The earlier run's; None where there is no image to compare on."""
    after: ComparedFigures | None = None
    metric: str = ""
    """What says which of the two is better."""
    difference: PairedDifference | None = None
    """By how much the new run's figure of that metric is higher on the same images, and whether chance explains it."""
    kept: KeptModel | None = None
    """Told where the new run's weights are the earlier one's; None where it learned."""

    def to_json(self) -> dict[str, Any]:
        """Return the entry `from` of the result and of metrics.json."""
        found = to_object(vars(self))
        classes = {"new": found.pop("new_classes"), "gone": found.pop("gone_classes")}
        return {"run": found.pop("run"), "images": found.pop("images"), "classes": classes, **found}
