"""Cached features are found again only by what would compute the same."""

from __future__ import annotations

import importlib.metadata

import pytest

from sightx_cli.data.readers import AS_IS, Reading, list_packages
from sightx_cli.features import addresses
from sightx_cli.features.addresses import digest_key, read_version
from sightx_cli.features.views import View


@pytest.fixture
def other_version(monkeypatch: pytest.MonkeyPatch) -> str:
    """Lets pillow have another version."""
    own = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.1" if name == "pillow" else own(name))
    read_version.cache_clear()
    yield "pillow"
    read_version.cache_clear()


def test_an_address_says_all_of_its_parts() -> None:
    parts = {"weights": "abc", "cuts": (3, 5), "mean": (0.5, 0.5, 0.5)}
    assert digest_key(parts) == digest_key(dict(reversed(parts.items())))
    changed = [digest_key({**parts, key: value}) for key, value in (("weights", "abd"), ("cuts", (3, 6)), ("mean", 0))]
    assert len({digest_key(parts), *changed}) == 4


def test_another_version_of_ours_finds_nothing_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest_key({"cuts": 3})
    monkeypatch.setattr(addresses, "VERSION", "999")
    assert digest_key({"cuts": 3}) != before


def test_pixels_taken_otherwise_are_another_view() -> None:
    readings = [AS_IS, Reading(page=2), Reading(bands=(1,)), Reading(asked=(0, 80)), Reading(ranges=(("a", 0, 1),))]
    keys = {View(16, "squash", None, 0, 0, reading).key for reading in readings}
    assert len(keys) == 5
    assert View(16, "squash", None, 0, 0).key in keys


def test_another_version_of_what_reads_the_images_is_another_view(request: pytest.FixtureRequest) -> None:
    read_version.cache_clear()
    view = View(16, "squash", None, 0, 0)
    before, unrelated = view.key, digest_key({"cuts": 3}, ["numpy"])
    request.getfixturevalue("other_version")
    assert view.key != before
    assert digest_key({"cuts": 3}, ["numpy"]) == unrelated
    assert "pillow" in list_packages()


def test_a_package_that_is_not_there_has_no_version() -> None:
    assert read_version("sightx-no-such-package") == ""
    assert read_version("numpy") == importlib.metadata.version("numpy")
