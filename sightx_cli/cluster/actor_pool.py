"""Maps the numbers of partitions over actors with Ray Data; a partition whose worker dies is made again by another."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sightx_cli.cluster.ray_cluster import Cluster
from sightx_cli.errors import RunError

RETRIES = 3
"""How often a partition is tried again whose worker died: an image that kills every worker must not do so for ever."""
MOST_LOST = 3
"""So many partitions may be lost in that way; more mean that something is wrong with the workers, not with images."""


def map_partitions(
    cluster: Cluster, worker: type[Any], given: tuple[Any, ...], numbers: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """Yield what workers, made of what is `given`, make of each partition, as soon as it is there, in any order.

    Of up to MOST_LOST partitions nothing comes: those whose workers died again and again. Raises RunError where there
    are more, or where the workers cannot start.
    """
    ray = cluster.ray
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray calls its only way to bound retries deprecated, and names no other
        context = ray.data.DataContext.get_current().copy()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        context.max_errored_blocks = MOST_LOST
        with ray.data.DataContext.current(context):
            items = ray.data.from_items([{"number": number} for number in numbers], override_num_blocks=len(numbers))
            done = items.map_batches(
                worker,
                fn_constructor_args=given,
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(**_bound_pool(cluster, len(numbers))),
                num_cpus=0 if cluster.devices_each else cluster.processors_each,
                num_gpus=cluster.devices_each,
                **_bound_retries(items.map_batches),
            )
    try:
        for block in done.iter_batches(batch_size=None, batch_format="pyarrow"):
            yield from block.to_pylist()
    except ray.exceptions.RayError as error:
        raise RunError(
            f"the workers on Ray failed: {describe_failed_work(error)}",
            "what is done is kept: type the same command with --resume",
        ) from error


def _bound_pool(cluster: Cluster, partitions: int) -> dict[str, int]:
    """Return how many workers there are to be: on a cluster that grows, as many more as it comes to have room for."""
    least = min(cluster.workers, partitions)
    return {"size": least} if cluster.is_local else {"min_size": least, "max_size": partitions}


def _bound_retries(map_batches: Callable[..., Any]) -> dict[str, int]:
    """Return what bounds the retries, where this version of Ray takes it; else it tries for ever."""
    kinds = [one.kind for one in inspect.signature(map_batches).parameters.values()]
    return {"max_task_retries": RETRIES} if inspect.Parameter.VAR_KEYWORD in kinds else {}


def describe_failed_work(error: BaseException) -> str:
    """Say in one line what stopped a worker."""
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return f"{type(cause).__name__}: {lines[-1] if lines else ''}"[:300]
