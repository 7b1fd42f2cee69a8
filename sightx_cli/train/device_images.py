"""The decoded images of a fit as its device reads them, once for all stages: on the device, where they fit there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from sightx_cli.data.decoded_room import Rooms, decode_images
from sightx_cli.data.decoded_set import DecodedSet, Located, StreamedSet
from sightx_cli.data.pixel_reads import PixelRequest
from sightx_cli.data.reader_processes import Readers
from sightx_cli.features.sample import Sample
from sightx_cli.features.store import default_budget_bytes, default_store_folder
from sightx_cli.progress import Listener, Notice, Silent
from sightx_cli.train.transfer import Transfer, measure_device_memory

RESIDENT_SHARE = 0.5
"""Of the device's free memory, for images that stay there; the rest is for what trains."""
SENT_BYTES = 64 * 1024**2
"""Bytes that are sent at a time."""


@dataclass(frozen=True)
class Resident:
    """All images of a part on the device."""

    pixels: Tensor
    """uint8, flat."""
    images: Located


class DeviceImages:
    """Opens the parts of a fit, each once; what is on the device stays there as long as this object lives."""

    def __init__(
        self,
        device: torch.device,
        listener: Listener | None = None,
        notice: Callable[[Notice], None] | None = None,
        rooms: Rooms | None = None,
        readers: Readers | None = None,
        measure_memory: Callable[[torch.device], int] = measure_device_memory,
    ) -> None:
        self._device, self._listener, self._rooms, self._readers = device, listener or Silent(), rooms, readers
        self._notice = notice or self._listener.notice
        self._measure_memory = measure_memory
        self._opened: dict[tuple[int, PixelRequest], DecodedSet | StreamedSet | Resident] = {}

    def open(self, sample: Sample, asked: PixelRequest) -> DecodedSet | StreamedSet | Resident:
        """Return a part's images, decoded now where they have not been yet.

        Raises `ImageFileError` for an image that can no longer be read.
        """
        key = id(sample), asked
        if key not in self._opened:
            rooms = self._rooms or Rooms.measure(default_store_folder() / "decoded", default_budget_bytes())
            images = decode_images(sample.paths, asked, rooms, self._listener, self._notice, self._readers)
            if isinstance(images, DecodedSet) and self._has_room(images.bytes_held):
                self._opened[key] = send_images(images, self._device)
                images.close()
            else:
                self._opened[key] = images
        return self._opened[key]

    def _has_room(self, bytes_held: int) -> bool:
        return bytes_held <= RESIDENT_SHARE * self._measure_memory(self._device)


def send_images(decoded: DecodedSet, device: torch.device) -> Resident:
    """Send all decoded images to the device, file by file; from then on their places are in one array there."""
    begins = np.cumsum([0, *(file.bytes_used for file in decoded.files)])
    pixels = torch.empty(int(begins[-1]), dtype=torch.uint8, device=device)
    transfer = Transfer(device, 2)
    for file, begin in zip(decoded.files, begins[:-1].tolist(), strict=True):
        for start in range(0, file.bytes_used, SENT_BYTES):
            count = min(SENT_BYTES, file.bytes_used - start)
            buffer = transfer.take_buffer()
            file.read_into(start, buffer.take_room(count))
            pixels[begin + start : begin + start + count] = transfer.send(buffer, count).receive()
    offsets = decoded.images.offsets + begins[decoded.file_of]
    return Resident(pixels, replace(decoded.images, offsets=offsets))
