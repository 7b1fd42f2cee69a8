"""The switch for what touches private parts of other libraries: off in every process that has not been settled.

`startup.process.settle_process` turns it on, which only the `sightx` command does by itself. Each trick asks
`may_touch` with the libraries whose insides it relies on, and where the answer is no it takes the ordinary way.
"""

from __future__ import annotations

import platform
import sys

KNOWN_VERSIONS = {
    # `atexit._run_exitfuncs` is in CPython's Modules/atexitmodule.c of each.
    "python": ("3.11", "3.12", "3.13", "3.14"),
    # The numbers of mallopt(3) are part of glibc's binary interface; 2.28 is the oldest that torch's wheels run on.
    "glibc": tuple(f"2.{minor}" for minor in range(28, 43)),
    # For the rest, those that tests/startup was run with.
    "fastai": ("2.8",),
    "timm": ("1.0",),
    "torch": ("2.7", "2.11", "2.14"),
    "torchvision": ("0.22", "0.26", "0.29"),
    "typer": ("0.20", "0.29"),
}
"""The versions, to the minor number, whose insides are as the tricks expect. Any other switches them off."""

_settled = False


def turn_on() -> None:
    """Let the tricks work in this process, from here to its end."""
    global _settled
    _settled = True


def is_settled() -> bool:
    """Tell whether this process is the `sightx` command's, or has been settled like it."""
    return _settled


def may_touch(*libraries: str) -> bool:
    """Tell whether a trick may rely on the insides of these libraries here: settled, and every version known."""
    return _settled and all(is_known(library, find_version(library)) for library in libraries)


def is_known(library: str, version: str) -> bool:
    """Tell whether a version such as "2.14.1+cpu" is one whose insides are known."""
    return ".".join(version.split(".")[:2]) in KNOWN_VERSIONS[library]


def find_version(library: str) -> str:
    """Return a library's version without importing it; empty where it is not there."""
    if library == "python":
        return platform.python_version()
    if library == "glibc":
        name, version = platform.libc_ver()
        return version if name == "glibc" else ""
    if library in sys.modules:
        return str(getattr(sys.modules[library], "__version__", ""))
    from importlib import metadata  # not above: 15 ms, which the help does without

    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""
