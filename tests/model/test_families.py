"""Networks of every family are cut at every boundary, tapped, and trained behind a cut on what was kept before it."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import nn

from sightx_cli.model.audit import audit_classifier
from sightx_cli.model.backbone import Prefix, Suffix
from sightx_cli.model.bare_recipe import build_audited_recipe
from sightx_cli.model.head import build_head
from sightx_cli.model.parameter_groups import build_groups
from tests.model.families import CUT, QUICK, UNCUT, Family, open_family

STEP = 1e-4
"""How far, along the slope of the loss, the parameters are moved: little enough for any network."""

DOCUMENT = Path(__file__).parents[2] / "docs" / "networks.md"


def list_families(families: tuple[Family, ...]) -> list[object]:
    """List the families as parameters of a test: all but a few are slow."""
    return [
        pytest.param(one, id=one.backbone, marks=[] if one.backbone in QUICK else pytest.mark.slow) for one in families
    ]


@pytest.mark.parametrize("family", list_families(CUT))
@torch.no_grad()
def test_a_family_gives_the_same_cut_at_any_boundary(family: Family) -> None:
    backbone = open_family(family)
    assert backbone.why_uncut == ""
    assert len(set(backbone.stage_names)) == len(backbone.stages) == family.stages
    owned = Counter(parameter for stage in backbone.stages for parameter in stage.parameters)
    assert owned == Counter(name for name, _ in backbone.network.named_parameters())
    images = torch.randn(2, 3, family.size_px, family.size_px)
    whole = backbone.network(images)
    assert float(whole.abs().max()) > 1e-2  # an output near nothing would equal anything
    cuts = range(1, family.stages)
    prefix = Prefix(backbone, cuts, features=True)
    kept = dict(zip(prefix.output_names(), prefix(images), strict=True))
    assert {name: tuple(one.shape[1:]) for name, one in kept.items()} == prefix.output_shapes()
    features = kept["features"]
    close = {"rtol": 0.0, "atol": 1e-4 * max(1.0, float(features.abs().max()))}
    torch.testing.assert_close(features[:, -whole.shape[1] :], whole, **close)
    for cut in cuts:
        torch.testing.assert_close(Suffix(backbone, cut)(kept[f"map_{cut}"], kept[f"taps_{cut}"]), features, **close)


@pytest.mark.parametrize("family", list_families(CUT))
@torch.no_grad()
def test_the_taps_of_a_family_are_the_moments_of_each_channel(family: Family) -> None:
    backbone = open_family(family)
    features = torch.randn(2, 3, family.size_px, family.size_px)
    for place, axes in enumerate(backbone.position_axes[:-1]):
        features, (tap,) = backbone.run_stages(features, place, place + 1)
        channels = features.shape[({1, 2, 3} - set(axes)).pop() if features.dim() == 4 else 2]
        assert tap.shape == (2, 2 * channels)
        assert bool(tap.isfinite().all())
        assert features.dim() == 3 or features.shape[axes[0]] == features.shape[axes[1]]


@pytest.mark.parametrize("family", list_families(CUT))
def test_the_last_stage_of_a_family_learns_from_kept_maps_and_nothing_else_moves(family: Family) -> None:
    backbone = open_family(family, taps="last")
    cut = family.stages - 1
    images, targets = torch.randn(4, 3, family.size_px, family.size_px), torch.tensor([0, 1, 0, 1])
    with torch.no_grad():
        kept, _ = backbone.run_stages(images, 0, cut)
    before = {name: one.detach().clone() for name, one in backbone.network.state_dict().items()}
    head = build_head(backbone.feature_count, 2).eval()
    for group in build_groups(backbone, head, "last:1"):
        for parameter in group.parameters:
            parameter.requires_grad_(group.trained)
    suffix = Suffix(backbone, cut)
    trained = [one for one in (*backbone.parameters(), *head.parameters()) if one.requires_grad]

    def measure_loss() -> torch.Tensor:
        return nn.functional.cross_entropy(head(suffix(kept, kept.new_zeros(4, 0))), targets)

    before_step = measure_loss()
    slopes = torch.autograd.grad(before_step, trained, allow_unused=True)
    steepness = math.sqrt(sum(float(slope.square().sum()) for slope in slopes if slope is not None))
    with torch.no_grad():
        for parameter, slope in zip(trained, slopes, strict=True):
            if slope is not None:
                parameter -= STEP / steepness * slope
        fell = float(before_step.detach() - measure_loss())
    assert fell == pytest.approx(STEP * steepness, rel=0.3)
    after = backbone.network.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert moved <= set(backbone.stages[-1].parameters)


@pytest.mark.parametrize("family", list_families(UNCUT))
@torch.no_grad()
def test_a_family_that_cannot_be_cut_says_why_and_runs_whole(family: Family) -> None:
    backbone = open_family(family)
    assert backbone.why_uncut in ("none of its stages passes on a single map", "its features are several maps")
    assert len(backbone.stages) == family.stages
    images = torch.randn(2, 3, family.size_px, family.size_px)
    torch.testing.assert_close(backbone(images), backbone.network(images))


@pytest.mark.parametrize("family", list_families((*CUT, *UNCUT)))
def test_the_audit_counts_a_family_by_its_stages(family: Family) -> None:
    backbone = open_family(family)
    model = nn.Sequential(backbone, build_head(backbone.feature_count, 3))
    recipe = build_audited_recipe(None, family.backbone, (f"image.size_px={family.size_px}",))
    result = audit_classifier(model, recipe, False, 3, True)
    assert [stage.name for stage in result.cost.stages] == [*backbone.stage_names, "head"]
    assert result.cost.total == sum(one.numel() for one in model.parameters())
    assert result.cost.is_finite
    assert all(stage.macs > 0 for stage in result.cost.stages if stage.output_shape is not None)
    assert result.cost.why_uncut == backbone.why_uncut


def render_families() -> str:
    """Render the families as the document lists them."""
    rows = [f"| {one.title} | `{one.backbone}` | {one.stages} |" for one in CUT]
    table = "\n".join(["| family | tried with | stages |", "|---|---|---|", *rows])
    uncut = ", ".join(f"{one.title} (`{one.backbone}`)" for one in UNCUT)
    return f"{table}\n\nNot cut: {uncut}.\n"


def test_the_document_lists_the_families_that_are_tried() -> None:
    assert render_families() in DOCUMENT.read_text(encoding="utf-8"), "docs/networks.md: its table is another"
