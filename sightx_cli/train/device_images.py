"""The decoded images of a fit as its device reads them, once for all stages: on the device, where they fit there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from sightx_cli.data.decoded_room import Rooms, decode_images
from sightx_cli.data.decoded_set import DecodedSet, Located, SharedImages, StreamedSet
from sightx_cli.data.pixel_reads import PixelRequest
from sightx_cli.data.reader_processes import Readers, choose_processes, open_readers
from sightx_cli.data.readers import ImageFileError
from sightx_cli.engine.torch_forward import measure_free
from sightx_cli.features.sample import Sample
from sightx_cli.features.store import default_budget_bytes
from sightx_cli.filesystem import choose_cache_folder
from sightx_cli.machine import measure_threads
from sightx_cli.processes import ALONE, Processes
from sightx_cli.progress import Listener, Notice, Silent
from sightx_cli.train.transfer import Transfer

RESIDENT_SHARE = 0.5
"""Of the memory of the device that is free when the first part is opened, for all parts; the rest is for training."""
SENT_BYTES = 64 * 1024**2
"""Bytes that are sent at a time."""


@dataclass(frozen=True)
class Resident:
    """All images of a part on the device."""

    pixels: Tensor
    """uint8, flat."""
    images: Located


class DeviceImages:
    """Opens the parts of a fit, each once; what is on the device stays there as long as this object lives.

    Of several processes on a machine one decodes, and the others read what it has decoded.
    """

    def __init__(
        self,
        device: torch.device,
        listener: Listener | None = None,
        notice: Callable[[Notice], None] | None = None,
        rooms: Rooms | None = None,
        readers: Readers | None = None,
        measure_memory: Callable[[torch.device], int | None] = measure_free,
        processes: Processes = ALONE,
    ) -> None:
        self._device, self._listener, self._rooms, self._readers = device, listener or Silent(), rooms, readers
        self._notice = notice or self._listener.notice
        self._measure_memory, self._processes = measure_memory, processes
        self._room: int | None = None
        """What of the device's memory may still be taken; None before it is known."""
        self._opened: list[tuple[Sample, PixelRequest, DecodedSet | StreamedSet | Resident]] = []

    def open(self, sample: Sample, asked: PixelRequest) -> DecodedSet | StreamedSet | Resident:
        """Return a part's images, decoded now where they have not been yet; a meeting of all processes.

        Raises `ImageFileError` for an image that can no longer be read.
        """
        for known, request, opened in self._opened:
            if known is sample and request == asked:
                return opened
        alone = self._processes.local_count == 1
        images: DecodedSet | StreamedSet | Resident
        images = decoded = self._decode(sample, asked) if alone else self._decode_together(sample, asked)
        if isinstance(decoded, DecodedSet) and self._take_room(decoded.bytes_held):
            images = send_images(decoded, self._device)
            decoded.close()
        self._opened.append((sample, asked, images))
        return images

    def _decode(self, sample: Sample, asked: PixelRequest, sharers: int = 1) -> DecodedSet | StreamedSet:
        """Decode on the processors of so many processes."""
        rooms = self._rooms or Rooms.measure(choose_cache_folder() / "decoded", default_budget_bytes())
        readers = self._readers
        if sharers > 1 and readers is None:
            readers = open_readers(choose_processes(len(sample), sharers * measure_threads().decoding))
        return decode_images(sample.paths, asked, rooms, self._listener, self._notice, readers)

    def _decode_together(self, sample: Sample, asked: PixelRequest) -> DecodedSet | StreamedSet:
        """Let the first process of each machine decode, and the others find what it has."""
        processes, images = self._processes, None
        shared: SharedImages | None = None
        failure: tuple[str, str, str] | None = None
        if processes.local_rank == 0:
            try:
                images = self._decode(sample, asked, processes.local_count)
                shared = images.describe() if isinstance(images, DecodedSet) else None
            except ImageFileError as error:  # the others are to end as well, and not to wait
                failure = error.path, error.reason, error.hint
        told = processes.gather((shared, failure))
        for _, one in told:
            if one is not None:
                raise ImageFileError(*one)
        shared, _ = told[processes.rank - processes.local_rank]
        if images is None:
            with contextlib.suppress(OSError):  # not to be seen from here, as from another container
                images = DecodedSet.attach(shared) if shared is not None else self._stream(sample, asked)
        processes.wait()  # the first may close its files when the others have opened them
        return images if images is not None else self._decode(sample, asked)

    def _stream(self, sample: Sample, asked: PixelRequest) -> StreamedSet:
        return StreamedSet(sample.paths, asked, self._readers or open_readers(choose_processes(len(sample))))

    def _take_room(self, bytes_held: int) -> bool:
        """Take room on the device; False where there is none, or the device has no memory of its own."""
        if self._room is None:
            self._room = int(RESIDENT_SHARE * (self._measure_memory(self._device) or 0))
        if bytes_held > self._room:
            return False
        self._room -= bytes_held
        return True


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
