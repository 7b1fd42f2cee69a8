"""Recipe files: finding, reading and copying them. Nothing here checks a recipe, so nothing needs pydantic."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightx_cli.errors import RecipeError, RunError, quote
from sightx_cli.filesystem import check_ordinary
from sightx_cli.recipe.decision import VERDICTS, Verdict
from sightx_cli.recipe.names import EXAMPLE, find_nearest, join_choices
from sightx_cli.recipe.values import read_band

FAMILIES = {"natural": "everyday", "medical": "distinct"}
"""Other names of the families: `medical` stands for all images unlike everyday photographs, steel as well as scans."""

_NAME_LINE = re.compile(r"^name(\s*)=(\s*).*$", re.MULTILINE)


@dataclass(frozen=True)
class Summary:
    """What a list shows of a recipe: its band of images (half-open; None: no upper end), like or unlike ImageNet."""

    name: str
    summary: str
    images: tuple[int, int | None]
    shift: Verdict
    file: Path

    @property
    def also(self) -> str:
        """The recipe's other name; empty if it has none."""
        family, dash, size = self.name.partition("-")
        return f"{FAMILIES[family]}-{size}" if dash and family in FAMILIES and self.file.parent == find_folder() else ""


def find_folder() -> Path:
    """Find the recipe folder: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "recipes"
    return inside if inside.is_dir() else package.parent / "recipes"


def find_reference_folder() -> Path:
    """Find the folder of the reference recipes: textbook designs that the decision table never picks."""
    return find_folder() / "reference"


def list_files() -> dict[str, Path]:
    """List the files of all shipped recipes by name, without reading them: the table's first, then references."""
    folders = (find_folder(), find_reference_folder())
    return {file.stem: file for folder in folders for file in sorted(folder.glob("*.toml"))}


def list_aliases() -> dict[str, str]:
    """List the other names of the decision table's recipes, each with the name that it stands for."""
    names = [file.stem for file in sorted(find_folder().glob("*.toml"))]
    parts = [name.partition("-") for name in names]
    return {f"{FAMILIES[family]}-{size}": f"{family}-{size}" for family, _, size in parts if family in FAMILIES}


def list_summaries() -> list[Summary]:
    """List the shipped recipes in the order of the decision table, read but not checked: quick enough for `--help`.

    Raises:
        RecipeError: a file is so faulty that not even its summary can be read.
    """
    summaries = [load_summary(file) for file in sorted(find_folder().glob("*.toml"))]
    return sorted(summaries, key=lambda one: (VERDICTS.index(one.shift), one.images[0], one.name))


def list_reference_summaries() -> list[Summary]:
    """List the reference recipes by name, read but not checked.

    Raises:
        RecipeError: a file is so faulty that not even its summary can be read.
    """
    return [load_summary(file) for file in sorted(find_reference_folder().glob("*.toml"))]


def load_summary(file: Path) -> Summary:
    """Load the summary of a recipe.

    Raises:
        RecipeError: it cannot be read.
    """
    table = load_table(file)
    try:
        when = table["when"]
        band, shift = read_band(when["images"]), VERDICTS[VERDICTS.index(when["shift"])]
        return Summary(str(table["name"]), str(table["summary"]), band, shift, file)
    except (KeyError, TypeError, ValueError) as error:
        hint = f"sightx recipes check {quote(file)}"
        raise RecipeError(f"{file}: found no valid name, summary or [when]", hint) from error


def load_table(path: str | Path) -> dict[str, Any]:
    """Load a recipe file as a plain table, not yet checked, for `apply_overrides` and `parse_recipe`.

    Raises:
        RecipeError: the file cannot be read or is not TOML.
    """
    try:
        return read_toml(load_text(path))
    except ValueError as error:
        raise RecipeError(f"{path}: found invalid TOML ({error}); allowed: a recipe in TOML", EXAMPLE) from error


def read_toml(text: str) -> dict[str, Any]:
    """Read TOML. Raises ValueError for what is no TOML, nested too deep, or an integer of more than TOML's 64 bits."""
    try:
        table = tomllib.loads(text)
        _check_integers(table)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    return table


def _check_integers(value: object) -> None:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _check_integers(item)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("an integer has more than 64 bits")


def load_text(path: str | Path) -> str:
    """Load the text of a recipe file.

    Raises:
        RecipeError: the file cannot be read or is not text.
    """
    try:
        check_ordinary(path)
        # utf-8-sig: editors on Windows may write a byte-order mark, which TOML does not allow
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = error.strerror or str(error)
        raise RecipeError(f"{path}: cannot be read ({reason}); allowed: a TOML file", "sightx recipes list") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: found text that is not UTF-8 ({error}); allowed: a TOML file", EXAMPLE) from error


def find_recipe_file(name_or_file: str | Path) -> Path:
    """Find a recipe's file, like `find_recipe`, without reading it.

    Raises:
        RecipeError: it is neither a shipped name nor a file.
    """
    text = str(name_or_file)
    shipped, aliases = list_files(), list_aliases()
    if aliases.get(text, text) in shipped:
        return shipped[aliases.get(text, text)]
    names = (*shipped, *aliases)
    path = Path(text).expanduser()
    try:
        check_ordinary(path)
        return path.resolve()
    except FileNotFoundError:
        found = "no such file"
    except (OSError, ValueError) as error:  # ValueError: no file can have this name
        found = getattr(error, "strerror", None) or str(error)
    if path.suffix == ".toml" or path.name != text:
        raise RecipeError(
            f"{text}: found {found}; allowed: a recipe file or one of {join_choices(tuple(shipped))}",
            "sightx recipes list",
        )
    nearest = find_nearest(text, names)
    raise RecipeError(
        f'found recipe "{text}"; allowed: {join_choices(tuple(shipped))}, or the path of a TOML file',
        f'did you mean "{nearest}"? sightx recipes show {nearest}' if nearest else "sightx recipes list",
    )


def copy_recipe(name_or_file: str | Path, file: str | Path) -> Path:
    """Copy a recipe, comments included, to a new file as a start for one's own; its `name` becomes that of the file.

    Raises:
        RecipeError: no such recipe.
        RunError: the file exists already or cannot be written.
    """
    source = find_recipe_file(name_or_file)
    target = Path(file).expanduser().absolute()
    if target.exists():
        raise RunError(
            f"{target}: exists already; allowed: a new file", f"sightx recipes copy {quote(name_or_file)} another.toml"
        )
    text = load_text(source)
    if re.fullmatch(r"\w[\w.-]*", target.stem):
        text = _NAME_LINE.sub(lambda line: f'name{line[1]}={line[2]}"{target.stem}"', text, count=1)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.rename(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise RunError(
            f"{target}: cannot be written ({error.strerror or error}); allowed: a writable folder",
            f"sightx recipes copy {quote(name_or_file)} mine.toml",
        ) from error
    return target
