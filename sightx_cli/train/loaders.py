"""The loaders that feed a learner: cached features, or images read in threads through fastai's DataBlock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
import torch
from fastai.data.block import DataBlock, TransformBlock
from fastai.data.core import DataLoaders, TfmdDL
from fastai.data.load import DataLoader
from fastai.data.transforms import ColReader, ColSplitter
from fasttransform import Transform
from numpy.typing import NDArray
from torch import Tensor

from sightx_cli.data.pixels import DecodedImages, PlainViews
from sightx_cli.engine.torch_forward import send
from sightx_cli.features.extraction import Features
from sightx_cli.features.sample import Sample
from sightx_cli.features.views import View
from sightx_cli.machine import measure_threads
from sightx_cli.train.device_images import DeviceImages
from sightx_cli.train.device_loaders import build_device_loaders
from sightx_cli.train.resident_features import ResidentFeatures, settle_on_device

RELEASE_EVERY_BATCHES = 16
"""How often the pages read from the store are released: a map's pages count as this process's memory."""


def keep_rows(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Keep the rows of a batch as they are: what a process alone reads of it."""
    return rows


class CachedLoader(DataLoader):
    """A fastai loader over cached features: batches of (output tensors…, targets), float32.

    With several views, image i is read in view (i + epoch) mod K: over K epochs the head sees every view of every
    image, and each epoch mixes all views.
    """

    def __init__(
        self,
        views: Sequence[Features],
        names: Sequence[str],
        targets: NDArray[np.int64],
        batch: int,
        shuffle: bool,
        device: torch.device,
    ) -> None:
        super().__init__(dataset=range(len(targets)), bs=batch, shuffle=shuffle, n=len(targets), device=device)
        self.views, self.names, self.targets = views, names, targets
        self.passes = 0
        """How often the samples have been gone through: which view each is read in next."""
        self.left_out: NDArray[np.int64] | None = None
        """Positions of images that are passed over; None for none."""
        self.owed_rows: NDArray[np.int64] = np.empty(0, np.int64)
        self.owed_epochs = 0
        """Positions of images that were passed over in so many epochs, and are seen twice in as many to come."""
        self.share = keep_rows
        """What this process reads of the rows of each batch (see `train.distribution`)."""
        self.resident: ResidentFeatures | None = settle_on_device(views, names, device)
        """The features on the device; None where each batch is read from the store, and sent."""

    def create_batches(self, samples: Iterable[int]) -> Iterator[tuple[Tensor, ...]]:
        """Gather rows of the store, batch by batch, in the loader's order."""
        epoch = self.passes if self.shuffle else 0
        self.passes += 1
        order = np.fromiter(samples, dtype=np.int64)
        batch = self.next_batch
        if self.left_out is not None:
            order = order[~np.isin(order, self.left_out)]
        elif self._owes:
            self.owed_epochs -= 1
            again = [*order.tolist(), *self.owed_rows.tolist()]
            order = np.array(self.rng.sample(again, len(again)))
        for number, start in enumerate(range(0, len(order), batch)):
            rows = self.share(order[start : start + batch])
            yield (*self.gather(rows, epoch), send(torch.from_numpy(self.targets[rows]), self.device))
            if number % RELEASE_EVERY_BATCHES == 0:
                for view in self.views:
                    view.release()

    @property
    def next_batch(self) -> int:
        """The images of a whole batch of the next pass: of as many batches as ever, which the course of the rates
        counts."""
        images: int = ceil((self.n + len(self.owed_rows)) / len(self)) if self._owes else self.bs
        return images

    @property
    def _owes(self) -> bool:
        return self.left_out is None and bool(self.owed_epochs and self.shuffle)

    def readmit(self, epochs: int) -> None:
        """Take the images that were left out of so many epochs in again: all are seen as often in the end."""
        if self.left_out is not None:
            self.owed_rows, self.owed_epochs, self.left_out = self.left_out, epochs, None

    def gather(self, rows: NDArray[np.int64], epoch: int) -> list[Tensor]:
        """Read the outputs of the images at these positions, each in its view of an epoch, on the loader's device."""
        view_of = (rows + epoch) % len(self.views)
        inputs = []
        for name in self.names:
            if self.resident is not None:
                tensor = self.resident.gather(name, rows, view_of)
            else:
                tensor = send(torch.from_numpy(self._read(name, rows, view_of)), self.device)
            tensor = tensor.float()
            inputs.append(tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor)
        return inputs

    def _read(self, name: str, rows: NDArray[np.int64], view_of: NDArray[np.int64]) -> NDArray[Any]:
        parts: NDArray[Any] | None = None
        for number in np.unique(view_of):
            here = view_of == number
            taken = self.views[number].take(name, rows[here])
            if parts is None:
                parts = np.empty((len(rows), *taken.shape[1:]), taken.dtype)
            parts[here] = taken
        assert parts is not None, "a batch has at least one row"
        return parts


def read_loader_state(loader: Any) -> dict[str, Any]:
    """Return where a training loader is, as JSON can hold it."""
    if not isinstance(loader, CachedLoader):
        return {"passes": loader.passes}
    return {"passes": loader.passes, "owed_rows": loader.owed_rows.tolist(), "owed_epochs": loader.owed_epochs}


def set_loader_state(loader: Any, state: Mapping[str, Any]) -> None:
    """Bring a training loader to where another was."""
    loader.passes = state["passes"]
    if isinstance(loader, CachedLoader):
        loader.owed_rows, loader.owed_epochs = np.array(state["owed_rows"], np.int64), state["owed_epochs"]


def build_cached_loaders(
    train: tuple[Sequence[Features], NDArray[np.int64]],
    valid: tuple[Features, NDArray[np.int64]],
    names: Sequence[str],
    batch: int,
    device: torch.device,
) -> DataLoaders:
    """Build train and valid loaders over cached features; the train loader shuffles and cycles through the views."""
    views, targets = train
    cached, valid_targets = valid
    return DataLoaders(
        CachedLoader(views, names, targets, batch, True, device),
        CachedLoader([cached], names, valid_targets, 2 * batch, False, device),
        device=device,
    )


class ThreadedLoader(TfmdDL):
    """A fastai loader that reads its items in threads, a few batches ahead: Pillow and NumPy release the interpreter.

    Worker processes would each import torch (seconds, hundreds of MB) and start threads of their own.
    """

    share = staticmethod(keep_rows)
    """What this process reads of the rows of each batch (see `train.distribution`)."""

    def create_batches(self, samples: Iterable[int]) -> Iterator[Any]:
        """Read items ahead of the batch that trains."""
        self.it = iter(self.dataset)
        parts = [self.share(np.array(part, np.int64)).tolist() for part in self.chunkify(iter(samples))]
        items = self._read_ahead(sample for part in parts for sample in part)
        for part in parts:
            yield self.do_batch([next(items) for _ in part])

    def _read_ahead(self, samples: Iterable[int]) -> Iterator[Any]:
        threads = measure_threads().decoding
        with ThreadPoolExecutor(threads) as pool:
            waiting: deque[Any] = deque()
            for sample in samples:
                waiting.append(pool.submit(self.do_item, sample))
                if len(waiting) >= 2 * self.bs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


@dataclass(frozen=True)
class ImageFile:
    """An image to read: its file, and the digest that its augmented views are drawn from.

    Not a tuple: fastai applies a transform to each element of a tuple by itself.
    """

    path: str
    digest: str


class ReadImage(Transform):
    """Read a row's image: a fresh augmented view each time for training, the plain view for validation.

    `split_idx` is fastai's number of the part, so that two of these work side by side in one block.
    """

    def __init__(self, read: Callable[[str, str], NDArray[np.uint8]], split_idx: int) -> None:
        super().__init__()
        self.read, self.split_idx = read, split_idx

    def encodes(self, item: ImageFile) -> Tensor:
        """Return the view's pixels (H, W, 3) uint8 as a tensor."""
        return torch.from_numpy(self.read(item.path, item.digest))


class NormalisePixels(Transform):
    """Turn a batch of uint8 images (N, H, W, 3) into the network's input (N, 3, H, W) float32."""

    order = 99

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.mean = torch.tensor(mean).view(1, 3, 1, 1) * 255
        self.std = torch.tensor(std).view(1, 3, 1, 1) * 255

    def encodes(self, batch: Tensor) -> Tensor:
        """Normalise images; targets, of one dimension, pass unchanged."""
        if batch.dim() != 4:
            return batch
        pixels = batch.permute(0, 3, 1, 2).float()
        return (pixels - self.mean.to(batch.device)) / self.std.to(batch.device)


def build_image_loaders(
    train: Sample,
    valid: Sample,
    view: View,
    normalisation: tuple[Sequence[float], Sequence[float]],
    batch: int,
    device: torch.device,
    kept: DeviceImages | None = None,
) -> DataLoaders:
    """Build loaders that read images, freshly augmented each epoch.

    With `kept` they are decoded once and augmented on the device; else read in threads, through a fastai DataBlock.
    """
    if kept is not None:
        return build_device_loaders(train, valid, view, normalisation, batch, device, kept)
    import pandas as pd

    rows = [(*row, False) for row in zip(train.paths, train.digests, train.targets, strict=True)]
    rows += [(*row, True) for row in zip(valid.paths, valid.digests, valid.targets, strict=True)]
    frame = pd.DataFrame(rows, columns=["path", "digest", "target", "is_valid"])
    number = 1
    decoded = DecodedImages()

    def read_fresh(path: str, digest: str) -> NDArray[np.uint8]:
        return replace(view, number=number).read(path, digest, decoded.read)

    class CountedLoader(ThreadedLoader):
        """Draws a new view for every pass over the training part."""

        passes = 0

        def before_iter(self) -> None:
            nonlocal number
            super().before_iter()
            if self.shuffle:
                self.passes += 1
                number = self.passes

    # Validation images are read exactly as `predict` reads them: not from the smaller copies held in memory.
    plain = PlainViews(view.size_px, view.fit, reading=view.reading)
    images = TransformBlock(type_tfms=[ReadImage(read_fresh, 0), ReadImage(plain.read, 1)])
    block = DataBlock(
        blocks=(images, TransformBlock(type_tfms=[lambda target: torch.as_tensor(target)])),
        get_x=lambda row: ImageFile(row["path"], row["digest"]),
        get_y=ColReader("target"),
        splitter=ColSplitter("is_valid"),
        batch_tfms=[NormalisePixels(*normalisation)],
        dl_type=CountedLoader,
    )
    loaders: DataLoaders = block.dataloaders(frame, bs=batch, num_workers=0, device=device, drop_last=False)
    return loaders
