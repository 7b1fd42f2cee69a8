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
        from sightx_cli.model.tensor_file import save_tensors

        save_tensors(folder / runs.BUNDLE_WEIGHTS, product.model.state_dict())
        return ""
