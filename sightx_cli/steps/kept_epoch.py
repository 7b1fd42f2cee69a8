"""What the epoch that a fit keeps cost: figures by which the head that it began with was better.

The epoch is chosen by one figure. While that rises others may fall, the log loss first: layers that are trained on few
images grow surer than they are right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sightx_cli.errors import quote
from sightx_cli.metrics.metric import Metric
from sightx_cli.metrics.registry import ACCURACY, LOSS, METRICS
from sightx_cli.progress import Notice

Epoch = Mapping[str, float | int | str]
"""A row of the history. Its figures are of the valid part, by probabilities that no temperature has changed."""

DECIMALS = 3
"""What is the same to so many decimals is not worth a word."""


def describe_lost_figures(history: Sequence[Epoch], metric: str, headline: Metric) -> Notice | None:
    """Say by which figures the head alone was better than the epoch kept, and what that was chosen by; None if by none.

    Looked at are the log loss, the accuracy, and the figure that people ask for first.
    """
    kept = [row for row in history if row["best"]]
    heads = [row for row in kept if row["epoch"] == 0]
    if not heads or kept[-1] is heads[-1]:
        return None
    head, last = heads[-1], kept[-1]
    chosen = METRICS[metric]
    others = [one for one in dict.fromkeys((LOSS, ACCURACY, headline)) if one is not chosen]
    lost = [one for one in others if _is_worse(one, last, head)]
    if not lost or (after := _read_figure(chosen, last)) is None:
        return None
    before = _read_figure(chosen, head)
    beside = "" if before is None else f", the head alone {_show(before)}"
    said = " and ".join(
        f"its {one.title} is {_show(_read_figure(one, last))}, the head's was {_show(_read_figure(one, head))}"
        for one in lost
    )
    text = (
        f"the kept epoch is chosen by {chosen.title} ({_show(after)}{beside}); {said} (validation images, before "
        f"any temperature). To choose by {lost[0].title}: "
    )
    text += f"--set training.metric={quote(lost[0].name)}"
    return Notice("kept-epoch", text, len(lost))


def _is_worse(metric: Metric, last: Epoch, head: Epoch) -> bool:
    after, before = _read_figure(metric, last), _read_figure(metric, head)
    if after is None or before is None:
        return False
    change = round(after, DECIMALS) - round(before, DECIMALS)
    return change > 0 if metric.lower_is_better else change < 0


def _show(value: float | None) -> str:
    return "–" if value is None else f"{value:.{DECIMALS}f}"


def _read_figure(metric: Metric, row: Epoch) -> float | None:
    """Read a figure of an epoch; None where it has none, or one without meaning."""
    value = row.get("valid_loss" if metric is LOSS else metric.name)
    return value if isinstance(value, float | int) and value == value else None
