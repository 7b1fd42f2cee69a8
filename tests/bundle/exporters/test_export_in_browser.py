"""The ONNX file for any size answers in a browser as the model does: the page of the docs, in a real Chromium."""

from __future__ import annotations

import functools
import http.server
import json
import queue
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sightx_cli import export
from sightx_cli.bundle.predictor import load_predictor

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
PAGE = Path(__file__).parents[3] / "docs" / "exports.html"
ASK = """<script>
(async () => {
  for (const name of NAMES) {
    const found = await answer(await (await fetch(name)).blob()).catch((error) => ({ error: String(error) }));
    await fetch(name, { method: "POST", body: JSON.stringify(found) });
  }
})();
</script>"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM or not shutil.which("npm"), reason="no Chromium, or no npm to fetch the runtime"),
]


class Asked(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and keeps what the page posts."""

    answers: queue.Queue[Any] = queue.Queue()

    def do_POST(self) -> None:
        """Keep an answer."""
        self.answers.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *values: Any) -> None:
        """Say nothing."""


def test_the_page_of_the_docs_answers_as_the_model_does(build_run: Callable[..., Path], tmp_path: Path) -> None:
    fetched = subprocess.run(
        ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", tmp_path / "npm", "onnxruntime-web"],
        capture_output=True,
        text=True,
        check=False,
    )
    if fetched.returncode:
        pytest.skip(f"no registry is reachable: {fetched.stderr[-200:]}")
    run = build_run()
    [made] = export(run, format="onnx", output=tmp_path / "site").exports
    for file in (tmp_path / "npm/node_modules/onnxruntime-web/dist").glob("ort*wasm*"):
        shutil.copy(file, made.folder)
    names, noise = ["small.png", "wide.png", "large.png"], np.random.default_rng(0)
    for name, size in zip(names, [(9, 7), (90, 31), (700, 500)], strict=True):
        few = noise.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(few).resize(size, Image.Resampling.BICUBIC).save(made.folder / name)
    (made.folder / "page.html").write_text(PAGE.read_text() + ASK.replace("NAMES", json.dumps(names)))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Asked, directory=made.folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/page.html"
        browser = subprocess.Popen(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'user'}", address],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            answers = [Asked.answers.get(timeout=120) for _ in names]
        finally:
            browser.kill()
            browser.wait()
            server.shutdown()
    paths = [str(made.folder / name) for name in names]
    for found, expected in zip(answers, load_predictor(run).predict(zip(paths, paths, strict=True)), strict=True):
        assert expected.probabilities is not None
        np.testing.assert_allclose(list(found["probabilities"].values()), expected.probabilities, atol=0.02)
        assert found["far"] == (expected.status == "unfamiliar")
