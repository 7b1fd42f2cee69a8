"""Text as tools read it: UTF-8; in JSON, file names that are no valid text stand as escapes that still open them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path


def save_json(path: Path, content: object) -> None:
    """Write one JSON document, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=2, ensure_ascii=False)
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        data = json.dumps(content, indent=2).encode("ascii")
    path.write_bytes(data + b"\n")


def save_lines(path: Path, lines: Sequence[str]) -> None:
    """Write lines of text, none of which can begin another."""
    text = "".join(f"{' '.join(line.splitlines())}\n" for line in lines)
    path.write_bytes(text.encode("utf-8", "backslashreplace"))
