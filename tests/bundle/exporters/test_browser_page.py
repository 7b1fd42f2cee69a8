"""The page of docs/browser.md, docs/exports.html, answers in a real browser as the model does."""

from __future__ import annotations

import base64
import contextlib
import functools
import http.server
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageOps

from sightx_cli import export, load_model
from tests.chromium import Tab, browsing, find_chromium

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium here to run the page in"),
    pytest.mark.skipif(shutil.which("npm") is None, reason="no npm here to bring onnxruntime-web"),
]
PAGE = Path(__file__).parents[3] / "docs" / "exports.html"
PACKAGE = "onnxruntime-web@1.30.0"
ASK = """(async () => answer(new Blob([Uint8Array.from(atob("{content}"), (letter) => letter.charCodeAt(0))])))()"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def tab(digits: Path, digits_run: FitResult, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """The page of the documentation, with the exported digits beside it."""
    site = tmp_path_factory.mktemp("site")
    command = ["npm", "install", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE]
    done = subprocess.run(command, cwd=site, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"npm brings no {PACKAGE} here: {done.stderr.strip()[:200]}")
    [made] = export(digits_run.run, format="onnx", output=site, data=digits).exports
    for file in (PAGE, *(site / "node_modules/onnxruntime-web/dist").glob("ort*wasm*")):
        shutil.copy(file, made.folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(made.folder)))
    with contextlib.ExitStack() as last:
        last.callback(server.server_close)
        last.callback(server.shutdown)
        threading.Thread(target=server.serve_forever).start()
        tab = last.enter_context(browsing(tmp_path_factory.mktemp("profile")))
        tab.open(f"http://127.0.0.1:{server.server_port}/{PAGE.name}")
        tab.wait("window.answer")
        yield tab


def ask(tab: Tab, content: bytes) -> tuple[dict[str, float], bool]:
    """What the page says of an image: each class's probability, and whether it is unlike those learned from."""
    found = tab.evaluate(ASK.format(content=base64.b64encode(content).decode()))
    return found["probabilities"], found["far"]


def write(image: Image.Image, kind: str, **how: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **how)  # type: ignore[arg-type]
    return file.getvalue()


def test_every_image_has_the_label_that_the_model_gives_it(tab: Tab, digits: Path, digits_run: FitResult) -> None:
    model = load_model(digits_run.run)
    contents = [file.read_bytes() for file in sorted(digits.rglob("*.png"))]
    for content, answer in zip(contents, model.predict(contents), strict=True):
        shares, is_far = ask(tab, content)
        assert max(shares, key=lambda name: shares[name]) == answer.prediction
        assert shares == pytest.approx(answer.probabilities, abs=0.03)
        assert is_far == (answer.status == "unfamiliar")


def turn(image: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return write(image.rotate(90, expand=True), "PNG", exif=exif)


def cut_corner(image: Image.Image) -> bytes:
    seen = Image.fromarray(np.tri(image.height, image.width, dtype=np.uint8) * 255)
    image = image.convert("RGB")
    image.putalpha(seen)
    return write(image, "PNG")


ODD: dict[str, Callable[[Image.Image], bytes]] = {
    "grey": lambda image: write(image.convert("L"), "PNG"),
    "palette": lambda image: write(image.quantize(32), "PNG"),
    "turned by its EXIF": turn,
    "wide": lambda image: write(image.resize((301, 97)), "PNG"),
    "tiny": lambda image: write(image.resize((9, 9)), "PNG"),
    "large": lambda image: write(image.resize((1500, 1100)), "PNG"),
    "JPEG": lambda image: write(image.convert("RGB").resize((300, 200)), "JPEG", quality=90),
    "WebP": lambda image: write(image.convert("RGB"), "WEBP", lossless=True),
    "transparent": cut_corner,
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_images_are_read_as_in_python(tab: Tab, digits: Path, digits_run: FitResult, kind: str) -> None:
    content = ODD[kind](ImageOps.exif_transpose(Image.open(digits / "two" / "03.png")))
    answer = load_model(digits_run.run).predict(content)
    assert ask(tab, content)[0] == pytest.approx(answer.probabilities, abs=0.05)
