"""Import slow modules alongside work that leaves the interpreter idle, such as decoding images."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from sightx_cli.progress import Listener

LOADING = "loading torch"
"""The task as the user sees it, once the work beside it is done."""

NETWORKS = "sightx_cli.model.classifier"
"""The module that imports torch and timm: three to five seconds."""

TRAINING = "sightx_cli.train.stage_runs"
"""The module that imports fastai, and with it matplotlib and scikit-learn: two to four seconds."""


@contextmanager
def importing(module: str, listener: Listener | None = None) -> Iterator[None]:
    """Import a module while the block runs; after the block it is loaded, and no thread is left, whatever happened.

    Nothing in the block may change Python's warning filters, which all threads share. An error of the block takes
    precedence over one of the import. A listener sees the import as a task if the block ends first.
    """
    with ThreadPoolExecutor(1) as pool:
        imported = pool.submit(importlib.import_module, module)
        yield
        if listener is None or imported.done():
            imported.result()
            return
        listener.start(LOADING, None, "")
        try:
            imported.result()
        finally:
            listener.finish(LOADING)
