"""What the shell completes options with."""

from __future__ import annotations

from collections.abc import Callable


def complete_recipes(incomplete: str) -> list[tuple[str, str]]:
    """Offer the shipped recipes to the shell, and auto."""
    names = [("auto", "chosen from the number of images and the measured shift"), *complete_names("")]
    return [item for item in names if item[0].startswith(incomplete)]


def complete_names(incomplete: str) -> list[tuple[str, str]]:
    """Offer the shipped recipes to the shell, the reference recipes last."""
    from sightx_cli.recipe.files import list_reference_summaries, list_summaries

    shipped = [*list_summaries(), *list_reference_summaries()]
    named = [(name, one.summary) for one in shipped for name in (one.name, one.also) if name]
    return [item for item in named if item[0].startswith(incomplete)]


def complete_profiles(incomplete: str) -> list[tuple[str, str]]:
    """Offer the augmentation profiles to the shell."""
    from sightx_cli.recipe.profiles import PROFILES

    return [(name, profile.meaning) for name, profile in PROFILES.items() if name.startswith(incomplete)]


COMPLETIONS: dict[str, Callable[[str], list[tuple[str, str]]]] = {
    "recipes": complete_recipes,
    "profiles": complete_profiles,
}
"""By the name that an `Option` gives."""
