"""Libraries are imported without torch's compiler, which is there all the same for who asks for it."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

import pytest

COMPILER = "'torch._dynamo' in sys.modules"
slow = functools.partial(pytest.param, marks=pytest.mark.slow)


SETTLE = "from sightx_cli.startup.process import settle_process; settle_process()\n"


def run(code: str, cwd: Path, before: str = SETTLE) -> list[str]:
    """Run Python in a process of its own, for a module is imported once; gives the lines that it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", before + code], capture_output=True, text=True, cwd=cwd
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


@pytest.mark.slow
def test_what_a_fit_imports_leaves_the_compiler_out(tmp_path: Path) -> None:
    code = f"import sys, sightx_cli.steps.session, sightx_cli.train.stage_runs; print({COMPILER})"
    assert run(code, tmp_path) == ["False"]


UNKNOWN = SETTLE + "from sightx_cli.startup import switch; switch.KNOWN_VERSIONS['{library}'] = ('0.1',)\n"
OTHERS = ("torch", "torchvision", "timm")


@pytest.mark.slow
@pytest.mark.parametrize(
    "before",
    ["", *(slow(UNKNOWN.format(library=library)) for library in OTHERS)],
    ids=("not settled", *(f"another {library}" for library in OTHERS)),
)
def test_where_it_may_not_be_left_out_the_compiler_is_imported_plainly(before: str, tmp_path: Path) -> None:
    code = (
        f"import sightx_cli.model.timm_parts, sys; print({COMPILER} and sys.modules['torch._dynamo'].__file__ != None)"
    )
    assert run(code, tmp_path, before) == ["True"]


@pytest.mark.slow
def test_the_compiler_is_the_real_one_for_who_asks_later(tmp_path: Path) -> None:
    code = """
import sightx_cli.model.timm_parts
import sys, torch
print(sys.modules["torchvision.ops.roi_align"].is_compile_supported("cpu"))
from torch._dynamo.utils import is_compile_supported
print(is_compile_supported("cpu"), torch._dynamo.__file__ is not None)
print(torch.compile(lambda x: x + 1, backend="eager")(torch.ones(2)).tolist())
"""
    first, second, third = run(code, tmp_path)
    assert second == f"{first} True"
    assert third == "[2.0, 2.0]"


@pytest.mark.slow
def test_a_function_that_the_compiler_must_leave_alone_runs(tmp_path: Path) -> None:
    (tmp_path / "marking.py").write_text("import torch\n@torch.compiler.disable\ndef double(x): return 2 * x\n")
    code = f"""
import sys
from sightx_cli.startup.compiler import import_without_compiler
marking = import_without_compiler("marking")
print({COMPILER})
print(marking.double(21), marking.double.__name__)
"""
    assert run(code, tmp_path) == ["False", "42 double"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "asked",
    ["from torch._dynamo.config import verbose", slow("import torch._dynamo\nverbose = torch._dynamo.config.verbose")],
)
def test_a_library_that_asks_for_more_gets_the_compiler(asked: str, tmp_path: Path) -> None:
    (tmp_path / "asking.py").write_text(f"{asked}\n")
    code = f"""
import sys
from sightx_cli.startup.compiler import import_without_compiler
print(import_without_compiler("asking").verbose, {COMPILER})
"""
    assert run(code, tmp_path) == ["False True"]


@pytest.mark.slow
def test_a_library_that_is_not_there_is_missed_by_its_name(tmp_path: Path) -> None:
    code = """
from sightx_cli.startup.compiler import import_without_compiler
try:
    import_without_compiler("no_such_library")
except ModuleNotFoundError as error:
    print(error.name)
"""
    assert run(code, tmp_path) == ["no_such_library"]
