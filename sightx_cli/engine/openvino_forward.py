"""The compiled forward on CPUs: OpenVINO, several streams, requests in flight. Never imports torch."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sightx_cli.engine.graph_files import check_graph
from sightx_cli.engine.interface import EXACT, Images, Key, Outputs, Precision, choose_batch
from sightx_cli.machine import ThreadBudget, is_sharing_processors, measure_threads
from sightx_cli.startup.openvino_parts import openvino

PRECISION_HINTS: dict[Precision, str] = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}


class OpenVinoForward:
    """An OpenVINO graph compiled for this machine's processor (see `engine.interface.Forward`)."""

    engine = "openvino"

    def __init__(
        self,
        graph: Any,
        threads: ThreadBudget | None = None,
        batch: int | None = None,
        precision: Precision = EXACT,
        streams: int | None = None,
    ) -> None:
        """Compile a graph; `streams` is how many batches share the threads (None: as many as are quickest for many)."""
        threads = threads or measure_threads()
        streams = streams or threads.streams
        self.precision = precision
        if batch is not None:
            # A fixed batch is faster than a dynamic one; a short last batch is padded, and its outputs trimmed.
            graph.reshape({0: [batch, *list(graph.inputs[0].partial_shape)[1:]]})
        self.batch = batch
        self.size_px = int(graph.inputs[0].partial_shape[1].get_length())
        self.batch_images = batch or choose_batch(self.size_px)
        options: dict[str, Any] = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "NUM_STREAMS": str(streams),
            "INFERENCE_NUM_THREADS": threads.inference,
            "INFERENCE_PRECISION_HINT": PRECISION_HINTS[precision],
        }
        if is_sharing_processors():  # else each process would bind its threads to the same first processors
            options["ENABLE_CPU_PINNING"] = False
        self._compiled = load_core().compile_model(graph, "CPU", options)
        self.output_names = tuple(output.get_any_name() for output in self._compiled.outputs)
        self._jobs = streams + 1
        self._graph = graph if streams == 1 and threads.streams > 1 else None

    def spread(self) -> OpenVinoForward:
        """Compile the graph of one stream again for as many as are quickest for many images; itself where it has
        them."""
        return self if self._graph is None else OpenVinoForward(self._graph, batch=self.batch, precision=self.precision)

    def run(self, batches: Iterable[tuple[Key, Images]]) -> Iterator[tuple[Key, Outputs]]:
        """Run batches of uint8 images (N, H, W, 3); yield (key, outputs float32 by name), in order.

        Results are fetched here and not in a callback of an `AsyncInferQueue`: that runs Python in OpenVINO's threads,
        and one still running when the caller stops, reading fails or the program ends crashes the process.
        """
        idle = [self._compiled.create_infer_request() for _ in range(self._jobs)]
        running: deque[tuple[Any, Key, int]] = deque()
        for key, images in batches:
            if not idle:
                yield self._fetch(running, idle)
            request = idle.pop()
            request.start_async({0: self._filled(images)})
            running.append((request, key, len(images)))
        while running:
            yield self._fetch(running, idle)

    def _fetch(self, running: deque[tuple[Any, Key, int]], idle: list[Any]) -> tuple[Key, Outputs]:
        """Wait for the oldest request, copy its outputs out, and make it idle."""
        request, key, count = running.popleft()
        request.wait()
        outputs = {
            name: np.array(request.get_output_tensor(position).data[:count], dtype=np.float32)
            for position, name in enumerate(self.output_names)
        }
        idle.append(request)
        return key, outputs

    def _filled(self, images: Images) -> Images:
        """Fill a short batch up to the compiled size by repeating its last image."""
        if self.batch is None or len(images) == self.batch:
            return np.ascontiguousarray(images)
        return np.concatenate([images, np.repeat(images[-1:], self.batch - len(images), axis=0)])


@functools.cache
def load_core() -> Any:
    """Return the process's one OpenVINO core, kept to the end.

    Its threads die with the last core; were a worker the last to hold one, just after its job, that thread would wait
    for itself and the process would abort ("Resource deadlock avoided").
    """
    return openvino.Core()


def find_half_on_cpu() -> Precision | None:
    """Return the half precision in which OpenVINO is faster here: bfloat16 where the processor has it, or None."""
    capabilities = load_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bfloat16" if "BF16" in capabilities else None


def read_graph(path: Path) -> Any:
    """Read a graph written by `engine.conversion.write_graph`; raises RuntimeError when it is missing or damaged."""
    check_graph(path)
    return load_core().read_model(str(path))


def measure_graph_shapes(graph: Any) -> tuple[int, int]:
    """Return the side in pixels of the images that a graph takes, and how many numbers it gives for each at first."""
    return tuple(int(port.partial_shape[1].get_length()) for port in (graph.inputs[0], graph.outputs[0]))  # type: ignore[return-value]


def load_openvino(
    path: Path, threads: ThreadBudget | None = None, batch: int | None = None, precision: Precision = EXACT
) -> OpenVinoForward:
    """Read a graph and compile it; raises RuntimeError when it is missing or damaged."""
    return OpenVinoForward(read_graph(path), threads, batch, precision)
