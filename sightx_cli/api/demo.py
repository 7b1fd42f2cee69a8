"""`write_demo`: write a real data set to try things on."""

from __future__ import annotations

from pathlib import Path

from sightx_cli.data import demo
from sightx_cli.progress import Listener, Silent


def write_demo(folder: str | Path, listener: Listener | None = None) -> Path:
    """Write the solar cells (2,624 electroluminescence photographs, four grades) as images and a table.

    Returns the table's path. Raises DataError when the package that holds them is missing or the folder is not empty.
    """
    return demo.write_demo("solar", Path(folder), listener or Silent())
