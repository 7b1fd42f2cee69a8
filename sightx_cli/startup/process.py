"""What the `sightx` command settles for its own process, before anything heavy is loaded.

In a user's own Python process nothing of this happens unless the user calls `settle_process`.
"""

from __future__ import annotations

import logging
import os
import warnings

from sightx_cli.startup import switch
from sightx_cli.startup.collection import delay_collection

_QUIET = (
    # timm, fastai and OpenVINO script and trace with torch.jit, which torch 2.14 calls deprecated each time.
    {"message": r"`torch\.jit\.\w+` is (deprecated|not supported)", "category": FutureWarning},
    # What tracing says of each constant that it meets: a torch.jit.TracerWarning, in words that need no torch here.
    {"message": r"(?s).*might cause the trace to be incorrect"},
    # Pillow on large images (refused by our own limit), odd EXIF and odd TIFF tags: one line per file would bury ours.
    {"message": r"Image size \(\d+ pixels\) exceeds limit"},
    {"category": UserWarning, "module": r"PIL\."},
    # torch's training in several processes: an option that Accelerate passes on, and gradients of 1 × 1 convolutions
    # that are laid out otherwise than their weights, too small for it to matter.
    {"message": r"`broadcast_buffers` is deprecated", "category": FutureWarning},
    {"message": r"Grad strides do not match bucket view strides", "category": UserWarning},
    # torch's captured steps: what tells that one would wait is unfinished, and each step's gradients wait for another
    # stream (with that a step on an H200 took 31.3 ms, and its kernels 30.9).
    {"message": r"Synchronization debug mode is a prototype", "category": UserWarning},
    {"message": r"The AccumulateGrad node's stream does not match", "category": UserWarning},
    # timm, as it resizes a table of positions: how its own lines call torch.
    {"category": UserWarning, "module": r"timm\.layers\.interpolate"},
    # pydicom on each tag that is not quite as DICOM asks: our reader makes one notice of them all.
    {"category": UserWarning, "module": r"pydicom(\.|$)"},
)
"""Warnings of other libraries that no user of the command can act on. `catch_warnings` is not thread-safe."""


def settle_process() -> None:
    """Settle this process for SightX alone, as the `sightx` command does; call it before torch is imported.

    Sets environment variables (those set already win), warning filters and logging for the rest of the process, lets
    a training step keep its memory, delays the search for reference cycles until libraries are imported, and turns on
    the faster imports of torch and OpenVINO. Without it the same work takes seconds more, and shows the warnings of
    other libraries.
    """
    if switch.is_settled():
        return
    # OpenMP's threads otherwise spin while they wait for each other. Where anything else wants the processor (another
    # program, our own decoding threads) a spinning thread keeps it from the one that has work: a training step was
    # measured three times slower. Read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Arrow's own allocator keeps much of what was freed: 40 MB for good of tables of a million rows. Read when pyarrow
    # is loaded.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # read when huggingface_hub is loaded
    for one in _QUIET:
        warnings.filterwarnings("ignore", **one)
    for name in ("PIL", "tifffile"):  # else their errors, raised anyway, are printed as well
        logging.getLogger(name).addHandler(logging.NullHandler())
    switch.turn_on()
    delay_collection()
