"""The forward by torch: on CUDA and MPS, and wherever OpenVINO cannot convert a network."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from sightx_cli.engine.captured_calls import Captured, RunCalls, capture_call
from sightx_cli.engine.interface import EXACT, Images, Key, Outputs, Precision, choose_batch, choose_device_batch
from sightx_cli.engine.whole_calls import CallCounts, fill_up

HALVES: dict[Precision, torch.dtype] = {"bfloat16": torch.bfloat16, "float16": torch.float16}

LIGHT_WORK = 10**12
"""Weights times pixels of an image that one thread passes as quickly as several: 10 million at 316 px. What a fit
begins with took an EfficientNet-Lite2 at 260 px 1.0 s on two idle cores, with one thread as with two; beside other busy
processes two took 3.5 to 6 s, and one still 1.0."""

AHEAD_BATCHES = 1
"""Batches that are computed while the outputs of the one before come back."""

_COMPUTING = threading.Lock()
"""What `computing_in` sets is the process's: of two threads within, the one that leaves last would put back the
other's."""


class TorchForward:
    """A torch module in channels_last, under autocast where it is to compute in half precision."""

    engine = "torch"

    def __init__(
        self,
        module: nn.Module,
        output_names: Sequence[str],
        size_px: int,
        mean: Sequence[float],
        std: Sequence[float],
        device: str = "cpu",
        precision: Precision = EXACT,
        batch: int | None = None,
        captures: bool = False,
    ) -> None:
        """Put a module on a device; `batch` is how many images go through it at once (None: what suits both).

        With `captures` the calls of a run with many batches are captured on CUDA; meanwhile no other thread may wait
        for the device.
        """
        self.device = torch.device(device)
        self.size_px = size_px
        self.output_names = tuple(output_names)
        self._module = module.to(self.device).eval()
        if self.device.type == "cuda":
            self._module.to(memory_format=torch.channels_last)
        self._mean = torch.tensor(mean, device=self.device).view(1, 3, 1, 1) * 255
        self._std = torch.tensor(std, device=self.device).view(1, 3, 1, 1) * 255
        self.precision = precision
        if batch is None:
            on_cpu = self.device.type == "cpu"
            batch = choose_batch(size_px) if on_cpu else choose_device_batch(size_px, measure_free(self.device))
        self.batch_images = batch
        self._most_images: int | None = None
        """How many images at once the device's memory has held, where it did not hold a batch; None where it did."""
        self._counts = CallCounts(batch)
        self._captures = captures and self.device.type == "cuda"
        self._stream: torch.cuda.Stream | None = None

    def run(self, batches: Iterable[tuple[Key, Images]]) -> Iterator[tuple[Key, Outputs]]:
        """Run batches of uint8 images (N, H, W, 3); yield (key, outputs float32 by name), in order.

        The outputs of a batch are fetched when the next one is on its way, so that a GPU does not wait for either.
        """
        way, calls = Way(self.device), RunCalls(self._compute, self.batch_images, self._capture)
        running: deque[tuple[Key, Callable[[], Outputs]]] = deque()
        with closing(calls):
            for key, images in batches:
                outputs = calls.make(way.bring(images))
                running.append((key, way.fetch(dict(zip(self.output_names, outputs, strict=True)))))
                if len(running) > AHEAD_BATCHES:
                    key, wait = running.popleft()
                    yield key, wait()
            for key, wait in running:
                yield key, wait()

    def _compute(self, pixels: Tensor) -> Sequence[Tensor]:
        """Run the module on images (N, H, W, 3); in halves, and those again, where the device has too little memory."""
        if self._most_images is None or len(pixels) <= self._most_images:
            count = self._counts.choose(len(pixels)) if self.device.type == "cuda" else len(pixels)
            try:
                return self._run_module(pixels, count)
            except torch.OutOfMemoryError:
                if count == 1:
                    raise
                self._most_images = count // 2
                self._counts.forget_above(self._most_images)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
        parts = [self._compute(part) for part in torch.split(pixels, self._most_images)]
        return [torch.cat(each) for each in zip(*parts, strict=True)]

    def _capture(self, pixels: Tensor) -> Captured | None:
        """Capture the module's call with as many images; None where it is not to be, memory is short, or it fails."""
        is_main = threading.current_thread() is threading.main_thread()  # then no other fit captures at this time
        if not self._captures or self._most_images is not None or not is_main:
            return None
        if self._stream is None:  # one for all runs: each that computes has memory of its own
            self._stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        captured = capture_call(lambda images: self._run_module(images, len(images)), pixels, self._stream)
        self._captures = captured is not None
        return captured

    @torch.inference_mode()
    def _run_module(self, pixels: Tensor, count: int) -> Sequence[Tensor]:
        images = len(pixels)
        normalised = (fill_up(pixels, count).permute(0, 3, 1, 2).float() - self._mean) / self._std
        normalised = normalised.contiguous(memory_format=torch.channels_last)
        with _COMPUTING, computing_in(self.precision, self.device.type):
            outputs = self._module(normalised)
        return [one[:images] for one in (outputs if isinstance(outputs, (tuple, list)) else (outputs,))]


class Way:
    """The way of images to a device and of outputs back: on CUDA both go on while the device computes.

    Images go there in a stream of their own ("CUDA semantics" in PyTorch's documentation); outputs come back behind
    what computes them, and an event tells when they have arrived.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def bring(self, images: Images) -> Tensor:
        """Return images (N, H, W, 3) uint8 on the device; the array may be changed when this returns."""
        pixels = torch.from_numpy(np.require(images, requirements=["C", "W"]))
        with torch.cuda.stream(self._stream):  # of None: the one that computes
            brought = send(pixels, self.device)
        if self._stream is not None:
            computing = torch.cuda.current_stream(self.device)
            computing.wait_stream(self._stream)
            brought.record_stream(computing)  # not to be given away before it is read there
        return brought

    def fetch(self, outputs: Mapping[str, Tensor]) -> Callable[[], Outputs]:
        """Let outputs come back as float32; returns what waits for them."""
        if self._stream is None:
            return lambda: {name: one.float().cpu().numpy() for name, one in outputs.items()}
        arriving = {}
        for name, one in outputs.items():
            arriving[name] = torch.empty(one.shape, pin_memory=True)
            arriving[name].copy_(one.float(), non_blocking=True)
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record(torch.cuda.current_stream(self.device))

        def wait() -> Outputs:
            arrived.synchronize()
            return {name: one.numpy().copy() for name, one in arriving.items()}  # pinned memory is for the way only

        return wait


def measure_free(device: torch.device) -> int | None:
    """Return the bytes that may still be taken of a GPU's memory; None where that is not known, as on the CPU.

    What torch holds in reserve is free for its own tensors.
    """
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def wait_for(device: torch.device) -> None:
    """Wait until a device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor of the CPU on a device; towards CUDA it is on its way, and what is computed there waits for it.

    Only from pinned memory is copied while Python goes on (PyTorch's tutorial "A guide on good usage of `non_blocking`
    and `pin_memory()`"), and on MPS such a copy may be read before it is whole.
    """
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


@contextmanager
def computing_in(precision: Precision, device_type: str, keeps_casts: bool = True) -> Iterator[None]:
    """Compute the block in a precision: half by autocast, and float32 without the TF32 that CUDA has for it.

    `keeps_casts` keeps the weights that autocast has cast until the block ends. cuDNN does not time its kernels first,
    which fastai's import, under way beside it or done, asks it for: on an H200 that took 47 s for a size of batch, and
    found no faster ones.
    """
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    is_half = precision in HALVES
    if not is_half:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    half = torch.autocast(device_type, dtype=HALVES[precision], cache_enabled=keeps_casts) if is_half else nullcontext()
    try:
        with half:
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = before


def find_half(device: torch.device) -> Precision | None:
    """Return the half precision that a device computes natively, and so faster, or None.

    CUDA before Ampere has float16 alone: it emulates bfloat16, slowly. MPS has float16, but no gradient scaler.
    """
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    if device.type == "cpu":
        capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        return "bfloat16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else None
    return None


@contextmanager
def without_gradients(module: nn.Module) -> Iterator[None]:
    """Let no parameter have a gradient meanwhile: a trace takes them for constants, and torch's counter of operations
    fails on a module that is given one (CaiT's token).
    """
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


@contextmanager
def using_one_thread() -> Iterator[None]:
    """Let torch compute the block in one thread, and put back how many it had.

    One image is so little work that threads mostly wait for each other. On two busy cores an image of 224 px took 800
    ms of processor time with two threads, and 29 ms with one.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def using_few_threads(network: nn.Module, size_px: int) -> Iterator[None]:
    """Let torch pass an image or two through a network in one thread where that is little work, else as ever.

    Such a pass tells what a network calls, or gives: how many threads compute it changes neither.
    """
    weights = sum(parameter.numel() for parameter in network.parameters())
    with using_one_thread() if weights * size_px**2 <= LIGHT_WORK else nullcontext():
        yield
