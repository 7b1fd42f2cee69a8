"""The networks that timm knows, read in its files: importing it takes seconds, and a mistyped name shows at once."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

REGISTERED = re.compile(r"@register_model\s+def (\w+)\(")


def list_doubtful(names: Sequence[str]) -> list[str]:
    """List those that timm's files do not have, several side by side (A+B) one by one.

    Each may be a network that was registered by other means, or unknown: timm alone can tell (see `backbone`).
    """
    source = read_registrations()
    known = set(REGISTERED.findall(source))
    parts = [part.strip() for name in names for part in name.split("+")]
    known |= {
        part for part in parts if "." in part and (f"'{part}'" in source or f'"{part}"' in source)
    }  # with weights
    return [part for part in parts if part not in known]


@functools.cache
def read_registrations() -> str:
    """Read the files of timm's networks, and of ours; nothing where it is not installed as files."""
    found = find_spec("timm")
    if found is None or found.origin is None:
        return ""
    files = [*sorted((Path(found.origin).parent / "models").glob("*.py")), Path(__file__).with_name("mini.py")]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)
