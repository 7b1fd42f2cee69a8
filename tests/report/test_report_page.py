"""The report of a fit and of an evaluation: one file, nothing from outside, every number in metrics.json."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sightx_cli import evaluate
from sightx_cli.report.report_page import write_report
from tests.report.report_numbers import find_strange_numbers

if TYPE_CHECKING:
    from sightx_cli.results.evaluate import EvaluateResult
    from sightx_cli.results.fit import FitResult

EXAMPLE = Path(__file__).parents[2] / "docs" / "about.toml"
MOST_BYTES = 8_000_000


@pytest.fixture(scope="module")
def evaluated(digits_run: FitResult, digits: Path, tmp_path_factory: pytest.TempPathFactory) -> EvaluateResult:
    folder = tmp_path_factory.mktemp("evaluated")
    images = shutil.copytree(digits, folder / "later")
    for name in ("one", "two"):
        for path in sorted((images / name).iterdir()):
            path.rename(path.with_name(f"site{int(path.stem) % 2}_{path.name}"))
    (images / "nought" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    return evaluate(images, model=digits_run.run, out=folder / "out", by=["site\\d"], about=EXAMPLE)


def read(folder: Path, name: str = "report.html") -> str:
    return (folder / name).read_text(encoding="utf-8")


def test_a_fit_leaves_a_report_and_a_model_card_and_names_it(digits_run: FitResult) -> None:
    assert digits_run.to_json()["report"] == str(digits_run.run / "report.html")
    assert (digits_run.run / "model_card.md").is_file()
    assert (digits_run.run / "report.html").stat().st_size < MOST_BYTES


def test_every_number_of_a_fits_report_and_card_is_in_its_metrics(digits_run: FitResult) -> None:
    content = read(digits_run.run, "metrics.json")
    assert find_strange_numbers(read(digits_run.run), content) == []
    assert find_strange_numbers(read(digits_run.run, "model_card.md"), content) == []


def test_every_number_of_an_evaluations_report_and_card_is_in_its_metrics(evaluated: EvaluateResult) -> None:
    content = read(evaluated.folder, "metrics.json")
    assert find_strange_numbers(read(evaluated.folder), content) == []
    assert find_strange_numbers(read(evaluated.folder, "model_card.md"), content) == []


def test_a_number_that_is_not_in_the_metrics_would_be_found(digits_run: FitResult) -> None:
    page = read(digits_run.run).replace("</main>", "<p>0.1234 of 98,765</p></main>")
    assert len(find_strange_numbers(page, read(digits_run.run, "metrics.json"))) == 2


def test_nothing_comes_from_outside(evaluated: EvaluateResult) -> None:
    page = read(evaluated.folder)
    assert "default-src 'none'" in page
    addresses = set(re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')\s>]{1,12})""", page))
    assert {one for one in addresses if not one.startswith(("#", "data:image/j"))} == set()


def test_what_is_not_stated_says_so_and_what_is_stands_there(digits_run: FitResult, evaluated: EvaluateResult) -> None:
    assert "not stated" in read(digits_run.run)
    assert "not stated" not in read(evaluated.folder)
    assert "Two retina specialists" in read(evaluated.folder)
    assert "medical device" in read(evaluated.folder)


def test_mistakes_and_the_least_sure_are_shown_as_pictures(digits_run: FitResult) -> None:
    pictures = json.loads(read(digits_run.run, "metrics.json"))["pictures"]
    shown = {one["image"] for one in pictures["least_sure"]}
    assert shown
    assert all(f'alt="{name},' in read(digits_run.run) for name in shown)
    assert read(digits_run.run).count("data:image/jpeg;base64,") >= len(shown)


def test_the_worst_mistakes_and_the_least_sure_have_heatmaps(digits_run: FitResult) -> None:
    page = read(digits_run.run)
    assert page.count('class="picture heat"') >= 1
    assert "orange speaks for the class" in page or "The worst mistakes" not in page


def test_each_cell_that_is_not_empty_opens_its_images(digits_run: FitResult) -> None:
    page, figures = read(digits_run.run), json.loads(read(digits_run.run, "metrics.json"))["valid"]
    filled = sum(count > 0 for row in figures["confusion"] for count in row)
    opens = re.findall(r'aria-controls="([^"]+)"', page)
    assert len(opens) == filled
    assert all(f'id="{one}"' in page for one in opens)


def test_the_flow_counts_what_could_not_be_read(evaluated: EvaluateResult) -> None:
    flow = json.loads(read(evaluated.folder, "metrics.json"))["facts"]["judged_flow"]
    assert (flow["found"], sum(flow["unreadable"].values()), flow["used"]) == (73, 1, 72)


def test_an_evaluation_on_images_that_the_model_knows_says_so(evaluated: EvaluateResult) -> None:
    assert "The model was trained on" in read(evaluated.folder)


def test_subgroups_are_tables(evaluated: EvaluateResult) -> None:
    assert "site0" in read(evaluated.folder)
    assert "site0" not in read(evaluated.run)


def test_a_report_can_be_made_again_from_its_metrics_alone(evaluated: EvaluateResult, tmp_path: Path) -> None:
    shutil.copy(evaluated.folder / "metrics.json", tmp_path)
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "no picture" in page
    assert find_strange_numbers(page, read(tmp_path, "metrics.json")) == []


HOSTILE = "<script>alert(1)</script>\"'&<b>\u202egnp.exe"


def test_names_are_escaped_everywhere(digits_run: FitResult, tmp_path: Path) -> None:
    def spoil(text: str) -> str:
        return HOSTILE + text

    content = json.loads(read(digits_run.run, "metrics.json"))
    figures, facts, pictures = content["valid"], content["facts"], content["pictures"]
    figures["classes"] = [{**one, "label": spoil(one["label"])} for one in figures["classes"]]
    facts["classes"] = [spoil(one) for one in facts["classes"]]
    facts["parts"] = {
        part: {**one, "classes": {spoil(name): count for name, count in one["classes"].items()}}
        for part, one in facts["parts"].items()
    }
    facts["name"], facts["command"], facts["sentence"], facts["group_by"] = (HOSTILE,) * 4
    facts["warnings"] = [HOSTILE]
    facts["notices"] = [{"kind": "x", "count": 1, "text": HOSTILE}]
    facts["flow"]["unreadable"] = {HOSTILE: 1}
    content["about"] = {"purpose": {"user": HOSTILE}}
    content["by"] = {HOSTILE: [{"value": HOSTILE, "images": 3, "metrics": {}, "intervals": {}, "worst": False,
                                "too_few_to_rank": True}]}  # fmt: skip
    for key in ("worst", "least_sure"):
        pictures[key] = [
            {name: spoil(value) if isinstance(value, str) else value for name, value in one.items()}
            for one in pictures[key]
        ]
    for cell in pictures["cells"]:
        cell |= {"label": spoil(cell["label"]), "prediction": spoil(cell["prediction"])}
        cell["images"] = [{**one, "image": spoil(one["image"])} for one in cell["images"]]
    (tmp_path / "metrics.json").write_text(json.dumps(content))
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "<b>·gnp" not in page
    assert "\u202e" not in page
    assert page.count("<script>") == 1
    card = read(tmp_path, "model_card.md")
    assert "<script>" not in card.split("---", 2)[2].replace("\\<script\\>", "")


def test_two_hundred_classes_are_folded_and_their_worst_pairs_listed(digits_run: FitResult, tmp_path: Path) -> None:
    content = json.loads(read(digits_run.run, "metrics.json"))
    names = [f"class {number}" for number in range(210)]
    figures = content["valid"]
    figures["classes"] = [{"label": name, "sensitivity": 0.5, "precision": 0.5, "support": 2} for name in names]
    figures["confusion"] = [[int(row in (column, column - 1)) for column in range(210)] for row in range(210)]
    content["facts"]["classes"], content["pictures"] = names, {}
    (tmp_path / "metrics.json").write_text(json.dumps(content))
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "the pairs most often confused" in page
    assert "All 210 classes" in page
    assert len(page) < 1_000_000


def test_a_report_that_fails_loses_neither_the_fit_nor_its_metrics(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sightx_cli import fit
    from sightx_cli.progress import Recorder

    def fail(*_: object) -> None:
        raise RuntimeError("no room")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sightx_cli.steps.report_files.write_report", fail)
    listener = Recorder()
    result = fit(digits, recipe="natural-small", settings=("image.size_px=64", "stage.0.epochs=1"), listener=listener)
    assert result.to_json()["report"] is None
    assert json.loads(read(result.run, "metrics.json"))["valid"]["metrics"]["accuracy"] is not None
    assert any("report.html could not be made" in text for text in listener.warnings)
