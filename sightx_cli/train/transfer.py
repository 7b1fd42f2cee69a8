"""Copies host memory to a device while it computes: from pinned buffers, on a stream of its own."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ROOM_BYTES = 1 << 20
"""Buffers grow to multiples of it."""


@dataclass(frozen=True)
class Sent:
    """Bytes on the device, or on their way."""

    content: Tensor
    """uint8, flat."""
    arrived: Any = None
    """The CUDA event of their arrival; None where the copy was made at once."""

    def receive(self) -> Tensor:
        """Return the bytes for what the current stream does next: the device waits for them, the host does not."""
        if self.arrived is not None:
            stream = torch.cuda.current_stream(self.content.device)
            stream.wait_event(self.arrived)
            self.content.record_stream(stream)  # their memory belongs to the other stream, which must not reuse it yet
        return self.content


class Buffer:
    """Host memory that is copied from, pinned for CUDA; it is filled again only when its last copy is done."""

    def __init__(self, is_pinned: bool) -> None:
        self._is_pinned = is_pinned
        self.memory = torch.empty(0, dtype=torch.uint8)
        self.copied: Any = None
        """The CUDA event of the last copy."""

    def take_room(self, count: int) -> NDArray[np.uint8]:
        """Return an array of so many bytes to be filled."""
        if self.copied is not None:
            self.copied.synchronize()
        if len(self.memory) < count:
            room = -(-count // ROOM_BYTES) * ROOM_BYTES
            self.memory = torch.empty(room, dtype=torch.uint8, pin_memory=self._is_pinned)
        taken: NDArray[np.uint8] = self.memory.numpy()[:count]
        return taken


class Transfer:
    """Sends buffers to one device. Made and used by one thread, which may be another than the one that computes."""

    def __init__(self, device: torch.device, buffers: int) -> None:
        self._device, self._is_cuda = device, device.type == "cuda"
        self._stream: Any = torch.cuda.Stream(device) if self._is_cuda else None  # type: ignore[no-untyped-call]
        self._buffers = [Buffer(self._is_cuda) for _ in range(buffers)]

    def take_buffer(self) -> Buffer:
        """Return the buffer that was used longest ago."""
        buffer = self._buffers.pop(0)
        self._buffers.append(buffer)
        return buffer

    def send(self, buffer: Buffer, count: int) -> Sent:
        """Copy a buffer's first bytes to the device; on CUDA this returns before they are there."""
        if not self._is_cuda:
            return Sent(buffer.memory[:count].to(self._device, copy=True))
        with ExitStack() as scopes:
            scopes.enter_context(torch.cuda.device(self._device))
            scopes.enter_context(torch.cuda.stream(self._stream))
            content = buffer.memory[:count].to(self._device, non_blocking=True)
            buffer.copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            buffer.copied.record(self._stream)
        return Sent(content, buffer.copied)
