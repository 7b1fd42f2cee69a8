"""Pseudonyms of patients, studies and series: the same on one machine, and worthless to whoever lacks its key.

A keyed hash (BLAKE2b, RFC 7693): without a key, patients' numbers could be found by hashing all that there may be. The
key is drawn at random when it is first needed, and is nowhere but in a file that its user alone can read.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import secrets
from pathlib import Path

KEY_FILE = "pseudonyms.key"
KEY_BYTES = 32
DIGEST_BYTES_SHOWN = 8
"""64 bits: among a million patients two share a pseudonym once in 37 million."""


def find_key_folder() -> Path | None:
    """Return the folder of the user's own settings; None where the user has no home."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA")
    try:
        return (Path(base) if base else Path.home() / ".config") / "sightx"
    except RuntimeError:
        return None


def make_pseudonym(word: str, value: str) -> str:
    """Return what stands for a value wherever it is written: `word` and 16 hexadecimal digits."""
    text = f"{word}\0{value}".encode("utf-8", "surrogatepass")
    return f"{word}-{hashlib.blake2b(text, key=_load_key()[0], digest_size=DIGEST_BYTES_SHOWN).hexdigest()}"


def are_pseudonyms_lasting() -> bool:
    """Whether the key is kept, so that a later run makes the same pseudonyms; False where it cannot be written."""
    return _load_key()[1]


def is_key_private() -> bool:
    """Whether pseudonyms were made by a key that is nowhere but in this process: another's would be others."""
    return bool(_load_key.cache_info().currsize) and not _load_key()[1]


def describe_key() -> str:
    """Return what tells pseudonyms of one key from those of another; "" where there is no key yet."""
    folder = find_key_folder()
    if folder is None or not (folder / KEY_FILE).exists():
        return ""
    return hashlib.blake2b(_load_key()[0], digest_size=DIGEST_BYTES_SHOWN).hexdigest()


def share_key() -> bytes:
    """Return the key for a worker of another machine, which must make the same pseudonyms (see `adopt_key`)."""
    return _load_key()[0]


def adopt_key(key: bytes) -> None:
    """Make the pseudonyms of this process with a key from elsewhere; it is kept in memory alone."""
    global _adopted
    _adopted = key
    _load_key.cache_clear()


_adopted: bytes | None = None


@functools.cache
def _load_key() -> tuple[bytes, bool]:
    """The key, and whether it is on disk."""
    if _adopted is not None:
        return _adopted, True
    folder = find_key_folder()
    if folder is not None:
        with contextlib.suppress(OSError):
            if found := _read_key(folder / KEY_FILE):
                return found, True
            return _write_key(folder), True
    return secrets.token_bytes(KEY_BYTES), False


def _read_key(path: Path) -> bytes | None:
    """The key on disk; None where there is none, or what is there is no key."""
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        return None
    return found if len(found) == KEY_BYTES else None


def _write_key(folder: Path) -> bytes:
    """Draw a key and keep it; another process that is quicker decides. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target, aside = folder / KEY_FILE, folder / f".{KEY_FILE}.{os.getpid()}"
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
        if target.exists():  # no key: cut short, or something else
            aside.replace(target)
        else:
            with contextlib.suppress(FileExistsError):
                os.link(aside, target)
        found = _read_key(target)
        if found is None:
            raise OSError(f"{target} is not what was written")
        return found
    finally:
        aside.unlink(missing_ok=True)
