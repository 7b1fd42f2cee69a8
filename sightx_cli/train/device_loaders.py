"""The loaders of a device that trains many images a second: decoded once, augmented there a batch at a time.

What a batch needs is worked out, and copied to the device, by a thread some batches ahead and on a stream of its own:
it overlaps with the steps before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from numpy.typing import NDArray
from torch import Tensor

from sightx_cli.data.decoded_set import DecodedSet, Located, Rows, StreamedSet
from sightx_cli.data.pixel_reads import PixelRequest
from sightx_cli.data.view_cuts import Numbers, draw_cuts
from sightx_cli.features.sample import Sample
from sightx_cli.features.views import View, plain_view
from sightx_cli.train.device_images import DeviceImages, Resident
from sightx_cli.train.device_views import Source, cut_views
from sightx_cli.train.transfer import Buffer, Sent, Transfer
from sightx_cli.train.view_numbers import BatchShape, tabulate_views

AHEAD_BATCHES = 2
"""Batches that are on the device, or on their way, before they are asked for."""
MOST_NUMBERS = 40
"""Room for the numbers of a view, of which there are fewer."""


@dataclass(frozen=True)
class Staged:
    """A batch on its way to the device: the numbers of its views, then its pixels where they do not live there."""

    sent: Sent
    names: tuple[str, ...]
    count: int
    shape: BatchShape | None
    """None for plain views."""
    header_bytes: int


class DeviceLoader(DataLoader):
    """A fastai loader of batches (images (N, 3, S, S), normalised, targets), which are on the device already.

    For training each pass draws new views, by an image's digest and the number of the pass alone, as on the CPU.
    """

    def __init__(
        self,
        images: DecodedSet | StreamedSet | Resident,
        sample: Sample,
        view: View,
        normalisation: tuple[Sequence[float], Sequence[float]],
        batch: int,
        shuffle: bool,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(dataset=range(len(sample)), bs=batch, shuffle=shuffle, n=len(sample), device=device)
        self.images, self.digests, self.view, self.dtype = images, sample.digests, view, dtype
        self.asked = PixelRequest(view.size_px, view.fit, view.profile, view.reading)
        self.mean, self.std = (torch.tensor(one, device=device).view(1, 3, 1, 1) * 255 for one in normalisation)
        self.targets = torch.from_numpy(np.asarray(sample.targets)).to(device)
        self.passes = 0
        """How often the samples have been gone through in training: the number of the view that each is read in."""
        self.share: Callable[[Rows], Rows] = lambda rows: rows
        """Takes the part of a batch's rows that this process reads, where several share each batch."""

    def create_batches(self, samples: Iterable[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """Build the batches on the device, in the loader's order."""
        self.passes += bool(self.shuffle)
        order, size = np.fromiter(samples, dtype=np.int64), self.bs
        batches = [self.share(order[start : start + size]) for start in range(0, len(order), size)]
        staging = self._stage(batches, replace(self.view, number=self.passes))
        with ThreadPoolExecutor(1) as ahead:
            waiting = deque(ahead.submit(next, staging, None) for _ in range(AHEAD_BATCHES))
            try:
                while (staged := waiting.popleft().result()) is not None:
                    waiting.append(ahead.submit(next, staging, None))
                    yield self._build(staged)
            finally:
                for future in waiting:
                    future.cancel()
                ahead.submit(staging.close)

    def _stage(self, batches: Sequence[Rows], view: View) -> Generator[Staged, None, None]:
        """Work out what batches need, and send it; runs in a thread of its own."""
        transfer = Transfer(self.device, AHEAD_BATCHES + 2)
        if isinstance(self.images, Resident):
            for rows in batches:
                yield self._send(transfer, transfer.take_buffer(), view, rows, self.images.images.take(rows), 0)
            return
        buffer, header_bytes = Buffer(False), 0

        def take_room(count: int) -> NDArray[np.uint8]:
            nonlocal buffer
            buffer = transfer.take_buffer()
            return buffer.take_room(header_bytes + count)[header_bytes:]

        header_bytes = max(map(len, batches), default=0) * MOST_NUMBERS * 8
        for batch in self.images.stream(batches, take_room):
            pixels = int(batch.images.sizes_bytes.sum())
            yield self._send(transfer, buffer, view, batch.rows, batch.images, pixels, header_bytes)

    def _send(
        self,
        transfer: Transfer,
        buffer: Buffer,
        view: View,
        rows: Rows,
        images: Located,
        pixel_bytes: int,
        header_bytes: int | None = None,
    ) -> Staged:
        """Write the numbers of the batch's views before its pixels, and send both."""
        numbers: dict[str, Numbers] = {"row": rows.astype(np.float64), "offset": images.offsets.astype(np.float64)}
        shape = None
        if self.asked.is_drawn:
            assert view.profile is not None
            seeds = [view.seed_draw(self.digests[row]) for row in rows]
            sizes = list(zip(images.widths.tolist(), images.heights.tolist(), strict=True))
            cuts = draw_cuts(sizes, view.size_px, view.fit, view.profile, seeds)
            table, shape = tabulate_views(images, cuts)
            numbers |= table
        written = np.stack(list(numbers.values()))
        assert len(written) <= MOST_NUMBERS, "they would be written over the pixels"
        if header_bytes is None:
            header_bytes = written.nbytes
            buffer.take_room(header_bytes)
        buffer.memory[: written.nbytes].numpy().view(np.float64)[:] = written.ravel()
        sent = transfer.send(buffer, header_bytes + pixel_bytes)
        return Staged(sent, tuple(numbers), len(rows), shape, header_bytes)

    def _build(self, staged: Staged) -> tuple[Tensor, Tensor]:
        """Make the batch of what was sent: all of it on the device, and nothing asked of it."""
        content, side = staged.sent.receive(), self.view.size_px
        written = content[: len(staged.names) * staged.count * 8].view(torch.float64).view(len(staged.names), -1)
        numbers = dict(zip(staged.names, written, strict=True))
        resident = isinstance(self.images, Resident)
        pixels = self.images.pixels if isinstance(self.images, Resident) else content[staged.header_bytes :]
        if staged.shape is not None:
            levels = cut_views(Source(pixels, numbers, staged.shape), side)
        else:
            plain = pixels.view(-1, side, side, 3)
            taken = plain[(numbers["offset"] / (3 * side * side)).long()] if resident else plain
            levels = taken.permute(0, 3, 1, 2).float()
        images = ((levels - self.mean) / self.std).to(self.dtype, memory_format=torch.channels_last)
        return images, self.targets[numbers["row"].long()]


def build_device_loaders(
    train: Sample,
    valid: Sample,
    view: View,
    normalisation: tuple[Sequence[float], Sequence[float]],
    batch: int,
    device: torch.device,
    kept: DeviceImages,
) -> DataLoaders:
    """Build loaders of freshly augmented and of plain views that are made on the device.

    Raises `ImageFileError` for an image that can no longer be read.
    """
    plain, loaders = plain_view(view), []
    for sample, of_part, size, shuffle in ((train, view, batch, True), (valid, plain, 2 * batch, False)):
        images = kept.open(sample, PixelRequest(view.size_px, view.fit, of_part.profile, view.reading))
        loaders.append(DeviceLoader(images, sample, of_part, normalisation, size, shuffle, device))
    return DataLoaders(*loaders, device=device)
