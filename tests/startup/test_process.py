"""The command settles its own process; importing the package or its modules settles none."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

STATE = """
import json, logging, os, sys, warnings
import numpy, pandas, PIL.Image  # whose own filters are theirs
def read():
    return {
        "environment": sorted(set(os.environ) - {"LC_CTYPE"}),
        "filters": [str(one) for one in warnings.filters],
        "logging": len(logging.getLogger("PIL").handlers),
        "switch": getattr(sys.modules.get("sightx_cli.startup.switch"), "_settled", False),
    }
"""


def compare(code: str, environment: dict[str, str] | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run code in a process of its own; what belongs to the whole process, before it and behind it."""
    whole = f"{STATE}\nbefore = read()\n{code}\nprint(json.dumps([before, read()]))"
    done = subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, env=environment, check=True)
    before, after = json.loads(done.stdout)
    return before, after


def test_settling_says_what_the_help_says() -> None:
    before, after = compare("from sightx_cli.startup.process import settle_process; settle_process()")
    added = set(after["environment"]) - set(before["environment"])
    assert added <= {"OMP_WAIT_POLICY", "HF_HUB_DISABLE_PROGRESS_BARS", "ARROW_DEFAULT_MEMORY_POOL"}
    assert len(after["filters"]) > len(before["filters"])
    assert (before["logging"], after["logging"]) == (0, 1)
    assert after["switch"]


def test_the_package_gives_it_to_who_asks() -> None:
    _, after = compare("import sightx_cli; sightx_cli.settle_process()")
    assert after["switch"]


def test_settling_twice_is_settling_once() -> None:
    once = compare("import sightx_cli; sightx_cli.settle_process()")[1]
    assert compare("import sightx_cli; sightx_cli.settle_process(); sightx_cli.settle_process()")[1] == once


def test_a_value_of_the_environment_that_is_set_wins() -> None:
    code = "import sightx_cli; sightx_cli.settle_process(); assert os.environ['OMP_WAIT_POLICY'] == 'ACTIVE'"
    compare(code, {"OMP_WAIT_POLICY": "ACTIVE"})


def test_importing_our_modules_that_read_images_changes_nothing() -> None:
    before, after = compare("import sightx_cli.data.readers.raster, sightx_cli.app, sightx_cli.api.fit")
    assert after == before
