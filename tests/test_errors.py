"""What a message asks to type can be pasted: no folder, file or expression of the user's is run as a command."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sightx_cli
from sightx_cli.bundle.table import check_output
from sightx_cli.data.sources import load_manifest
from sightx_cli.errors import SightXError, quote
from sightx_cli.recipe.files import copy_recipe
from sightx_cli.report.result_folder import choose_picture
from sightx_cli.steps.options import Options

PACKAGE = Path(sightx_cli.__file__).parent
HOSTILE = "a'; touch hacked; '$(touch hacked)`touch hacked`"
TYPED = re.compile(r"(?:^|[\s'(:])(?:sightx|ls|cd|pip|mv|cp|rm) |^--[a-z]|: --[a-z]")
"""Words that begin a command, or an option to add to one."""

OURS = {
    *("available[0]", "DEMO_PREFIX", "DEMOS[0]", "choice.recipe", "nearest", "result.chosen", "low", "shift"),
    *("fewest", "len(units)", "scaled[0]", "scaled[1]", "flag", "profile", "key", "tracker.name", "extras"),
    *("annotation_format.extra", "annotation_format.name"),
    *("found", "alone[0]", "max(2, found)"),
    *("self._fit", "self._leave_out", "option", "options.write_command()", "clean", "units", "self.headline.name"),
}
"""What stands in commands unquoted: our own words, numbers, and what was quoted where it was made."""


def find_hints(tree: ast.AST) -> list[ast.expr]:
    """What is said to be typed next: the hint of an error, what a command ends with, and the pieces of both."""
    found: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Error"):
            found += [*node.args[1:2], *(word.value for word in node.keywords)]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("print_next", "print_error", "answer")):
            found += node.args
        elif isinstance(node, ast.Assign | ast.Return) and node.value is not None:
            found.append(node.value)
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_every_text_of_the_users_in_a_command_is_quoted(path: Path) -> None:
    bare = []
    for hint in find_hints(ast.parse(path.read_text(encoding="utf-8"))):
        for text in (node for node in ast.walk(hint) if isinstance(node, ast.JoinedStr)):
            words = "".join(part.value if isinstance(part, ast.Constant) else "…" for part in text.values)
            values = [ast.unparse(part.value) for part in text.values if isinstance(part, ast.FormattedValue)]
            if TYPED.search(words):
                bare += [(text.lineno, value) for value in values if "quote(" not in value and value not in OURS]
    assert not bare, "sightx_cli.errors.quote is for what the user named; OURS lists the rest"


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=30))
def test_whatever_is_quoted_is_one_word(text: str) -> None:
    assert shlex.split(quote(text)) == [text]
    (word,) = shlex.split(quote(Path(text)))
    assert Path(word) == Path(text)
    assert not word.startswith("-")


def list_commands(tmp_path: Path) -> list[str]:
    """What is said to be typed where folders and files have a hostile name."""
    home = tmp_path / HOSTILE
    home.mkdir()
    (home / "labels.csv").write_text("image,label\n")
    (home / "mine.toml").write_text("")
    (home / "file").write_text("")
    said = [Options(source=home, group_by=HOSTILE).write_command()]
    for fail in (
        lambda: load_manifest(home / "missing"),
        lambda: load_manifest(home),
        lambda: check_output(home / "table.txt", False),
        lambda: check_output(home, False),
        lambda: choose_picture("lr-find", home / "file", False),
        lambda: copy_recipe("natural-small", home / "mine.toml"),
        lambda: copy_recipe(home / "mine.toml", home / "mine.toml"),
    ):
        with pytest.raises(SightXError) as caught:
            fail()
        said.append(caught.value.hint)
    return said


def test_a_hint_that_is_pasted_runs_nothing_of_a_name(tmp_path: Path) -> None:
    for said in list_commands(tmp_path):
        subprocess.run(["sh", "-c", f"echo {said}"], cwd=tmp_path, check=False, capture_output=True)
        assert not (tmp_path / "hacked").exists(), said
