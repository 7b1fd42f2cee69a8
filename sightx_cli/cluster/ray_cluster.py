"""A Ray cluster: one that runs already, joined by its address, or a local one that lives as long as the work.

Ray is asked to report its use to nobody, and its own words stay out of the terminal.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sightx_cli.cluster.ray_surroundings import (
    hushing_data,
    hushing_stderr,
    keeping_handlers,
    setting_variables,
    showing_package,
)
from sightx_cli.errors import UsageError
from sightx_cli.machine import measure_free_memory, measure_threads
from sightx_cli.progress import Listener, Notice
from sightx_cli.version import VERSION

ANSWER_SECONDS = 10.0
"""How long an address may take to answer."""
WORKER_SECONDS = 300.0
"""How long a cluster may take to start its first worker: an autoscaler starts a machine for it."""
STORE_SHARE, LEAST_STORE_BYTES, MOST_STORE_BYTES = 0.15, 80 * 1024**2, 2 * 1024**3
"""How much of the free memory a local Ray keeps objects in; Ray allows no less than 75 MiB. What is in flight are the
rows of a few partitions for each worker, and the model once: far less than a gigabyte."""
SHARED_MEMORY = Path("/dev/shm")
SHARED_SHARE = 0.9
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_worker_niceness": "0",
}
"""What Ray is told in the environment, before it starts. By itself it starts workers with niceness 15: beside other
work on the machine they hardly get on."""
CLIENT = "ray://"


@functools.cache
def draw_token() -> dict[str, str]:
    """Draw what lets this user's processes alone into a local Ray; Ray itself would keep it in the user's home.

    The same for all clusters of a process, since Ray remembers it.
    """
    return {"RAY_AUTH_TOKEN": secrets.token_hex(32)}


@dataclass(frozen=True)
class Cluster:
    """A cluster that work can be given to."""

    ray: Any
    """Ray's own module."""
    workers: int
    """How many workers it has room for now."""
    processors_each: int
    devices: int
    """GPUs of the cluster."""
    devices_each: int
    """GPUs of each worker that predicts: 1, or 0."""
    is_local: bool

    @property
    def device(self) -> str:
        """Where a worker that predicts computes: `cpu` or `cuda`."""
        return "cuda" if self.devices_each else "cpu"

    def choose_device(self, device: str) -> Cluster:
        """Let each worker that predicts have a GPU, where the cluster has some and `device` is auto or cuda.

        Raises UsageError for another device, and for cuda where there is none.
        """
        if device not in ("auto", "cpu", "cuda"):
            raise UsageError(f"--device {device}: allowed on Ray are auto, cpu, cuda", "leave --device out")
        if device == "cuda" and not self.devices:
            raise UsageError("--device cuda: the cluster on Ray has no GPU", "leave --device out")
        return self if device == "cpu" or not self.devices else replace(self, workers=self.devices, devices_each=1)

    def describe(self) -> str:
        """Say what works, such as "2 workers"."""
        what = "worker" if self.workers == 1 else "workers"
        return f"{self.workers:,} {what}" + (" with a GPU each" if self.devices_each else "")


def import_ray() -> Any:
    """Import Ray with its data library; raises UsageError where it is not installed."""
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UsageError("--on ray needs Ray, not installed here", 'type pip install "sightx-cli[ray]"') from error
    return ray


def check_address(on: str | None, address: str | None, flag: str = "--on") -> None:
    """Raise UsageError for another engine than Ray, and for an address that nothing is done with."""
    if on not in (None, "ray"):
        raise UsageError(f"{flag} {on}: not known; allowed: ray", f"{flag} ray, or leave it out to work here")
    if on is None and address is not None:
        raise UsageError(f"--address {address}: is for work on a Ray cluster", f"add {flag} ray")


@contextlib.contextmanager
def joining_cluster(address: str | None, listener: Listener) -> Iterator[Cluster]:
    """Join the cluster at an address, or start a local one; it is left, or shut down, when the block ends.

    Where the process is connected already, that connection is used, and stays. Raises UsageError where nothing answers,
    where Ray or Python differ there, or SightX is missing on its workers.
    """
    with setting_variables(QUIET):
        ray = import_ray()
        if ray.is_initialized():
            yield _measure_cluster(ray, is_local=False)
            return
        with contextlib.ExitStack() as last:
            logs = Path(tempfile.mkdtemp(prefix="sightx-ray-"))
            last.callback(shutil.rmtree, logs, ignore_errors=True)
            last.callback(ray.shutdown)
            with keeping_handlers(), hushing_stderr(logs / "ray.txt"):
                if address is None:
                    with showing_package(), setting_variables(draw_token()):
                        _start_local(ray, logs, listener)
                else:
                    _join(ray, address)
            last.enter_context(hushing_data())
            if address is not None:
                _check_workers(ray, address)
            yield _measure_cluster(ray, address is None)


def _start_local(ray: Any, folder: Path, listener: Listener) -> None:
    size, notice = choose_store_bytes(measure_free_memory(), _measure_shared_memory())
    if notice is not None:
        listener.notice(notice)
    ray.init(
        num_cpus=measure_threads().total,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.CRITICAL,
        object_store_memory=size,
        _node_ip_address="127.0.0.1",
        _temp_dir=str(folder),
    )


def choose_store_bytes(free: int | None, shared: int | None) -> tuple[int, Notice | None]:
    """Choose how much memory a local Ray keeps objects in, for what is free, there and in /dev/shm (None: unknown).

    Where /dev/shm holds less than Ray needs, Ray keeps them on the disk, which is slower, and that is said.
    """
    wished = MOST_STORE_BYTES if free is None else int(free * STORE_SHARE)
    size = max(LEAST_STORE_BYTES, min(wished, MOST_STORE_BYTES))
    if shared is None or size <= shared * SHARED_SHARE:
        return size, None
    if shared * SHARED_SHARE >= LEAST_STORE_BYTES:
        return int(shared * SHARED_SHARE), None
    text = (
        f"{SHARED_MEMORY} has only {shared / 1e6:.0f} MB free: Ray keeps on the disk what goes between its workers, "
        "which is slower; a container gets more with docker run --shm-size=1g"
    )
    return size, Notice("shared-memory", text, warns=True)


def _measure_shared_memory() -> int | None:
    try:
        return shutil.disk_usage(SHARED_MEMORY).free
    except OSError:
        return None


def _join(ray: Any, address: str) -> None:
    knock(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except Exception as error:  # Ray raises ConnectionError, RuntimeError, ValueError and grpc's own
        said = (str(error).splitlines() or [type(error).__name__])[0]
        if "ersion mismatch" in str(error):
            raise UsageError(
                f"--address {address}: the cluster has other versions of Ray or Python ({_find_versions(str(error))})",
                "install the versions that the cluster has",
            ) from error
        found = "no cluster runs on this machine" if address == "auto" else f"cannot be joined ({said[:200]})"
        hint = (
            "see ray status there; a cluster that asks for a token needs RAY_AUTH_MODE=token and the token in the "
            "environment (docs/scale.md); without --address one is started here"
        )
        raise UsageError(f"--address {address}: {found}", hint) from error


def _find_versions(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if "Ray:" in line or "Python:" in line]
    return "; ".join(lines) or said.splitlines()[0]


def knock(address: str) -> None:
    """Raise UsageError where nothing listens at an address, within seconds: Ray itself would try for a minute."""
    if address == "auto":
        return
    if address.startswith(CLIENT):
        raise UsageError(
            f"--address {address}: Ray's data library does not work through its client; allowed: auto, HOST:PORT",
            "type the command on a machine of the cluster with --address auto, or by ray job submit (docs/scale.md)",
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(
            f"--address {address}: not an address; allowed: auto, HOST:PORT",
            "a cluster's head listens on port 6379",
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except OSError as error:
        raise UsageError(
            f"--address {address}: nothing answers there ({error.strerror or error})",
            "see that the cluster runs (ray status) and that this machine may reach it, or leave --address out",
        ) from error


def _check_workers(ray: Any, address: str) -> None:
    """Raise UsageError where a cluster's workers have no SightX, or another version."""

    def find_version() -> str:  # pickled with its code: the workers need not know this module
        try:
            import openvino  # noqa: F401

            from sightx_cli.version import VERSION as FOUND
        except ImportError as error:
            return f"cannot import {error.name}"
        return str(FOUND)

    try:
        found = ray.get(ray.remote(num_cpus=1)(find_version).remote(), timeout=WORKER_SECONDS)
    except ray.exceptions.GetTimeoutError as error:
        raise UsageError(
            f"--address {address}: no worker has had a processor free for {WORKER_SECONDS:.0f} seconds",
            "see what runs there: ray status",
        ) from error
    if found != VERSION:
        said = found if found.startswith("cannot") else f"have sightx-cli {found}, this machine {VERSION}"
        raise UsageError(
            f"--address {address}: the workers {said}",
            "install this version where they run (docs/scale.md says how)",
        )


def _measure_cluster(ray: Any, is_local: bool) -> Cluster:
    found = ray.cluster_resources()
    return Cluster(ray, max(int(found.get("CPU", 1)), 1), 1, int(found.get("GPU", 0)), 0, is_local)
