"""The state of a training as a file has it: tensors by name, and facts. Imports no fastai."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import safe_open
from torch import Tensor, nn

from sightx_cli.journal.points import write_point_file
from sightx_cli.model.tensor_file import save_tensors

if TYPE_CHECKING:
    from fastai.learner import Learner

MODEL, OPTIMIZER = "model.", "optimizer."
"""What the names of a point's tensors begin with, by what they belong to."""
FACTS = "facts"
"""Where a file's header has what is no tensor."""


class State:
    """A point's state as read: its tensors and facts."""

    def __init__(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        self.tensors, self.facts = tensors, facts

    def select(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors whose names begin so, without that beginning."""
        return {name.removeprefix(prefix): one for name, one in self.tensors.items() if name.startswith(prefix)}


def load_changed(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load some of a model's weights; all others stay."""
    unknown = model.load_state_dict(dict(tensors), strict=False).unexpected_keys
    if unknown:
        raise ValueError(f"the journal has weights that this network lacks: {unknown[:3]}")


def list_parameters(learner: Learner) -> list[nn.Parameter]:
    """List what a learner's optimizer has, in its order."""
    return [parameter for group in learner.opt.param_lists for parameter in group]


def write_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> int:
    """Write tensors and facts as one safetensors file; returns its checksum. Raises OSError."""
    text = json.dumps(facts, default=lambda value: value.tolist())
    return write_point_file(path, lambda aside: save_tensors(aside, tensors, {FACTS: text}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote."""
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()[FACTS])  # noqa: SIM118
