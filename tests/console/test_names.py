"""The names of the console, each from its module when it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sightx_cli import console


@pytest.mark.parametrize("name", console.__all__)
def test_every_name_is_there(name: str) -> None:
    assert callable(getattr(console, name))


def test_each_name_has_one_home() -> None:
    assert sorted(name for names in console.HOMES.values() for name in names) == sorted(console.__all__)


def test_a_name_that_is_none_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="show_nothing"):
        _ = console.show_nothing


def test_what_shows_other_results_is_not_imported() -> None:
    code = (
        "import sys, sightx_cli.console as one; one.show_predict; assert 'sightx_cli.console.audit' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
