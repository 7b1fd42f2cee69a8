"""A pool of workers for the features of a fit: started when it is first needed, kept until the fit ends."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator, Sequence
from typing import Any

from sightx_cli.cluster.actor_pool import RETRIES, describe_failed_work
from sightx_cli.cluster.feature_worker import FeatureWorker, pack_forward
from sightx_cli.cluster.ray_cluster import Cluster, check_address, import_ray, joining_cluster, knock
from sightx_cli.errors import DataError, RunError, UsageError
from sightx_cli.features.shards import Array, Columns
from sightx_cli.features.views import View
from sightx_cli.features.workers import ForwardParts, Item
from sightx_cli.progress import Listener, Notice

TASK_IMAGES = 32
"""Images of one call: so many that a call costs nothing beside them, so few that all workers end together."""
LEAST_IMAGES = 64


class FeaturePool:
    """Computes features on the workers of a Ray cluster (see `features.workers.FeatureWorkers`)."""

    least_images = LEAST_IMAGES

    def __init__(self, address: str | None, listener: Listener) -> None:
        self._address, self._listener = address, listener
        self._last = contextlib.ExitStack()
        self._cluster: Cluster | None = None
        self._has_told = False
        self._key = ""
        self._pool: Any = None

    def takes(self, images: int) -> bool:
        """Tell whether so many images are worth it; few are quicker computed here, and that is said once."""
        if 0 < images < self.least_images and not self._has_told:
            self._has_told = True
            text = f"features of fewer than {self.least_images} images at a time are computed here, and not on Ray"
            self._listener.notice(Notice("features-here", text))
        return images >= self.least_images

    def compute(
        self, parts: ForwardParts, view: View, items: Sequence[Item], columns: Columns
    ) -> Iterator[tuple[int, dict[str, Array]]]:
        """Yield (position of the first, outputs of some images), in any order.

        Raises DataError for an image that a worker cannot read, RunError where workers fail.
        """
        pool, ray = self._open_pool(parts), import_ray()
        given = [(start, items[start : start + TASK_IMAGES]) for start in range(0, len(items), TASK_IMAGES)]

        def compute(actor: Any, one: tuple[int, Sequence[Item]]) -> Any:
            return actor.compute.remote(one[0], view, one[1], dict(columns))

        try:
            for first, outputs, error, hint in pool.map_unordered(compute, given):
                if error:
                    raise DataError(f"a worker on Ray: {error}", hint or "workers read by the same paths as here")
                yield first, outputs
        except ray.exceptions.RayError as error:
            raise RunError(
                f"the workers on Ray failed: {describe_failed_work(error)}",
                "what is done is kept: sightx fit --resume RUN goes on",
            ) from error

    def close(self) -> None:
        """Let the workers go, and leave the cluster."""
        self._pool = None
        self._last.close()

    def _open_pool(self, parts: ForwardParts) -> Any:
        """Start workers that hold a forward, or take those that do; one forward at a time is held."""
        if self._pool is not None and self._key == parts.key:
            return self._pool
        if self._cluster is None:
            self._cluster = self._last.enter_context(joining_cluster(self._address, self._listener))
            self._listener.note(f"features are computed on Ray: {self._cluster.describe()}")
        ray, cluster = self._cluster.ray, self._cluster
        from ray.util import ActorPool

        self._pool = None  # the workers of another forward end, and free their processors
        packed = ray.put(pack_forward(parts))
        on_device = cluster.devices > 0 and parts.graph is None
        actor = ray.remote(FeatureWorker).options(
            num_cpus=0 if on_device else cluster.processors_each,
            num_gpus=int(on_device),
            max_restarts=-1,
            max_task_retries=RETRIES,
        )
        count = cluster.devices if on_device else cluster.workers
        how = packed, cluster.processors_each, "cuda" if on_device else "cpu"
        self._pool, self._key = ActorPool([actor.remote(*how) for _ in range(count)]), parts.key
        return self._pool


@contextlib.contextmanager
def opening_workers(
    on: str | None, address: str | None, is_kept: bool, listener: Listener
) -> Iterator[FeaturePool | None]:
    """Give a pool of workers where one is asked for, and close it when the block ends; None where none is.

    Raises UsageError, before any work, where Ray is not installed, nothing answers at the address, or features are not
    kept: then none are computed before training.
    """
    check_address(on, address, "--features-on")
    if on is None:
        yield None
        return
    if not is_kept:
        raise UsageError("--features-on ray keeps what is computed in the cache", "leave --no-cache out")
    if importlib.util.find_spec("ray") is None:
        import_ray()
    if address is not None:
        knock(address)
    pool = FeaturePool(address, listener)
    try:
        yield pool
    finally:
        pool.close()
