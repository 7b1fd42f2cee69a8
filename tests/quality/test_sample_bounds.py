"""Of very many images some are examined, and what that leaves open is said with its bound."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from sightx_cli.data.manifest import Manifest, build_manifest
from sightx_cli.quality import sample_bounds
from sightx_cli.quality.sample_bounds import bound_share, sample_manifest


def build(count: int, rare: int = 3) -> Manifest:
    names = [f"{place}.png" for place in range(count)]
    labels = ["rare" if place < rare else "common" for place in range(count)]
    columns = {"image": names, "path": names, "label": labels, "split": "", "group": ""}
    return build_manifest(pd.DataFrame(columns, dtype=str), Path(), "table")


def test_up_to_the_bound_all_images_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_bounds, "MOST_LISTED", 1000)
    assert sample_manifest(build(1000))[1] is None
    assert sample_manifest(build(1001))[1] is not None


def test_a_sample_has_each_class_and_says_what_it_leaves_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_bounds, "MOST_LISTED", 1000)
    monkeypatch.setattr(sample_bounds, "SAMPLED_IMAGES", 300)
    sampled, notice = sample_manifest(build(5000))
    assert 300 <= len(sampled.frame) <= 343
    assert (sampled.frame["label"] == "rare").sum() == 3
    assert notice is not None
    assert "of the 5,000 images" in notice.text
    assert "at most 0.9" in notice.text or "at most 1 %" in notice.text


def test_the_rule_of_three_bounds_what_was_never_seen() -> None:
    assert bound_share(20_000) == pytest.approx(0.015)
    assert bound_share(1) == 100
