"""Names of files as tables hold them: with or without folder and ending, in any case, of any system."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import PurePath


def fold_name(text: str) -> str:
    """Return a name without case, and composed (NFC): what two spellings of it have in common."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


def split_path(path: str) -> tuple[str, str]:
    """Split a path of this system into its folder and its file."""
    folder, _, file = path.rpartition(os.sep)
    return folder, file


def split_foreign(name: str) -> list[str]:
    """Split a path of any system into its parts, without the drive and what leads upward."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if parts and len(parts[0]) == 2 and parts[0][1] == ":":
        parts = parts[1:]
    while ".." in parts:
        parts = parts[parts.index("..") + 1 :]
    return parts


def is_rooted(name: str) -> bool:
    """Whether a path begins at the root of some system, or leads upward."""
    return re.match(r"[A-Za-z]:[\\/]|[\\/]|\.\.[\\/]", name) is not None


def is_absolute(name: str) -> bool:
    """Whether a path begins at the root of this system."""
    return name.startswith(os.sep) or (os.name == "nt" and PurePath(name).is_absolute())


def strip_ending(file: str, endings: tuple[str, ...]) -> str:
    """Return a file's name without one of the endings (in lower case); any other dot is part of the name."""
    return file[: file.rindex(".")] if file.lower().endswith(endings) else file


def choose_files(file: str, paths: Sequence[str], endings: tuple[str, ...]) -> list[str]:
    """Choose from files of the same name but for case and ending those that `file` may mean.

    The name with its ending comes first, else any with another of the endings; of several, the one in the same case.
    """
    folded = fold_name(file)
    named = [path for path in paths if fold_name(split_path(path)[1]) == folded]
    chosen = named or [path for path in paths if path.lower().endswith(endings)]
    if len(chosen) > 1:
        stem = strip_ending(file, endings)
        exact = [path for path in chosen if strip_ending(split_path(path)[1], endings) == stem]
        chosen = exact if len(exact) == 1 else chosen
    if len(chosen) > 1 and len({os.path.realpath(path) for path in chosen}) == 1:  # through links
        chosen = chosen[:1]
    return chosen
