"""Every way a command can fail ends in one clear line on stderr and the right exit status."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sightx_cli.app import Boundary, app
from sightx_cli.commands.base import Commands
from sightx_cli.commands.flat_options import flatten_options
from sightx_cli.commands.talk import Talk
from sightx_cli.errors import DataError, RecipeError


def fail(error: BaseException, *args: str) -> Any:
    """Run a command that raises this error, inside the boundary."""
    small = Commands(cls=Boundary)

    @small.callback()
    def group() -> None:
        """Hold the command."""

    @small.command("work")
    @flatten_options
    def work(talk: Talk) -> None:
        """Fail."""
        with talk.listen():
            raise error

    return CliRunner().invoke(small, ["work", *args])


def test_an_error_of_the_user_is_one_line_and_a_hint() -> None:
    done = fail(DataError("scans/ has no images", "sightx fit FOLDER"))
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "error: scans/ has no images\nhint:  sightx fit FOLDER\n"


def test_every_fault_of_a_recipe_has_a_line() -> None:
    done = fail(RecipeError("mine.toml has 2 faults", "sightx recipes check mine.toml", ("stage.0: a", "image: b")))
    assert done.exit_code == 2
    assert done.stderr.splitlines()[1:3] == ["  stage.0: a", "  image: b"]


def test_of_many_faults_the_first_are_shown_and_the_rest_counted() -> None:
    done = fail(
        RecipeError("mine.toml has faults", "see them all", tuple(f"fault {number}" for number in range(5_000)))
    )
    assert done.stderr.splitlines() == [
        "error: mine.toml has faults",
        "  fault 0",
        "  fault 1",
        "  fault 2",
        "  and 4,997 more",
        "hint:  see them all",
    ]


def test_a_message_as_long_as_a_file_is_cut() -> None:
    assert len(fail(DataError("x" * 1_000_000)).stderr) < 2_100


def test_with_json_an_error_leaves_stdout_empty() -> None:
    done = fail(DataError("no images"), "--json")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: no images")


def test_a_message_of_several_lines_becomes_one() -> None:
    assert fail(DataError("first\nsecond")).stderr == "error: first second\n"


def test_control_characters_of_a_file_name_do_not_reach_the_terminal() -> None:
    assert fail(DataError("cannot read \x1b[2Ja.png")).stderr == "error: cannot read \\x1b[2Ja.png\n"


def test_brackets_in_a_message_are_no_markup() -> None:
    assert fail(DataError("[red]scans[/red]")).stderr == "error: [red]scans[/red]\n"


def test_a_defect_of_ours_exits_1_without_a_traceback() -> None:
    done = fail(ZeroDivisionError("division by zero"))
    assert done.exit_code == 1
    assert "a bug in SightX: ZeroDivisionError at test_boundary.py:" in done.stderr
    assert "--debug" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), DataError("no images")], ids=["defect", "wrong input"])
def test_debug_shows_the_traceback(error: Exception) -> None:
    done = fail(error, "--debug")
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_exits_2_and_names_the_file(code: int) -> None:
    done = fail(OSError(code, "full", "runs/x/metrics.json"))
    assert done.exit_code == 2
    assert done.stderr.startswith("error: no space left on the disk: runs/x/metrics.json\nhint:")


@pytest.mark.parametrize("code", [errno.EIO, errno.ENAMETOOLONG, errno.EMFILE, errno.ESTALE])
def test_a_failing_disk_exits_2_and_names_the_file(code: int) -> None:
    done = fail(OSError(code, "it failed", "/scans/a.png"))
    assert done.exit_code == 2
    assert done.stderr.startswith("error: it failed: /scans/a.png\nhint:")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_missing_permission_exits_2_and_names_the_folder(code: int) -> None:
    done = fail(OSError(code, "denied", "/scans"))
    assert done.exit_code == 2
    assert done.stderr.startswith("error: permission denied: /scans\nhint:")


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (MemoryError(), "memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "memory"),
        (OSError("libcublasLt.so.13: failed to map segment from shared object"), "memory"),
        (RuntimeError("Exception from src/inference/src/dev/plugin.cpp:54:\nstd::bad_alloc"), "memory"),
        (RuntimeError("Exception from src/inference/src/dev/plugin.cpp:54: can't alloc"), "memory"),
        (RuntimeError("can't start new thread"), "threads"),
    ],
    ids=str,
)
def test_a_shortage_is_called_by_its_name(error: Exception, what: str) -> None:
    done = fail(error)
    assert (done.exit_code, done.stdout) == (2, "")
    message, hint = done.stderr.splitlines()
    assert what in message
    assert "close other programs" in hint


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to RLIMIT_AS")
@pytest.mark.parametrize("words", ["fit {photos} --no-probe", "inspect {photos}"])
def test_too_little_memory_to_load_the_libraries_is_one_line(
    photo_folder: Callable[..., Path], tmp_path: Path, words: str
) -> None:
    line = f'"{sys.executable}" -m sightx_cli {words.format(photos=photo_folder())}'
    done = subprocess.run(
        ["bash", "-c", f"ulimit -v 1000000; cd {tmp_path}; {line}"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert errors == ["error: the memory that this process is allowed (1.0 GB, ulimit -v) ran out"]
    assert "Traceback" not in done.stderr


def test_ctrl_c_exits_130_with_a_word_and_no_traceback() -> None:
    done = fail(KeyboardInterrupt())
    assert (done.exit_code, done.stderr) == (130, "interrupted\n")


@pytest.mark.parametrize(
    ("args", "found"),
    [
        (["fti", "scans"], "Did you mean 'fit'"),
        (["fit"], "DATA is missing"),
        (["fit", "scans", "--recpe", "x"], "--recpe"),
        (["fit", "scans", "--shift", "small"], r"--shift.* 'small'.* '?similar'?, '?different'?\n"),
        (["fit", "scans", "--engine", "onnx"], r"--engine.* 'onnx'.* '?auto'?, '?openvino'?, '?torch'?\n"),
        (["fit", "scans", "--seed", "many"], r"--seed.* 'many'"),
        (["fit", "scans", "--seed", "-1"], r"--seed.* '?-1'?\b.* (0|x>=0)\n"),
        (["fit", "scans", "--rate", "-1"], "--rate is '-1'"),
        (["predict"], "SOURCE"),
        (["predict", "a.png", "--batch", "0"], r"--batch.* '?0\b.* (1|x>=1)\n"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_exits_2_with_the_value_found(args: list[str], found: str) -> None:
    done = CliRunner().invoke(app, [*args])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert re.search(found, done.stderr), done.stderr  # Typer's own words differ between its versions
    assert "\nhint:  " in done.stderr
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize(
    ("given", "found", "typed"),
    [
        (["--at-sensitivity", "95%"], "'95%'", "--at-sensitivity 0.95"),
        (["--at-sensitivity", "95"], "95", "--at-sensitivity 0.95"),
        (["--at-specificity", "87.5 %"], "'87.5 %'", "--at-specificity 0.875"),
        (["--at-specificity", "0,9"], "'0,9'", "--at-specificity 0.9"),
        (["--at-specificity", "1"], "1", "--at-specificity 0.95"),
        (["--prevalence", "2%"], "'2%'", "--prevalence 0.02"),
        (["--prevalence", "3"], "3", "--prevalence 0.03"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_percentage_in_place_of_a_share_is_answered_with_the_share_to_type(
    given: list[str], found: str, typed: str
) -> None:
    done = CliRunner().invoke(app, ["evaluate", "later", *given])
    assert (done.exit_code, done.stdout) == (2, "")
    said = f"{given[0]} is {found}" if "'" in found else f"{given[0]} {found}"
    assert done.stderr == f"error: {said}: allowed are numbers between 0 and 1\nhint:  {typed}\n"


def test_what_is_no_share_is_answered_with_what_is_allowed() -> None:
    done = CliRunner().invoke(app, ["evaluate", "later", "--prevalence", "few"])
    assert done.stderr.splitlines()[0] == "error: --prevalence is 'few': allowed are numbers between 0 and 1"


@pytest.mark.parametrize(
    ("args", "meant", "typed"),
    [
        (["runs", "remove"], "delete", "runs delete"),
        (["runs", "rm", "my run", "--yes"], "delete", "runs delete 'my run' --yes"),
        (["runs", "LS"], "list", "runs list"),
        (["runs", "info", "latest"], "show", "runs show latest"),
        (["recipes", "cat", "natural-small"], "show", "recipes show natural-small"),
        (["cache", "rm"], "clear", "cache clear"),
        (["train", "scans", "--seed", "3"], "fit", "fit scans --seed 3"),
        (["remove", "old"], "runs delete", "runs delete old"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_synonym_of_a_command_is_answered_with_what_to_type(args: list[str], meant: str, typed: str) -> None:
    done = CliRunner().invoke(app, args, prog_name="sightx")
    word = args[0] if args[0] in ("train", "remove") else args[1]
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"error: No such command '{word}'. Did you mean '{meant}'?\nhint:  sightx {typed}\n"


@pytest.mark.parametrize("command", [[], ["fit"], ["lr-find"], ["predict"], ["recipes"], ["demo"], ["cache"]])
def test_h_is_help(command: list[str]) -> None:
    short, long = (CliRunner().invoke(app, [*command, flag]) for flag in ("-h", "--help"))
    assert (short.exit_code, long.exit_code) == (0, 0)
    assert "Usage:" in short.stdout


def test_without_a_command_the_help_is_shown() -> None:
    done = CliRunner().invoke(app, [])
    assert done.exit_code == 2
    assert "lr-find" in done.stdout


def test_the_shell_can_complete() -> None:
    shell = {"_SIGHTX_COMPLETE": "complete_bash", "COMP_WORDS": "sightx pre", "COMP_CWORD": "1"}
    done = CliRunner().invoke(app, [], prog_name="sightx", env=shell)
    assert done.stdout.split() == ["predict"]


def test_the_shell_completes_recipes() -> None:
    shell = {"_SIGHTX_COMPLETE": "complete_bash", "COMP_WORDS": "sightx fit x --recipe medical-s", "COMP_CWORD": "4"}
    done = CliRunner().invoke(app, [], prog_name="sightx", env=shell)
    assert done.stdout.split() == ["medical-small"]


def test_a_lack_of_memory_is_no_bug() -> None:
    done = fail(MemoryError("Unable to allocate 71.1 PiB"))
    assert (done.exit_code, done.stdout) == (2, "")
    assert "ran out" in done.stderr
    assert "bug" not in done.stderr
