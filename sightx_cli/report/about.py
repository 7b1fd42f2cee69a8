"""What the user says of a model and its images in `about.toml`, for the report and the model card."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError

from sightx_cli.errors import RecipeError, UsageError
from sightx_cli.filesystem import check_ordinary
from sightx_cli.recipe.faults import Fault, find_faults

EXAMPLE = "docs/about.toml in the repository is a whole example"
Said = StrictStr | StrictInt | list[StrictStr]
"""A text, a whole number, or a list of texts."""


class SaidTable(BaseModel):
    """A table whose unknown keys are faults; every field may be left out, and is then shown as not stated."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Purpose(SaidTable):
    """What the model is for: TRIPOD+AI items 3a and 3b, STARD-AI 15d."""

    name: Said | None = Field(default=None, title="name of the model")
    intended_use: Said | None = Field(default=None, title="intended use")
    population: Said | None = Field(default=None, title="intended population")
    user: Said | None = Field(default=None, title="intended user")
    not_for: Said | None = Field(default=None, title="not to be used for")


class Origin(SaidTable):
    """Where the images are from: TRIPOD+AI items 5 and 6, STARD-AI 11 and 13."""

    source: Said | None = Field(default=None, title="source of the images")
    dates: Said | None = Field(default=None, title="dates")
    sites: Said | None = Field(default=None, title="sites")
    devices: Said | None = Field(default=None, title="devices")
    included: Said | None = Field(default=None, title="who or what was included")
    excluded: Said | None = Field(default=None, title="who or what was excluded")


class Reference(SaidTable):
    """Who labelled the images and how: the reference standard, CLAIM items 14 to 18, STARD-AI 12."""

    standard: Said | None = Field(default=None, title="reference standard")
    labellers: Said | None = Field(default=None, title="who labelled")
    labellers_per_image: Said | None = Field(default=None, title="labellers for each image")
    disagreement: Said | None = Field(default=None, title="disagreement and how it was settled")


class Contact(SaidTable):
    """Who answers for it, and under which terms."""

    authors: Said | None = Field(default=None, title="authors")
    contact: Said | None = Field(default=None, title="contact")
    ethics: Said | None = Field(default=None, title="ethics approval and consent")
    funding: Said | None = Field(default=None, title="funding and interests")
    license: Said | None = Field(default=None, title="licence of the model")


class About(SaidTable):
    """All of it."""

    purpose: Purpose = Purpose()
    images: Origin = Origin()
    labels: Reference = Reference()
    contact: Contact = Contact()


def load_about(path: str | Path) -> dict[str, dict[str, Any]]:
    """Read and check an `about.toml`; returns its tables with what was said in each.

    Raises UsageError for a file that cannot be read or is no TOML, RecipeError with a line for each fault.
    """
    path = Path(path)
    try:
        check_ordinary(path)
        table = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"--about {path}: cannot be read ({error.strerror or error})", EXAMPLE) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"--about {path}: is not valid TOML ({error})", EXAMPLE) from error
    try:
        about = About.model_validate(table)
    except ValidationError as error:
        faults = {fault.key: fault for fault in map(_soften, reversed(find_faults(error, About)))}
        lines = tuple(fault.describe(str(path)) for fault in reversed(faults.values()))
        if len(lines) == 1:
            raise RecipeError(f"--about {lines[0]}", EXAMPLE) from error
        raise RecipeError(f"--about {path}: found {len(lines)} faults", EXAMPLE, lines) from error
    return about.model_dump(exclude_none=True)


def list_said(said: dict[str, dict[str, Any]]) -> dict[str, list[tuple[str, str | None]]]:
    """List each table's fields in words with what was said, None where nothing was."""
    found = {}
    for name, field in About.model_fields.items():
        part = field.annotation
        assert isinstance(part, type)
        assert issubclass(part, BaseModel)
        given = said.get(name, {})
        found[name] = [(str(one.title), _join(given.get(key))) for key, one in part.model_fields.items()]
    return found


def _soften(fault: Fault) -> Fault:
    """Say what a field takes in one way, whichever of its types pydantic tried: the fault is at the field."""
    table, _, name = fault.key.partition(".")
    key = f"{table}.{name.split('.')[0]}" if name else table
    if fault.found.startswith("the unknown key") or table not in About.model_fields or not name:
        return fault
    return Fault(key, fault.found, "a text, a whole number or a list of texts", None)


def _join(value: Any) -> str | None:
    if value is None:
        return None
    text = ", ".join(value) if isinstance(value, list) else str(value)
    return text.strip() or None
