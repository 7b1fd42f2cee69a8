"""What a dataclass of options tells of itself: what was given, its part of the plan, and the command to type again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightx_cli.errors import UsageError, quote
from sightx_cli.steps.option import OptionField, list_options

if TYPE_CHECKING:
    from sightx_cli.data.layout import Layout
    from sightx_cli.model.weights_file import WeightsFile


class OptionSet:
    """The base of `steps.options.Options`, whose fields are the options."""

    source: str | Path
    recipe: str
    settings: Sequence[str]
    group_by: str | None
    image_column: str | None
    label_column: str | None
    images: Path | None
    label_by: str | None
    multi_label: bool | None
    resume: Path | None
    from_run: Path | None
    weights: Path | None
    weights_mean: float | Sequence[float] | None
    weights_std: float | Sequence[float] | None
    weights_prefix: str | None

    def __post_init__(self) -> None:
        """Bring every value into the form to keep, whether it was typed or given from Python."""
        for one in self._list():
            object.__setattr__(self, one.name, one.read(getattr(self, one.name)))
        if self.source == "" and self.resume is None:
            raise UsageError("DATA is missing: a folder or a table of images", "sightx fit scans/, or --resume RUN")

    @property
    def is_recipe_named(self) -> bool:
        """Whether the user says which recipe it is: by its name, or as that of the run to start from."""
        return self.recipe != "auto" or self.from_run is not None

    def given(self) -> dict[str, Any]:
        """Return what is not at its default, by name."""
        listed = [(one, getattr(self, one.name)) for one in self._list()]
        return {one.name: value for one, value in listed if value != one.default}

    def facts(self, **outcomes: object) -> dict[str, tuple[object, str]]:
        """Return what the plan holds of the options: each value by its key, with its origin.

        `outcomes` replaces what was typed, by the option's name, where the result says more: how many images `exclude`
        left out, or None where there was nothing to do. Options that are off or not given are omitted.
        """
        given, facts = self.given(), {}
        for one in self._list():
            value = outcomes.get(one.name, getattr(self, one.name))
            is_off = value is None or (value is False and not one.is_three_valued)
            if one.about.plan_key and not is_off:
                value = str(value) if isinstance(value, Path) else value
                facts[one.about.plan_key] = (value, "option" if one.name in given else "default")
        return facts

    def write_command(self, command: str = "fit", whole: bool = False) -> str:
        """Write the command that trains the same on the same, to type next; the settings come last.

        With `whole`, it is the command that these options were given by, but for --resume.
        """
        given, words = self.given(), ["sightx", command, quote(self.source)]
        for one in sorted(self._list(command), key=lambda one: one.is_list):
            is_wanted = one.about.repeated or (whole and not one.is_argument and one.name != "resume")
            if is_wanted and one.name in given:
                words += map(quote, one.write(given[one.name]))
        return " ".join(words)

    def overrides(self) -> list[str]:
        """Return all that departs from the recipe, in the form of --set; raises UsageError for a value set twice."""
        from sightx_cli.recipe.overrides import join_overrides

        listed = [(one, getattr(self, one.name)) for one in self._list() if one.about.recipe_key]
        settled = [(one, value) for one, value in listed if value is not None and value != one.about.left_open]
        named = {one.about.recipe_key: (one.write(value), value) for one, value in settled}
        return join_overrides(named, self.settings)

    def layout(self) -> Layout:
        """Return where things stand in the source; raises UsageError for what contradicts itself."""
        from sightx_cli.data.layout import Layout

        return Layout(self.image_column, self.label_column, self.images, self.label_by, self.multi_label, self.group_by)

    def weights_file(self) -> WeightsFile | None:
        """Return the weights file with how to read it; raises WeightsError where that makes no sense."""
        from sightx_cli.model.weights_file import build_weights_file

        return build_weights_file(self.weights, self.weights_mean, self.weights_std, self.weights_prefix)

    def _list(self, command: str = "") -> tuple[OptionField, ...]:
        holder: type = type(self)
        return list_options(holder, command)
