"""Nothing is sent anywhere: every command does its work without a network, and asks for none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

WORK = """
import sys
ASKED = []
NAMES = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request")
def hook(event, args):
    if event in NAMES and not (event == "socket.connect" and isinstance(args[1], (str, bytes))):  # a local socket
        ASKED.append((event, args[-1]))
sys.addaudithook(hook)
from sightx_cli import fit, inspect, predict
from sightx_cli.api.probe import probe
folder = sys.argv[1]
small = ("image.size_px=32", "stage.0.epochs=1")
run = fit(folder, recipe="natural-small", settings=small, folds=0).run
fit(folder, folds=0, settings=small, probe=False)
predict(folder, model=run)
inspect(folder)
probe(folder, recipe="natural-small", settings=small[:1])
print("asked:", ASKED)
"""
ALONE = ["unshare", "-rn"]
"""Runs a command in a network of its own, without a route to anywhere; not every machine permits it."""


@pytest.mark.slow
def test_no_command_asks_for_a_connection_or_needs_one(photo_folder: Callable[..., Path], tmp_path: Path) -> None:
    permitted = subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0
    command = [*(ALONE if permitted else []), sys.executable, "-c", WORK, str(photo_folder(images=8))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "asked: []\n"


def test_the_hook_hears_a_connection() -> None:
    code = WORK.partition("from sightx_cli")[0] + "import socket\n"
    code += "try: socket.create_connection(('127.0.0.1', 9), 0.1)\nexcept OSError: pass\nprint(len(ASKED))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 2
