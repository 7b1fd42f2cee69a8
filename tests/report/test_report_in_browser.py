"""The report in a real browser: it opens without an error or a request, its tables sort, its cells open, it prints."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine: apt-get install chromium"),
]

WATCH = """<script>
window.troubles = [];
addEventListener("error", (event) => troubles.push("error " + (event.message || event.target.src)), true);
addEventListener("securitypolicyviolation", (event) => troubles.push("request " + event.blockedURI));
</script>"""
TRY = """<script>
addEventListener("load", () => {
  const said = [];
  const fetched = performance.getEntriesByType("resource").filter((one) => !one.name.startsWith("data:"));
  said.push("requests=" + fetched.length);
  const images = [...document.images];
  said.push("images=" + images.length, "broken=" + images.filter((one) => one.complete && !one.naturalWidth).length);
  said.push("unnamed=" + images.filter((one) => !one.alt).length);
  const cell = document.querySelector("table.matrix button.cell");
  const box = document.getElementById(cell.getAttribute("aria-controls"));
  const seen = () => getComputedStyle(box).display !== "none";
  const before = seen();
  cell.click();
  said.push("opens=" + (!before && seen() && cell.getAttribute("aria-expanded") === "true"));
  cell.click();
  said.push("closes=" + !seen());
  const table = [...document.querySelectorAll("table.sortable")].find((one) => one.tBodies[0].rows.length > 2);
  const read = (cell) => Number.parseFloat(cell.dataset.value ?? cell.textContent);
  const values = () => [...table.tBodies[0].rows].map((row) => read(row.cells[1]));
  const head = table.tHead.rows[0].cells[1];
  head.querySelector("button").click();
  const up = values();
  head.querySelector("button").click();
  const down = values();
  const sorted = [...up].sort((a, b) => a - b);
  said.push("sorts=" + (String(up) === String(sorted) && String(down) === String([...sorted].reverse())));
  said.push("aria=" + head.getAttribute("aria-sort"));
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  said.push("twice=" + (ids.length - new Set(ids).size));
  said.push("drawings=" + document.querySelectorAll("svg.drawing").length);
  const isWide = (one) => !one.closest(".wide") && one.getBoundingClientRect().right > innerWidth + 1;
  const wide = [...document.querySelectorAll("body *")].filter(isWide).map((one) => one.tagName + "." + one.className);
  said.push("width=" + innerWidth, "wide=" + wide.slice(0, 5));
  const term = document.querySelector("details.term");
  term.querySelector("summary").click();
  document.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
  said.push("terms=" + !term.open);
  said.push("troubles=" + troubles.join("; "));
  parent.postMessage("TRIED " + said.join(" | "), "*");
});
</script>"""

FRAME = """<!doctype html><title>waiting</title><script>
addEventListener("message", (event) => { document.title = event.data; });
</script><iframe src="report.html" style="border: 0; width: WIDTHpx; height: 800px"></iframe>"""
"""A window as narrow as a phone: the browser itself opens none below 500 px."""


def open_page(page: Path, *options: str) -> str:
    """Open a page as a person would, without a network; returns what the browser printed."""
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", *options]
    profile = f"--user-data-dir={page.parent / 'profile'}"
    done = subprocess.run(
        [*command, profile, page.as_uri()], capture_output=True, text=True, timeout=120, check=True, env=os.environ
    )
    return done.stdout


@pytest.fixture(params=[1200, 390], ids=["desktop", "phone"])
def tried(request: pytest.FixtureRequest, digits_run: FitResult, tmp_path: Path) -> dict[str, str]:
    """What a page with a fit's report says of itself after it was used."""
    text = (digits_run.run / "report.html").read_text(encoding="utf-8")
    text = text.replace("<title>", f"{WATCH}<title>", 1).replace("</body>", f"{TRY}</body>")
    (tmp_path / "report.html").write_text(text, encoding="utf-8")
    page = tmp_path / "frame.html"
    page.write_text(FRAME.replace("WIDTH", str(request.param)), encoding="utf-8")
    shown = open_page(page, "--window-size=1300,900", "--dump-dom")
    found = re.search(r"<title>TRIED (.*?)</title>", shown)
    assert found, shown[:500]
    return dict(part.split("=", 1) for part in found[1].split(" | "))


def test_it_opens_without_an_error_or_a_request_and_can_be_used(tried: dict[str, str]) -> None:
    assert (tried["troubles"], tried["requests"], tried["broken"], tried["unnamed"]) == ("", "0", "0", "0")
    assert int(tried["images"]) > 20
    assert int(tried["drawings"]) > 3
    assert (tried["opens"], tried["closes"], tried["sorts"], tried["terms"]) == ("true", "true", "true", "true")
    assert tried["aria"] == "descending"


def test_no_id_is_there_twice_and_nothing_is_wider_than_the_window(tried: dict[str, str]) -> None:
    assert (tried["twice"], tried["wide"]) == ("0", "")


def test_it_prints(digits_run: FitResult, tmp_path: Path) -> None:
    page = Path(shutil.copy(digits_run.run / "report.html", tmp_path))
    open_page(page, f"--print-to-pdf={tmp_path / 'report.pdf'}", "--no-pdf-header-footer")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "report.pdf").stat().st_size > 20_000
