"""Import a library without torch's compiler, which nothing here uses: two seconds and 150 MB of every start.

torchvision (`ops.roi_align`) and timm (`models.naflexvit`) import `torch._dynamo` when they are imported themselves,
only to ask it later whether it can compile, or to mark functions that it must not touch. Both work through a stand-in
that asks for the real one at that time.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from sightx_cli.startup.switch import may_touch

COMPILER = "torch._dynamo"
UTILITIES = f"{COMPILER}.utils"


def import_without_compiler(library: str) -> ModuleType:
    """Import a library with a stand-in for torch's compiler, or with the compiler where the stand-in is not enough."""
    if not may_touch("torch", "torchvision", "timm"):
        return importlib.import_module(library)
    try:
        with _standing_in():
            return importlib.import_module(library)
    except (AttributeError, ImportError):  # it asks the compiler for more than was known, or it cannot be imported
        return importlib.import_module(library)


@contextmanager
def _standing_in() -> Iterator[None]:
    """Have stand-ins take the compiler's place among the modules, unless it has been imported already."""
    if COMPILER in sys.modules:
        yield
        return
    stand_ins = _build_stand_ins()
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, module in stand_ins.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


def _build_stand_ins() -> dict[str, ModuleType]:
    from torch._compile import _disable_dynamo  # torch's own way to mark a function without importing the compiler

    def disable(function: Callable[..., Any] | None = None, recursive: bool = True, **_: Any) -> Any:
        return _disable_dynamo(function, recursive)

    def is_compile_supported(device_type: str) -> Any:
        return importlib.import_module(UTILITIES).is_compile_supported(device_type)

    package, utilities = ModuleType(COMPILER), ModuleType(UTILITIES)
    vars(package).update(__path__=[], utils=utilities, disable=disable)
    vars(utilities).update(is_compile_supported=is_compile_supported)
    return {COMPILER: package, UTILITIES: utilities}
