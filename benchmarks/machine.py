"""What the figures were measured on: processor, memory, versions."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("sightx-cli", "openvino", "torch", "fastai", "timm", "numpy", "pillow")


def describe_machine() -> dict[str, Any]:
    """Return the processor, the cores this process may use, memory, system and versions."""
    return {
        "processor": find_processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def find_processor() -> str:
    """Return the processor's name, and bfloat16 instructions where it says that it has them."""
    facts = Path("/proc/cpuinfo")
    if not facts.exists():
        return platform.processor() or platform.machine()
    lines = dict(line.split(":", 1) for line in facts.read_text().splitlines() if ":" in line)
    table = {key.strip(): value.strip() for key, value in lines.items()}
    flags = table.get("flags", "").split()
    halves = [flag for flag in ("avx512_bf16", "amx_bf16") if flag in flags]
    return " ".join([table.get("model name", platform.machine()), *halves])
