"""Shards as `webdataset.TarWriter` and `datasets` write them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image


def draw_image(seed: int = 0, kind: str = "JPEG") -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 255, (4, 5, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((40, 30), Image.Resampling.BICUBIC).save(file, kind)
    return file.getvalue()


def add_member(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    """As TarWriter.write does it."""
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.uname, member.gname = len(data), 0o444, "bigdata", "bigdata"
    archive.addfile(member, io.BytesIO(data))


def encode_field(name: str, value: object) -> bytes:
    """As TarWriter's encoders do it: classes as digits, JSON, text."""
    if isinstance(value, bytes):
        return value
    return (json.dumps(value) if name == "json" else str(value)).encode()


WriteTar = Callable[..., Path]


@pytest.fixture
def write_tar(tmp_path: Path) -> WriteTar:
    """Writes a shard: `write_tar("a.tar", {"k1": {"jpg": b"…", "cls": 0}})`."""

    def write(name: str, samples: Mapping[str, Mapping[str, object]]) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w") as archive:
            for key, fields in samples.items():
                for field, value in fields.items():
                    add_member(archive, f"{key}.{field}", encode_field(field, value))
        return path

    return write


@pytest.fixture
def write_parquet(tmp_path: Path) -> WriteTar:
    """Writes a table as `datasets` does: images as structs of bytes and path, classes in the schema's metadata."""

    def write(
        name: str,
        images: Sequence[bytes | None],
        labels: Sequence[int | None],
        classes: Sequence[str] = ("cat", "dog"),
        paths: Sequence[str | None] | None = None,
        **columns: Any,
    ) -> Path:
        import pyarrow as pa
        from pyarrow import parquet

        named = paths or [f"{place}.jpg" for place in range(len(images))]
        structs = [{"bytes": data, "path": file} for data, file in zip(images, named, strict=True)]
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        features = {
            "image": {"_type": "Image"},
            "label": {"names": list(classes), "_type": "ClassLabel"},
            **{column: {"dtype": "string", "_type": "Value"} for column in columns},
        }
        table = pa.table({"image": pa.array(structs, kind), "label": pa.array(labels, pa.int64()), **columns})
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table, path, row_group_size=2)
        return path

    return write
