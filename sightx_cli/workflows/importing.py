"""Import what takes seconds beside work that leaves the interpreter idle, such as decoding images."""

from __future__ import annotations

import importlib
from concurrent.futures import Future, ThreadPoolExecutor
from types import ModuleType

from sightx_cli.progress import Listener

LOADING = "loading torch"
"""The task as the user sees it."""

BUILDING = "sightx_cli.workflows.building"
"""The module that imports torch and timm: three to five seconds."""

TRAINING = "sightx_cli.train.stages"
"""The module that imports fastai, and with it matplotlib and scikit-learn: two to four seconds."""


def begin_importing(module: str) -> Future[ModuleType]:
    """Import a module in a thread of its own; `result` waits for it and raises what the import raised.

    Meanwhile nothing may set aside Python's warnings, which are those of all threads.
    """
    pool = ThreadPoolExecutor(1)
    imported = pool.submit(importlib.import_module, module)
    pool.shutdown(wait=False)
    return imported


def await_torch(imported: Future[ModuleType], listener: Listener) -> None:
    """Wait for an import that was begun, and say so."""
    listener.start(LOADING, None, "")
    try:
        imported.result()
    finally:
        listener.finish(LOADING)
