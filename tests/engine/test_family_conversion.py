"""What is converted of networks that run stage by stage gives what torch gives, at any number of images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sightx_cli.engine.conversion import convert_module
from sightx_cli.engine.openvino_forward import OpenVinoForward
from sightx_cli.model.backbone import Prefix
from tests.engine.conftest import MEAN, STD
from tests.model.families import CUT, open_family

IMAGES = 3
"""Another number than that of the images that a conversion traces."""


@pytest.mark.parametrize(
    "name",
    [
        "eva02_tiny_patch14_224",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in (
                "vit_tiny_patch16_dinov3_qkvb",
                "swin_tiny_patch4_window7_224",
                "twins_svt_small",
                "fastvit_t8",
            )
        ),
    ],
)
@torch.no_grad()
def test_a_prefix_converted_gives_what_torch_gives(name: str) -> None:
    family = next(one for one in CUT if one.backbone == name)
    prefix = Prefix(open_family(family), [family.stages // 2], features=True).eval()
    graph = convert_module(prefix, prefix.output_names(), family.size_px, MEAN, STD)
    pixels = np.random.default_rng(0).integers(0, 255, (IMAGES, family.size_px, family.size_px, 3), dtype=np.uint8)
    found = dict(OpenVinoForward(graph).run([(0, pixels)]))[0]
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    images = (images - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
    for output, expected in zip(prefix.output_names(), prefix(images), strict=True):
        scale = max(1.0, float(expected.abs().max()))
        np.testing.assert_allclose(found[output], expected.numpy(), rtol=0, atol=1e-3 * scale)
