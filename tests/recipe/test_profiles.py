"""The augmentation profiles: what DESIGN promises of each."""

from __future__ import annotations

import pytest

from sightx_cli.recipe.profiles import PROFILES


def test_the_profiles_are_those_of_the_design():
    assert set(PROFILES) == {"natural", "medical", "retina", "skin", "surface", "aerial", "none"}


def test_medical_flips_nothing_upside_down_and_changes_little():
    medical = PROFILES["medical"]
    assert not medical.vertical_flip
    assert not medical.quarter_turns
    assert medical.rotation_degrees <= 10
    assert max(medical.brightness, medical.contrast) <= 0.1


def test_a_fundus_may_be_flipped_and_turned_in_any_way():
    assert PROFILES["retina"].dihedral
    assert PROFILES["retina"].rotation_degrees == 180


@pytest.mark.parametrize("name", ["skin", "surface", "aerial"])
def test_images_without_an_up_have_all_eight_symmetries(name):
    assert PROFILES[name].dihedral


def test_none_changes_nothing():
    none = PROFILES["none"]
    assert (none.horizontal_flip, none.vertical_flip, none.quarter_turns) == (False, False, False)
    assert (none.rotation_degrees, none.zoom, none.brightness, none.contrast) == (0, 1, 0, 0)


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_bears_its_name_says_its_meaning_and_never_zooms_out(name):
    assert PROFILES[name].name == name
    assert PROFILES[name].meaning
    assert PROFILES[name].zoom >= 1
