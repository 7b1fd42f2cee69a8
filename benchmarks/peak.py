"""The most multiplications per second that this machine does here: a product of large matrices. Prints one JSON object.

In the precision that training computes in, by torch, on all cores.
"""

import json
import time

import torch

from sightx_cli.engine.torch_forward import HALVES, find_half

SIDE, TRIES = 2048, 12

if __name__ == "__main__":
    half = find_half(torch.device("cpu"))
    dtype = HALVES[half] if half else torch.float32
    maps = torch.randn(1, SIDE, SIDE // 32, 32).to(dtype, memory_format=torch.channels_last)
    weight = torch.randn(SIDE, SIDE, 1, 1).to(dtype)
    seconds = []
    for _ in range(TRIES):  # a pointwise convolution: oneDNN's own product, faster than that of matrices on some
        began = time.perf_counter()
        torch.nn.functional.conv2d(maps, weight)
        seconds.append(time.perf_counter() - began)
    print(json.dumps({"peak_macs_per_second": SIDE**3 / min(seconds), "peak_in": half or "float32"}))
