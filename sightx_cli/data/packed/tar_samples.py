"""WebDataset's samples of a tar: what has one key is one image with its label, `12.jpg` with `12.cls` or `12.json`.

A key is the name up to the first dot of its last part, as `webdataset.tariterators.base_plus_ext` has it; the files of
a key need not lie side by side. Labels are `.cls` (a number or a name, as `webdataset` encodes it), else a field of
`.json`, else `.txt`; where there is none of them, the folder of the key, as in a tar of class folders.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from sightx_cli.data.packed.shard_faults import ShardFaults
from sightx_cli.data.packed.shard_rows import ShardRows
from sightx_cli.data.packed.tar_index import TarMember, read_tar_index
from sightx_cli.data.readers import list_suffixes
from sightx_cli.data.readers.references import refer_to_member

CLASS_FIELDS = ("cls", "label", "class", "target")
"""Endings of the files that hold a label and nothing else, the usual one first."""
TEXT_FIELDS = ("txt", "text", "caption")
FIELDS_WITH_KEYS = ("json",)
FIELDS = frozenset((*CLASS_FIELDS, *TEXT_FIELDS, *FIELDS_WITH_KEYS))
FOLDER = "folder"
"""The column with the folder of each key."""
LARGEST_FIELD_BYTES = 1_000_000

Sample = dict[str, TarMember]
"""The members of a key, by their ending in lower case: "jpg", "seg.png", "cls"."""


def split_name(name: str) -> tuple[str, str]:
    """Split a member's name at its last dot: in a tar of images alone, scan.1.jpg and scan.2.jpg are two of them."""
    folder, slash, file = name.rpartition("/")
    stem, dot, ending = file.rpartition(".")
    return f"{folder}{slash}{stem if dot else file}", ending.lower() if dot else ""


def split_key(name: str) -> tuple[str, str]:
    """Split a member's name into its key and its ending, at the first dot of its last part."""
    folder, slash, file = name.rpartition("/")
    stem, _, ending = file.partition(".")
    return f"{folder}{slash}{stem}", ending.lower()


def read_tar_rows(path: Path, image_column: str | None = None, with_labels: bool = True) -> ShardRows:
    """Read the samples of a tar, without their images; `image_column` is the ending of the images ("jpg", "rgb.png").

    Raises: `ShardError` for what is no tar.
    """
    index = read_tar_index(path)
    faults, samples = index.faults, dict[str, Sample]()
    has_fields = any(split_key(member.name)[1] in FIELDS for member in index.members)
    for member in index.members:
        key, ending = split_key(member.name) if has_fields else split_name(member.name)
        sample = samples.setdefault(key, {})
        if ending in sample:
            faults.add("same-key", f"{path.name}::{member.name}")
        else:
            sample[ending] = member
    wanted = None if image_column is None else image_column.removeprefix(".").lower()
    chosen = [(key, _choose_image(key, sample, wanted, path, faults)) for key, sample in samples.items()]
    images = [(key, image) for key, image in chosen if image is not None]
    columns: list[dict[str, str]] = []
    if with_labels:
        with path.open("rb") as file:
            columns = [_read_fields(key, samples[key], image, path, file, faults) for key, image in images]
    return _build_rows(images, columns, faults)


def _choose_image(key: str, sample: Sample, wanted: str | None, path: Path, faults: ShardFaults) -> TarMember | None:
    """Choose the image of a sample: that of the ending asked for, else the one whose whole ending is an image's."""
    if wanted is not None:
        found = [ending for ending in sample if ending == wanted]
    else:
        whole = [ending for ending in sample if f".{ending}" in list_suffixes()]
        found = whole or [ending for ending in sample if f".{ending.rpartition('.')[2]}" in list_suffixes()]
    if not found:
        endings = ", ".join(f".{ending}" for ending in sample if ending)
        faults.add("no-image", f"{path.name}::{key}" + (f" ({endings})" if endings else ""))
        return None
    if len(found) > 1:
        faults.add("two-images", f"{path.name}::{key} ({', '.join(f'.{ending}' for ending in found)})")
    return sample[found[0]]


def _read_fields(
    key: str, sample: Sample, image: TarMember, path: Path, file: BinaryIO, faults: ShardFaults
) -> dict[str, str]:
    """Read what lies beside an image: a column for each class or text file, and for each key of its JSON."""
    found = {FOLDER: key.rpartition("/")[0]}
    for ending, member in sample.items():
        if member is image or f".{ending.rpartition('.')[2]}" in list_suffixes():
            continue
        if ending not in FIELDS:
            faults.add("other-fields", f"{path.name}::{member.name}")
            continue
        try:
            text = _read_text(file, member)
            if ending in FIELDS_WITH_KEYS:
                found |= {
                    name: value for name, value in _flatten(json.loads(text), ending).items() if name not in found
                }
            else:
                found[ending] = text.strip()
        except (ValueError, RecursionError):
            faults.add("bad-field", f"{path.name}::{member.name}")
    return found


def _read_text(file: BinaryIO, member: TarMember) -> str:
    """Read a small file as text; raises `ValueError` for what is none (pickles and arrays are never loaded)."""
    if member.size > LARGEST_FIELD_BYTES:
        raise ValueError("too long for a label")
    file.seek(member.offset)
    text = file.read(member.size).decode("utf-8-sig")
    if "\0" in text:
        raise ValueError("no text")
    return text


def _flatten(value: object, ending: str) -> dict[str, str]:
    """Return the columns of a JSON value: its keys, where it is an object; lists of words are joined by ;."""
    pairs: Mapping[str, Any] = value if isinstance(value, dict) else {ending: value}
    texts = {str(name): write_cell(one) for name, one in pairs.items()}
    return {name: text for name, text in texts.items() if text is not None}


def write_cell(value: object) -> str | None:
    """Return a value of JSON or Parquet as the text of a cell; None for an object, or a list of lists."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        texts = [write_cell(one) for one in value if not isinstance(one, (list, tuple, dict))]
        return ";".join(text for text in texts if text) if len(texts) == len(value) else None
    return None if isinstance(value, dict) else str(value)


def _build_rows(images: list[tuple[str, TarMember]], columns: list[dict[str, str]], faults: ShardFaults) -> ShardRows:
    import pandas as pd

    names = list(dict.fromkeys(name for row in columns for name in row))
    frame = pd.DataFrame(
        {name: pd.Series([row.get(name, "") for row in columns], dtype=str) for name in names},
        index=range(len(images)),
    )
    label = next((name for name in CLASS_FIELDS[:1] if name in names), "")
    return ShardRows(
        pd.Series([member.name for _, member in images], dtype=str),
        pd.Series([refer_to_member(member.offset, member.size, member.name) for _, member in images], dtype=str),
        frame,
        label,
        faults,
    )
