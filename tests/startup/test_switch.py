"""What touches private parts of other libraries stays off where nobody asked for it, and on versions not known."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sightx_cli.startup import switch


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The switch is on for one test."""
    monkeypatch.setattr(switch, "_settled", False)  # what is put back
    switch.turn_on()


def test_nothing_may_be_touched_where_nobody_settled_the_process() -> None:
    assert not switch.is_settled()
    assert not switch.may_touch("torch")


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("library", [name for name in switch.KNOWN_VERSIONS if name != "glibc"])
def test_the_libraries_installed_are_known(library: str) -> None:
    assert switch.may_touch(library)


@pytest.mark.parametrize(
    ("version", "known"),
    [
        ("2.14.1", True),
        ("2.14.0+cpu", True),
        ("2.15.0", False),
        ("2.15.0a0", False),
        ("2.1", False),
        ("3.0", False),
        ("", False),
    ],
)
def test_another_minor_version_switches_off(version: str, known: bool) -> None:
    assert switch.is_known("torch", version) is known


@pytest.mark.usefixtures("settled")
def test_one_unknown_library_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(switch.KNOWN_VERSIONS, "timm", ("0.9",))
    assert not switch.may_touch("torch", "timm")
    assert switch.may_touch("torch")


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("libc", [("", ""), ("musl", "1.2"), ("glibc", "9.99")])
def test_another_c_library_is_not_known(libc: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.libc_ver", lambda: libc)
    assert not switch.may_touch("glibc")


def test_a_library_that_is_not_there_has_no_version() -> None:
    assert switch.find_version("no-such-library") == ""


def test_the_version_is_found_without_importing_the_library() -> None:
    code = """
import sys
from sightx_cli.startup.switch import find_version
print(find_version("torch"), "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("2.")
    assert done.stdout.endswith(" False\n")
