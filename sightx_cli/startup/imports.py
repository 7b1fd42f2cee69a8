"""Import slow modules alongside work that leaves the interpreter idle, such as decoding images."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import ModuleType

from sightx_cli.progress import Listener, reporting
from sightx_cli.startup.statistics_libraries import import_without_statistics

OPENING, COMPILING = "opening the network", "compiling the network"
"""Building a network and reading its weights, and making it quick: the tasks as the user sees them."""

NETWORKS = "sightx_cli.model.classifier"
"""The module that imports torch and timm: three to five seconds."""

TRAINING = "sightx_cli.train.stage_runs"
"""The module that imports fastai, and with it matplotlib: a second or two, for a fit that runs stages."""

LOADING = {NETWORKS: "loading torch", TRAINING: "loading fastai"}
"""The task as the user sees it, once the work beside it is done."""


def load_module(module: str) -> ModuleType:
    """Import a module, if it was not, with what of its libraries is used."""
    return import_without_statistics(module) if module == TRAINING else importlib.import_module(module)


@contextmanager
def importing(module: str, listener: Listener | None = None) -> Iterator[None]:
    """Import a module while the block runs; after the block it is loaded, and no thread is left, whatever happened.

    Nothing in the block may change Python's warning filters, which all threads share. An error of the block takes
    precedence over one of the import. A listener sees the import as a task if the block ends first.
    """
    with ThreadPoolExecutor(1) as pool:
        imported = pool.submit(load_module, module)
        yield
        if listener is None or imported.done():
            imported.result()
            return
        with reporting(listener, LOADING.get(module, f"loading {module}")):
            imported.result()
