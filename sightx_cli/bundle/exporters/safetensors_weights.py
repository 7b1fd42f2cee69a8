"""The weights as safetensors: for further training, and where no graph can be made."""

from __future__ import annotations

from pathlib import Path

from sightx_cli import runs
from sightx_cli.bundle.product import Product


class SafetensorsWeights:
    """Writes a model's tensors by their names."""

    name = "safetensors"
    files: tuple[str, ...] = (runs.BUNDLE_WEIGHTS,)

    def write(self, product: Product, folder: Path) -> str:
        """Write the tensors; every network has them."""
        from sightx_cli.model.checkpoint import write_safetensors

        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in product.model.state_dict().items()}
        write_safetensors(tensors, folder / runs.BUNDLE_WEIGHTS)
        return ""
