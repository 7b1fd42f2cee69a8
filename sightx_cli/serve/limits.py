"""How much a server takes on: beyond it a request is refused in words, and the server goes on."""

from __future__ import annotations

from dataclasses import dataclass

from sightx_cli.machine import measure_free_memory

MEBIBYTE = 1024**2
SHARE_OF_FREE_MEMORY = 0.25
UNKNOWN_HELD_BYTES = 256 * MEBIBYTE
"""What uploads may take together where the system does not tell how much memory is free."""


@dataclass(frozen=True)
class Limits:
    """Sizes, counts and seconds. None is an option of the command: nobody has asked to change one."""

    file_bytes: int = 64 * MEBIBYTE
    """The largest image: what the readers take into memory whole (`data.readers.LARGEST_BYTES`)."""
    request_bytes: int = 256 * MEBIBYTE
    """The largest body of one request, its files together."""
    files: int = 64
    """The most images of one request."""
    requests: int = 64
    """Requests that may be uploading or waiting for their answer at a time; the next one is told to come back."""
    waiting_images: int = 128
    """Images that may wait for the model: at least those of one request."""
    held_bytes: int = UNKNOWN_HELD_BYTES
    """What all uploads may take in memory together."""
    connections: int = 256
    """Connections open at a time, idle ones among them: well below the 1,024 files that a process may have open."""
    batch: int = 8
    """Images that go through the model at once, where so many wait."""
    batch_seconds: float = 0.003
    """How long the model waits for others that are being received, to take them along."""
    large_pixels: int = 16_000_000
    """From so many pixels on an image is read aside, one at a time, so that ordinary ones do not wait for it."""
    image_pixels: int = 50_000_000
    """The largest image that is answered: one of 45 megapixels passes, and a scan that would hold 600 MB does not."""
    waiting_heatmaps: int = 8
    idle_seconds: float = 10.0
    """How long a client may send nothing in the middle of a request, or before one."""
    receiving_seconds: float = 120.0
    """How long a request may take to arrive: 64 MB at 5 Mbit/s."""
    answering_seconds: float = 60.0
    """How long an answer may take once its images are here."""
    stopping_seconds: float = 10.0
    """How long requests that are being answered may go on when the server is stopped."""


def choose_limits() -> Limits:
    """Choose limits for this machine: all uploads together take at most a quarter of the memory that is free now.

    There is always room for two images, and for a whole request, which would be told to come back for ever otherwise.
    """
    free = measure_free_memory()
    held = UNKNOWN_HELD_BYTES if free is None else min(int(free * SHARE_OF_FREE_MEMORY), 1024 * MEBIBYTE)
    held = max(held, 2 * Limits.file_bytes)
    return Limits(held_bytes=held, request_bytes=min(Limits.request_bytes, held))
