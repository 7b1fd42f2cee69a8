"""Bad inputs of every kind, seeded: each maker fills an empty folder and gives the words to type after `sightx`."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

HUGE = "9" * 5000
TEXTS = ("", " ", "\0", "\x1b[2J", "é", "図", "a,b", '"', "'", "--", "-1", "nan", "inf", "1e400", HUGE, "x" * 10000)
NUMBERS = (0, -1, 1, 3, 31, 10**5, 10**20, -(2**63), 0.5, 1e-300, 1e300, float("nan"), float("inf"))
FORMATS = {"png": "PNG", "jpg": "JPEG", "tif": "TIFF", "gif": "GIF", "bmp": "BMP", "webp": "WEBP", "ppm": "PPM"}
FIT = ("fit", "--recipe", "natural-small", "--no-probe", "--folds", "0", "--quiet", "--out", "out")
SMALL = ("--set", "image.size_px=32", "--set", "stage.0.epochs=1", "--backbone", "test_resnet", "--engine", "torch")


class Ground:
    """What all cases build on: good images, a finished run, good weights."""

    def __init__(self, folder: Path, run: Path, recipes: Path) -> None:
        self.digits, self.run, self.file = folder / "digits", run, folder / "weights.pth"
        self.weights = ["--weights", str(self.file), "--weights-mean", "0.5", "--weights-std", "0.5"]
        self.recipes = sorted(recipes.glob("*.toml"))
        self.images = sorted(self.digits.rglob("*.png"))


def spoil(content: bytes, chance: random.Random) -> bytes:
    """Return bytes as a disk, a transfer or an editor may leave them."""
    spoiled = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8))):
        place = chance.randrange(len(spoiled) + 1)
        end = min(len(spoiled), place + chance.choice((1, 4, 64, len(spoiled))))
        how = chance.randrange(6)
        if how == 0 and place < len(spoiled):
            spoiled[place] ^= 1 << chance.randrange(8)
        elif how == 1:
            del spoiled[place:]
        elif how == 2:
            del spoiled[place:end]
        elif how == 3:
            spoiled[place:place] = spoiled[place:end]
        elif how == 4:
            spoiled[place:place] = chance.randbytes(chance.choice((1, 4, 300)))
        else:
            spoiled[place : place + 4] = chance.choice((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0"))
    return bytes(spoiled)


def make_images(ground: Ground, folder: Path, chance: random.Random) -> list[str]:
    for label in ("one", "two"):
        (folder / "in" / label).mkdir(parents=True)
        for source in chance.sample(ground.images, 3):
            shutil.copy(source, folder / "in" / label / source.name)
    for number in range(chance.randrange(1, 6)):
        suffix = chance.choice(list(FORMATS))
        mode = chance.choice(("RGB", "L", "1", "P", "RGBA", "I;16", "F", "CMYK"))
        held = BytesIO()
        size = (chance.choice((1, 2, 30, 400)), chance.choice((1, 2, 30, 400)))
        pixels = np.frombuffer(chance.randbytes(size[0] * size[1] * 3), np.uint8).reshape(size[1], size[0], 3)
        try:
            Image.fromarray(pixels).convert("L" if mode in ("I;16", "F") else mode).convert(mode).save(
                held, FORMATS[suffix]
            )
        except (OSError, ValueError):
            Image.fromarray(pixels).save(held, FORMATS[suffix])
        path = folder / "in" / chance.choice(("one", "two", "odd")) / f"x{number}.{chance.choice(list(FORMATS))}"
        path.parent.mkdir(exist_ok=True)
        odd = chance.randrange(8)
        if odd == 0:
            os.mkfifo(path)
        elif odd == 1:
            path.symlink_to(chance.choice(("nowhere", path.name, "/dev/zero", ".")))
        elif odd == 2:
            path.write_bytes(chance.choice((b"", b"text", b"P5 60000 60000 255\n", f"P5 {HUGE} 1 255\n".encode())))
        else:
            path.write_bytes(spoil(held.getvalue(), chance))
    return chance.choice(
        (
            ["predict", "in", "--model", str(ground.run), "-q"],
            ["predict", "in", "--model", str(ground.run), "-q"],
            ["inspect", "in", "--out", "out", "-q"],
            [*FIT, "in", *SMALL, *ground.weights],
        )
    )


def make_table(ground: Ground, folder: Path, chance: random.Random) -> list[str]:
    rows = [(str(image), image.parent.name, "", "") for image in chance.sample(ground.images, 20)]
    frame = pd.DataFrame(rows, columns=["image", "label", "split", "group"])
    for _ in range(chance.randrange(4)):
        column, value = chance.choice(list(frame)), chance.choice((*TEXTS, "train", "valid", "test", str(folder)))
        frame.loc[chance.randrange(20), column] = value
    suffix = chance.choice((".csv", ".csv", ".tsv", ".parquet"))
    path = folder / f"table{suffix}"
    if suffix == ".parquet":
        frame[chance.choice(("size", "label"))] = [chance.choice((*NUMBERS[:4], 0.5, None)) for _ in range(20)]
        try:
            frame.to_parquet(path)
        except (OverflowError, ValueError):
            frame.astype(str).to_parquet(path)
        content = path.read_bytes()
    else:
        divider = {".tsv": "\t"}.get(suffix, chance.choice(",;|"))
        text = "\n".join(divider.join(map(str, row)) for row in [tuple(frame), *frame.itertuples(index=False)])
        text = chance.choice(
            (text, text.replace("\n", divider * 16382 + "\n"), text.replace("image", "imgae"), text * 2)
        )
        content = text.encode(chance.choice(("utf-8", "utf-16", "latin-1", "utf-8-sig")), "replace")
    path.write_bytes(spoil(content, chance) if chance.random() < 0.7 else content)
    if chance.random() < 0.03:
        path.unlink()
        os.mkfifo(path)
    return chance.choice(
        (
            ["predict", path.name, "--model", str(ground.run), "-q"],
            ["inspect", path.name, "--only", "shift", "-q"],
            [*FIT, str(ground.digits), "--exclude", path.name, *SMALL, *ground.weights],
            [*FIT, path.name, *SMALL, *ground.weights],
        )
    )


def make_recipe(ground: Ground, folder: Path, chance: random.Random) -> list[str]:
    lines = chance.choice(ground.recipes).read_text(encoding="utf-8").splitlines()
    values = [
        *map(str, NUMBERS),
        *(json.dumps(text) for text in TEXTS),
        "[]",
        "{}",
        "true",
        "[" * 5000,
        "0x" + "f" * 5000,
    ]
    values += ["[1, 2]", '["head"]', "{ head = 1 }", "1979-05-27", '{ "0-50%" = 1 }', '"last:' + HUGE + '"', HUGE]
    for _ in range(chance.choice((0, 1, 1, 2, 5))):
        place = chance.randrange(len(lines))
        how = chance.randrange(6)
        if how == 0:
            del lines[place]
        elif how == 1:
            lines.insert(place, f"key{chance.randrange(99)} = {chance.choice(values)}")
        elif how == 2:
            lines[place:place] = [f"key{number} = 1" for number in range(chance.choice((5, 5000)))]
        elif how == 3 and lines[place]:
            lines.insert(place, lines[place])
        else:
            lines[place] = f"{lines[place].partition('=')[0]}= {chance.choice(values)}"
    content = "\n".join(lines).encode("utf-8", "surrogatepass")
    path = folder / "mine.toml"
    path.write_bytes(spoil(content, chance) if chance.random() < 0.3 else content)
    return chance.choice(
        (
            ["recipes", "check", path.name],
            ["recipes", "show", path.name, "--json"],
            ["audit", "--recipe", path.name, "-q"],
            ["lr-find", str(ground.digits), "--recipe", path.name, "-q", "--out", "out", *SMALL],
        )
    )


def make_weights(ground: Ground, folder: Path, chance: random.Random) -> list[str]:
    import torch
    from safetensors.torch import save as save_safetensors

    tensors = torch.load(ground.file, weights_only=True)
    changes: list[Callable[[Any], Any]] = [
        lambda t: t * 0,
        lambda t: t * float("nan"),
        lambda t: t.to(torch.int8),
        lambda t: t.to(torch.complex64),
        lambda t: t.to(chance.choice((torch.float64, torch.float16, torch.bfloat16, torch.float8_e5m2))),
        lambda t: t.to_sparse(),
        lambda t: t.to("meta"),
        lambda t: t.flatten(),
        lambda t: t[None],
        lambda t: t.sum(),
        lambda t: t * 1e30,
        lambda t: t.flatten()[:0],
    ]
    change = chance.choice(changes)
    share, prefix = chance.choice((0, 0.02, 0.2, 1)), chance.choice(("", "", "module.", "a.b.c."))
    tensors = {prefix + name: change(one) if chance.random() < share else one for name, one in tensors.items()}
    if chance.random() < 0.2:
        del tensors[chance.choice(list(tensors))]
    suffix = chance.choice((".pth", ".safetensors", ".bin"))
    path, held = folder / f"weights{suffix}", BytesIO()
    try:
        if suffix == ".safetensors":
            said = {chance.choice(("mean", "std")): chance.choice(("[0.5]", "3", "[", HUGE, "[NaN,1,1]"))}
            held.write(save_safetensors({k: v.contiguous() for k, v in tensors.items()}, chance.choice((None, said))))
        else:
            torch.save(chance.choice((tensors, {"model": tensors}, {"a": 1}, [1], {"mean": "x", **tensors})), held)
    except (RuntimeError, ValueError, NotImplementedError, TypeError):  # safetensors holds dense tensors only
        torch.save(tensors, held)
    path.write_bytes(spoil(held.getvalue(), chance) if chance.random() < 0.4 else held.getvalue())
    more = chance.choice(([], [], ["--weights-mean", "0.5", "--weights-std", chance.choice(("0.5", "0", HUGE, "nan"))]))
    return [*FIT, str(ground.digits), *SMALL, "--weights", path.name, *more]


def make_bundle(ground: Ground, folder: Path, chance: random.Random) -> list[str]:
    shutil.copytree(ground.run, folder / "run")
    file = folder / "run" / "bundle" / "bundle.json"
    how = chance.randrange(4)
    if how == 0:
        file.write_bytes(spoil(file.read_bytes(), chance))
    elif how == 1:
        file = chance.choice(sorted(path for path in (folder / "run").rglob("*") if path.is_file()))
        file.write_bytes(spoil(file.read_bytes(), chance))
    elif how == 2:
        file = chance.choice(sorted((folder / "run" / "bundle").iterdir()))
        file.unlink()
        chance.choice((os.mkfifo, os.mkdir, lambda _: None))(file)
    else:
        facts = json.loads(file.read_text())
        part = facts[chance.choice(("head", "task"))] if chance.random() < 0.4 else facts
        values = (*NUMBERS, *TEXTS, None, [], {}, True, [1], ["a", "a"], ["a", "b"], {"a": 1}, [0.5] * 3)
        part[chance.choice((*part, "more"))] = chance.choice(values)
        file.write_text(json.dumps(facts))
    image = str(chance.choice(ground.images))
    return chance.choice((["predict", image, "--model", "run", "-q"], ["audit", "run", "-q"]))


def make_options(ground: Ground, _: Path, chance: random.Random) -> list[str]:
    values = (
        *TEXTS,
        *map(str, NUMBERS),
        "demo:",
        "/",
        ".",
        "/dev/null",
        "/proc/x",
        str(ground.digits),
        "(",
        "[a-",
        "(.*)",
    )
    options = (
        "--recipe",
        "--shift",
        "--profile",
        "--backbone",
        "--weights",
        "--weights-mean",
        "--weights-std",
        "--set",
    )
    options += ("--rate", "--out", "--seed", "--device", "--engine", "--group-by", "--folds", "--exclude", "--stage")
    options += ("--model", "--output", "--batch", "--only", "--fix", "--classes", "--compare", "--shfit")
    command = chance.choice(
        ("fit", "lr-find", "predict", "inspect", "probe", "audit", "cache", "recipes", "demo", "ift")
    )
    words = [command, *chance.choice(([str(ground.digits)], [chance.choice(values)], [])), "-q"]
    keys = ("image.size_px", "stage.0.rate", "stage.0.epochs", "model.head.hidden", "stage.9.x", "model", "", "a.b")
    for _ in range(chance.randrange(1, 4)):
        value = chance.choice(values)
        if (option := chance.choice(options)) == "--set":
            value = f"{chance.choice(keys)}={value}"
        words += [option, value]
    return [word for word in words if "\0" not in word]


KINDS: dict[str, Callable[[Ground, Path, random.Random], list[str]]] = {
    "images": make_images,
    "tables": make_table,
    "recipes": make_recipe,
    "weights": make_weights,
    "bundles": make_bundle,
    "options": make_options,
}
