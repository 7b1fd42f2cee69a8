"""The images of one shard as a table: the names and places of the images, and the columns that lie beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sightx_cli.data.packed.shard_faults import ShardFaults

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class ShardRows:
    """The rows of one shard. Names and places go behind the shard's own and `::` (see `references`)."""

    names: pd.Series[str]
    """For people: cats/12.jpg, 17/12.jpg."""
    places: pd.Series[str]
    """Where the bytes lie."""
    columns: pd.DataFrame
    """What lies beside each image, as text; `label` where the shard itself says what the label is."""
    label_column: str = ""
    """The column with the labels, where the kind of shard says it (.cls, a ClassLabel); "" for none."""
    faults: ShardFaults = field(default_factory=ShardFaults)
