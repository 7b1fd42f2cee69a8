"""Wording of errors: lists of choices, the nearest valid name, and a value as it would be typed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence

from sightx_cli.errors import FAULTS_SHOWN, RecipeError

EXAMPLE = "sightx recipes show medical-medium prints a complete recipe"
# Below this likeness (difflib's ratio) a suggestion confuses more than it helps.
LIKENESS = 0.6
LONGEST_VALUE = 80


def find_nearest(name: str, choices: Iterable[str]) -> str | None:
    """Find the choice most like `name`, ignoring case, hyphens and underscores; None if none is similar."""
    from difflib import get_close_matches

    plain = {_fold(choice): choice for choice in choices}
    close = get_close_matches(_fold(name), plain, n=1, cutoff=LIKENESS)
    return plain[close[0]] if close else None


def suggest_nearest(name: str, choices: Iterable[str]) -> str:
    """Write '; did you mean "medical-medium"?', or nothing if no choice is similar."""
    nearest = find_nearest(name, choices)
    return f'; did you mean "{nearest}"?' if nearest is not None else ""


def join_choices(choices: Sequence[str]) -> str:
    """Write choices as '"avg" or "flatten"', '"a", "b" or "c"'."""
    quoted = [f'"{choice}"' for choice in choices]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def show_value(value: object) -> str:
    """Write a value as it would be typed in TOML, shortened to one line of at most 80 characters."""
    text = _write(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def write_share(value: object) -> str | None:
    """Write as a share what was given as a percentage, or with a decimal comma: "0.95" for 95%, 95 and 0,95.

    None for what is neither. It is for a hint: nothing is read so.
    """
    number, sign, rest = str(value).strip().replace(",", ".").partition("%")
    try:
        share = float(number)
    except ValueError:
        return None
    share = share / 100 if sign or share > 1 else share
    return f"{share:.12g}" if not rest and 0 < share < 1 else None


def build_recipe_error(faults: Sequence[str], where: str, hint: str) -> RecipeError:
    """Build the error for one fault, which is its message, or for several, which the message counts."""
    if len(faults) == 1:
        return RecipeError(faults[0], hint)
    return RecipeError(f"found {len(faults)} faults in {where}", hint, tuple(faults))


def advise_check(faults: Sequence[str], files: Sequence[str]) -> str:
    """Advise what to type after the faults of recipe files: what lists them all, where not all are printed."""
    return (
        f"{shlex.join(['sightx', 'recipes', 'check', *files, '--json'])} lists all faults"
        if (len(faults) > FAULTS_SHOWN)
        else EXAMPLE
    )


def _write(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_write(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_write(item) for item in value) + "]"
    return repr(value).replace("e-0", "e-") if isinstance(value, float) else str(value)


def _fold(name: str) -> str:
    return name.casefold().replace("-", "_")
