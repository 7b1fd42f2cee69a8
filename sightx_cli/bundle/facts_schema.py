"""The schema of `bundle.json`: strict types and ranges, every value that prediction relies on."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError

from sightx_cli.recipe.faults import find_faults
from sightx_cli.recipe.parts import Head, ImageInput, Part, Text
from sightx_cli.recipe.profiles import CHANGES, PROFILES
from sightx_cli.recipe.values import Allowed

Share = Annotated[float, Field(ge=0, le=1)]
Deviation = Annotated[float, Field(gt=0, le=1)]
CHANNELS = Allowed("three numbers, one for each channel, on the 0 to 1 scale")


class ReadingSchema(Part):
    """How pixels are taken from files that leave a choice (see `data.readers.Reading`)."""

    page: Annotated[int | None, *ImageInput.model_fields["page"].metadata] = None
    bands: Annotated[tuple[int, ...] | None, *ImageInput.model_fields["bands"].metadata] = None
    asked: Annotated[tuple[float, float] | None, Allowed("null, or [low, high]")] = None
    ranges: Annotated[tuple[tuple[str, float, float], ...], Allowed("a list of [kind, low, high]")] = ()
    by_file: Annotated[bool, Allowed("true or false")] = False


def _check_profile(name: str) -> str:
    if name not in PROFILES:
        raise ValueError("no profile of this name")
    return name


def _check_change(name: str) -> str:
    if name not in CHANGES:
        raise ValueError("no change of this name")
    return name


class SetsSchema(Part):
    """What says that an image is unsure."""

    level: Annotated[float, Field(gt=0, lt=1), Allowed("a level between 0 and 1")]
    floors: Annotated[dict[str, tuple[Share, ...]], Allowed("a list of numbers from 0 to 1 for each level")]
    on: Text
    images: Annotated[int, Field(ge=1), Allowed("a whole number from 1")]
    shares: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Allowed("a list of numbers from 0 to 1")]


class FamiliaritySchema(Part):
    """What says that an image is unfamiliar."""

    stages: Annotated[int, Field(ge=1), Allowed("a whole number from 1")]
    limit: Annotated[float, Field(ge=0, le=2), Allowed("a number from 0 to 2")]
    neighbours: Annotated[int, Field(ge=1), Allowed("a whole number from 1")]
    vectors: Annotated[int, Field(ge=1), Allowed("a whole number from 1")]


class DecisionSchema(Part):
    """A threshold of the user's own."""

    positive: Annotated[tuple[str, ...], Allowed("a list of classes")]
    threshold: Annotated[float, Field(ge=0, le=1), Allowed("a number from 0 to 1")]
    chosen: Text
    on: Text


class BorneSchema(Part):
    """Which changes leave the labels alone."""

    profile: Annotated[str, AfterValidator(_check_profile), Allowed(", ".join(PROFILES))]
    off: Annotated[tuple[Annotated[str, AfterValidator(_check_change)], ...], Allowed(f"some of {', '.join(CHANGES)}")]


class FactsSchema(Part):
    """What `bundle.json` holds; `load_task` checks the task further."""

    task: Annotated[dict[str, Any], Allowed("a table with kind and classes")]
    size_px: Annotated[int, *ImageInput.model_fields["size_px"].metadata]
    fit: Literal["crop", "pad", "squash"]
    mean: Annotated[tuple[Share, Share, Share], CHANNELS]
    std: Annotated[tuple[Deviation, Deviation, Deviation], CHANNELS]
    backbone: Text
    head: Head
    recipe: Text
    temperature: Annotated[float, Field(gt=0), Allowed("a number above 0")]
    thresholds: Annotated[dict[str, Share] | None, Allowed("null, or a number from 0 to 1 for each class")]
    sets: Annotated[SetsSchema | None, Allowed("null, or a table with level, floors, on and images")]
    familiarity: Annotated[
        FamiliaritySchema | None, Allowed("null, or a table with stages, limit, neighbours and vectors")
    ]
    decision: Annotated[DecisionSchema | None, Allowed("null, or a table with positive, threshold, chosen and on")]
    borne: Annotated[BorneSchema | None, Allowed("null, or a table with profile and off")]
    grey: Annotated[Literal["mean", "sum"] | None, Allowed('"mean", "sum" or null')]
    reading: Annotated[ReadingSchema, Allowed("a table with page, bands, asked and ranges")] = ReadingSchema()
    graph: Annotated[bool, Allowed("true or false")]
    files: Annotated[
        dict[str, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]], Allowed("the SHA-256 of each file by its name")
    ]
    format: int


def parse_facts(text: bytes) -> dict[str, Any]:
    """Check the text of `bundle.json` and return its values, by the names of `BundleFacts`.

    Raises ValueError with the first fault and the number of the others.
    """
    try:
        return FactsSchema.model_validate_json(text).model_dump()
    except ValidationError as error:
        first, *others = (fault.describe("bundle.json") for fault in find_faults(error, FactsSchema))
        more = f", and {len(others)} more faults" if others else ""
        raise ValueError(f"{first.partition(': ')[2]}{more}") from error
