"""Import fastai without scikit-learn and scipy.stats, whose functions nothing here calls through it: half a second.

fastai takes `train_test_split` for one of its own splitters, and names both libraries for its own metrics. It gets
stand-ins, which import the real ones when anything of them is asked for.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from sightx_cli.startup.switch import may_touch

PACKAGE, SELECTION, METRICS = "sklearn", "sklearn.model_selection", "sklearn.metrics"
NAMES = (PACKAGE, SELECTION, METRICS, "scipy.stats")


class StandIn(ModuleType):
    """Takes a library's place among the modules until something of it is asked for, in this or in another thread."""

    def __getattr__(self, name: str) -> Any:
        """Give what the real one has. All stand-ins go; only this asks for `__path__` who imports a part of it."""
        if name.startswith("__") and name != "__path__":
            raise AttributeError(name)
        return getattr(load_real(self.__name__), name)


def import_without_statistics(library: str) -> ModuleType:
    """Import fastai, or a module that does, with stand-ins for what it imports of statistics."""
    if not may_touch("fastai") or any(name in sys.modules for name in NAMES):
        return importlib.import_module(library)
    stand_ins = build_stand_ins()
    sys.modules.update(stand_ins)
    try:
        return importlib.import_module(library)
    finally:
        _give_way(stand_ins.values())


def build_stand_ins() -> dict[str, ModuleType]:
    """Build the stand-ins, by the names of what they stand for."""

    def train_test_split(*arrays: Any, **options: Any) -> Any:
        return load_real(SELECTION).train_test_split(*arrays, **options)

    stand_ins: dict[str, ModuleType] = {name: StandIn(name) for name in NAMES}
    for name, one in stand_ins.items():
        if name != PACKAGE:
            vars(one)["__path__"] = []  # asked for wherever a name is imported from a module
    vars(stand_ins[PACKAGE])["metrics"] = stand_ins[METRICS]
    vars(stand_ins[SELECTION])["train_test_split"] = train_test_split
    return stand_ins


def load_real(name: str) -> ModuleType:
    """Import the real library, in whose place no stand-in is left."""
    _give_way([one for one in map(sys.modules.get, NAMES) if isinstance(one, StandIn)])
    return importlib.import_module(name)


def _give_way(stand_ins: Iterable[ModuleType]) -> None:
    for one in stand_ins:
        if sys.modules.get(one.__name__) is one:
            del sys.modules[one.__name__]
