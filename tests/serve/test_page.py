"""The page in a real browser: answers, table, keyboard, screen reader, narrow and dark."""

from __future__ import annotations

import base64
import csv
import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from sightx_cli import predict
from tests.chromium import Tab, browsing, find_chromium

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium here to open the page in"),
]
ODD = ("<img src=x onerror=alert(1)>.png", '=HYPERLINK("x").png', "-1+2.png", "a,b.png", "žluť 馬.png")


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browsing(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture
def page(tab: Tab, served: Any) -> Iterator[Tab]:
    """The page of the server, wide and light."""
    tab.open(f"http://127.0.0.1:{served.port}/")
    tab.wait("document.title !== 'SightX'")
    tab.errors.clear()
    yield tab
    assert tab.errors == []


@pytest.fixture(scope="module")
def odd_files(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> list[Path]:
    """Images of odd names, one that no browser shows, and one that is no image."""
    folder = tmp_path_factory.mktemp("odd")
    for name in ODD:
        shutil.copy(digits / "two" / "04.png", folder / name)
    Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64)).save(folder / "deep.tif")
    (folder / "broken.png").write_text("text")
    return sorted(folder.iterdir())


def give(page: Tab, *files: Path) -> None:
    page.give_files("#files", *files)
    page.wait("/^(All|.+: )/.test(live.textContent)")


def test_one_image_has_its_answer_and_its_bars(page: Tab, digits: Path) -> None:
    give(page, digits / "two" / "03.png")
    assert page.evaluate("said.textContent").startswith("two ")
    assert page.evaluate("document.querySelectorAll('#classes tbody tr').length") == 3
    assert page.evaluate("document.querySelector('#classes .given').textContent").startswith("two")
    assert page.evaluate("live.textContent").startswith("03.png: two, ")
    assert page.evaluate("several.hidden")


def test_a_class_that_a_threshold_decides_for_comes_with_the_threshold(
    tab: Tab, digits: Path, serve_within: Callable[..., Any], decided: Any
) -> None:
    with serve_within(asked=decided) as running:
        tab.open(f"http://127.0.0.1:{running.port}/")
        tab.wait("document.title !== 'SightX'")
        give(tab, digits / "two" / "03.png")
        assert not tab.evaluate("decision.hidden")
        assert (
            tab.evaluate("decision.textContent")
            == "Decided by the stored threshold: one from 7.1 % on, likelier or not."
        )
        assert "decides byone from a probability of 0.071 on" in tab.evaluate(
            "document.getElementById('fact-list').textContent"
        )


def test_the_heatmap_is_drawn_when_it_is_asked_for(page: Tab, digits: Path) -> None:
    give(page, digits / "two" / "03.png")
    assert page.evaluate("map.hidden")
    page.evaluate("heat.click()")
    page.wait("!map.hidden && document.getElementById('map-picture').naturalWidth > 100")
    assert "speaks for two" in page.evaluate("live.textContent")
    assert page.evaluate("document.getElementById('map-words').textContent").count("not whether it is right") == 1


def test_the_table_has_the_columns_and_cells_of_predict(
    page: Tab, odd_files: list[Path], digits_run: FitResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(page, *odd_files)
    page.evaluate("window.kept = []; URL.createObjectURL = (blob) => (kept.push(blob), 'blob:x')")
    page.evaluate("HTMLAnchorElement.prototype.click = function () {}; download.click()")
    text = page.evaluate("kept[0].text()")
    table = tmp_path / "predictions.csv"
    monkeypatch.chdir(odd_files[0].parent)
    predict([file.name for file in odd_files], model=digits_run.run, output=table)
    mine, theirs = (
        {row["image"]: row for row in csv.DictReader(io.StringIO(one))} for one in (text, table.read_text())
    )
    assert text.splitlines()[0] == table.read_text().splitlines()[0]
    assert mine.keys() == theirs.keys()
    for name, row in theirs.items():
        assert mine[name]["prediction"] == row["prediction"]
        assert mine[name]["status"] == row["status"]
        assert bool(mine[name]["error"]) == bool(row["error"])
        for column in ("confidence", "p_two"):
            assert float(mine[name][column] or 0) == pytest.approx(float(row[column] or 0), abs=2e-6)


def test_names_are_text_whatever_they_hold(page: Tab, odd_files: list[Path]) -> None:
    give(page, *odd_files)
    shown = page.evaluate("[...document.querySelectorAll('#rows th')].map((cell) => cell.textContent)")
    assert sorted(shown) == sorted(file.name for file in odd_files)
    assert page.evaluate("document.querySelectorAll('#rows img, #answer script').length") == 0
    page.evaluate(
        "[...document.querySelectorAll('#rows button')].find((one) => one.textContent.startsWith('<')).click()"
    )
    assert page.evaluate("document.getElementById('name').textContent") == ODD[0]
    assert page.evaluate("document.activeElement.id") == "said"


def test_a_file_that_is_no_image_says_why_and_the_others_have_answers(page: Tab, odd_files: list[Path]) -> None:
    give(page, *odd_files)
    rows = page.evaluate("[...document.querySelectorAll('#rows tr')].map((row) => row.textContent)")
    assert [("is not a readable image" in row) for row in rows] == [file.name == "broken.png" for file in odd_files]


def test_everything_is_reached_by_keyboard_alone(page: Tab, digits: Path) -> None:
    reached = []
    give(page, digits / "two" / "03.png", digits / "one" / "03.png")
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    for _ in range(20):
        page.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert {"choose", "photograph", "class", "heat", "download", "clear", "03.png"} <= set(reached)
    page.evaluate("document.querySelector('#rows tr:last-child button').focus()")
    page.press("Enter")
    assert page.evaluate("said.textContent").startswith("one ")


def test_a_screen_reader_is_given_names_and_is_told_of_answers(page: Tab, digits: Path) -> None:
    give(page, digits / "two" / "03.png", digits / "one" / "03.png")
    named = page.list_names()
    assert {("button", "Choose images"), ("button", "Take a photo"), ("button", "Download CSV")} <= set(named)
    assert ("combobox", "Class that the heatmap shows") in named
    assert {name for role, name in named if role == "columnheader"} >= {"Image", "Prediction", "Confidence", "Status"}
    assert ("image", "The image 03.png") in named
    assert not [role for role, name in named if role in ("button", "link", "textbox", "combobox", "image") and not name]
    assert page.evaluate("live.getAttribute('aria-live')") == "polite"


def test_a_photo_is_taken_and_answered(page: Tab) -> None:
    page.evaluate("photograph.click()")
    page.wait("!shoot.disabled && video.videoWidth > 0")
    page.evaluate("shoot.click()")
    page.wait("/^photo .*: /.test(live.textContent)")
    assert page.evaluate("camera.hidden")
    assert page.evaluate("document.activeElement.id") == "photograph"


GIVE = """(() => {
  const given = new DataTransfer();
  const bytes = Uint8Array.from(atob("CONTENT"), (letter) => letter.charCodeAt(0));
  given.items.add(new File([bytes], "NAME", { type: "image/png" }));
  const event = "NAME" === "pasted.png" ? new ClipboardEvent("paste", { clipboardData: given })
    : new DragEvent("drop", { dataTransfer: given, cancelable: true });
  document.dispatchEvent(event);
})()"""


@pytest.mark.parametrize("name", ["dropped.png", "pasted.png"])
def test_an_image_is_dropped_or_pasted(page: Tab, digits: Path, name: str) -> None:
    content = base64.b64encode((digits / "two" / "03.png").read_bytes()).decode()
    page.evaluate(GIVE.replace("CONTENT", content).replace("NAME", name))
    page.wait(f"live.textContent.startsWith('{name}: two')")


def test_what_cannot_be_read_of_a_dropped_folder_is_said_and_stops_no_other(page: Tab, digits: Path) -> None:
    content = base64.b64encode((digits / "two" / "03.png").read_bytes()).decode()
    drop = GIVE.replace(
        "const event",
        """let rest = [{isFile: true, name: "no.png", file: (_, no) => no(new Error("locked"))},
      {isFile: true, name: "yes.png", file: (done) => done(given.files[0])}];
    const folder = {isFile: false, name: "scans", createReader: () => ({
      readEntries: (done) => { done(rest); rest = []; } })};
    DataTransferItem.prototype.webkitGetAsEntry = () => folder;
    const event""",
    )
    page.evaluate(drop.replace("CONTENT", content).replace("NAME", "yes.png"))
    page.wait("live.textContent.startsWith('yes.png: two')")
    page.wait("trouble.textContent.startsWith('1 of the files or folders cannot be read')")


def test_a_browser_elsewhere_gets_in_with_the_token_and_keeps_it(
    tab: Tab, serve_within: Callable[..., Any], digits: Path
) -> None:
    with serve_within(token="secret") as running:
        tab.open(f"http://127.0.0.1:{running.port}/?token=secret")
        tab.wait("document.title !== 'SightX'")
        assert tab.evaluate("location.search") == ""
        give(tab, digits / "two" / "03.png")
        assert tab.evaluate("said.textContent").startswith("two ")
        assert tab.evaluate("document.cookie") == ""  # no script reads it
        tab.errors.clear()


def test_nothing_is_asked_of_anyone_else(tab: Tab, digits: Path, served: Any) -> None:
    own = f"http://127.0.0.1:{served.port}/"
    tab.requests.clear()
    tab.open(own)
    tab.wait("document.title !== 'SightX'")
    give(tab, digits / "two" / "03.png")
    assert [one for one in tab.requests if not one.startswith((own, "blob:", "about:", "data:"))] == []
    tab.evaluate("document.addEventListener('securitypolicyviolation', (event) => (window.barred = event.blockedURI))")
    tab.evaluate("fetch('https://example.com').catch(() => {})")
    tab.wait("window.barred")
    assert tab.evaluate("barred").startswith("https://example.com")


RATIOS = """(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const line = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const weights = [0.2126, 0.7152, 0.0722];
  const light = (rgb) => weights.reduce((sum, weight, place) => sum + weight * line(rgb[place] / 255), 0);
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const isText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!isText || !element.checkVisibility()) continue;
    if (element.closest("[aria-hidden=true], .skip, noscript, option, :disabled")) continue;
    const style = getComputedStyle(element);
    const [one, other] = [light(parse(style.color)), light(ground(element))].sort((a, b) => b - a);
    found.push([(one + 0.05) / (other + 0.05), element.tagName + "#" + element.id + "." + element.className]);
  }
  return found;
})()"""


@pytest.mark.parametrize("is_dark", [False, True])
@pytest.mark.parametrize("width", [360, 1200])
def test_it_fits_a_phone_and_can_be_read_by_day_and_by_night(
    tab: Tab, served: Any, odd_files: list[Path], width: int, is_dark: bool
) -> None:
    tab.open(f"http://127.0.0.1:{served.port}/", width, is_dark)
    tab.wait("document.title !== 'SightX'")
    give(tab, *odd_files)
    tab.evaluate("facts.open = true")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    ratios = tab.evaluate(RATIOS)
    assert len(ratios) > 30
    assert [one for one in ratios if one[0] < 4.5] == []  # WCAG 2.2, 1.4.3 (AA)
    assert tab.evaluate(
        "[...document.querySelectorAll('button')].filter((b) => b.checkVisibility()).every((b) => b.offsetHeight >= 24)"
    )


def test_images_that_are_told_to_come_back_do(
    tab: Tab, serve_within: Callable[..., Any], digits: Path, model: Any
) -> None:
    from sightx_cli.serve.limits import Limits

    with serve_within(Limits(waiting_images=4, requests=1)) as running:
        tab.open(f"http://127.0.0.1:{running.port}/")
        tab.wait("document.title !== 'SightX'")
        give(tab, *sorted((digits / "two").iterdir())[:12])
        states = json.loads(tab.evaluate("JSON.stringify([...rows.rows].map((row) => row.cells[2].textContent))"))
        assert len(states) == 12
        assert "–" not in states
        tab.errors.clear()
