"""Tensors as one safetensors file, with the permissions that any other file of the user would have."""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor


def save_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, str] | None = None) -> None:
    """Write tensors by their names, and text facts beside them. Raises OSError with the system's own number.

    safetensors makes its files private, whatever the umask, and raises an error of its own on a full disk.
    """
    path.touch()
    mode = path.stat().st_mode
    plain: dict[str, Tensor] = {}
    held: set[int] = set()
    for name, tensor in tensors.items():
        one = tensor.detach().cpu().contiguous()
        place = one.untyped_storage().data_ptr()
        # safetensors refuses tensors in the same memory, as those of layers that CoaT has in several places.
        plain[name] = one.clone() if place in held else one
        held.add(place)
    try:
        save_file(plain, path, dict(facts) if facts else None)
    except SafetensorError as error:
        number = re.search(r"(?:os error|code:) (\d+)", str(error))  # before version 0.6 the second
        raise OSError(int(number[1]) if number else errno.EIO, str(error), str(path)) from error
    path.chmod(mode)
