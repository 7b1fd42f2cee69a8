"""The weights as safetensors: for further training, and where no graph can be made."""

from __future__ import annotations

import errno
from pathlib import Path

from sightx_cli import runs
from sightx_cli.bundle.product import Product


class SafetensorsWeights:
    """Writes a model's tensors by their names."""

    name = "safetensors"
    files: tuple[str, ...] = (runs.BUNDLE_WEIGHTS,)

    def write(self, product: Product, folder: Path) -> str:
        """Write the tensors; every network has them."""
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        path = folder / runs.BUNDLE_WEIGHTS
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in product.model.state_dict().items()}
        try:
            save_file(tensors, path)
        except SafetensorError as error:
            raise OSError(errno.ENOSPC, str(error), str(path)) from error
        path.chmod(0o644)  # safetensors makes it private; a run is shared like any folder
        return ""
