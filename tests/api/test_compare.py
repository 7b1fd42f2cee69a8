"""`compare` from Python: two models on the same images, and whether they differ by more than chance."""

from __future__ import annotations

import html
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from typer.testing import CliRunner

from sightx_cli import compare, evaluate
from sightx_cli.app import app
from sightx_cli.bundle.chosen_threshold import Decision
from sightx_cli.bundle.facts import keep_decision
from sightx_cli.errors import DataError, RunError, UsageError
from sightx_cli.task.single_label import SingleLabel

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def worse(digits_run: FitResult, home: Path) -> Path:
    """A copy of the run whose kept predictions are those of the class that follows, for every image."""
    run = home / "worse"
    shutil.copytree(digits_run.run, run)
    table = run / "predictions" / "valid.csv"
    rows = pd.read_csv(table)
    shares = [name for name in rows.columns if name.startswith("p_")]
    rows[shares] = rows[[*shares[1:], shares[0]]].to_numpy()
    rows.to_csv(table, index=False)
    return run


def test_a_model_is_not_different_from_itself(digits_run: FitResult, home: Path) -> None:
    shutil.copytree(digits_run.run, home / "again")
    result = compare([digits_run.run, home / "again"])
    assert (result.part, result.images) == ("valid", digits_run.images["valid"])
    pair = result.models[1].against_first
    assert pair is not None
    assert pair.mcnemar is not None
    assert (pair.mcnemar.only_first, pair.mcnemar.only_second) == (0, 0)
    assert not any(one.is_different for one in pair.differences.values())
    assert {(one.difference, one.interval, one.is_same) for one in pair.differences.values()} == {(0, (0, 0), True)}
    done = CliRunner().invoke(app, ["compare", str(digits_run.run), "again", "--out", "page.html"])
    lines = [line.split() for line in done.stdout.splitlines() if line.rstrip().endswith("the same predictions")]
    assert ["log", "loss", "0", "the", "same", "predictions"] in lines
    assert len(lines) == len(pair.differences) + 1  # and the sentence below them
    assert "+0.0000" not in done.stdout
    page = (home / "page.html").read_text(encoding="utf-8")
    assert page.count("<td>the same predictions</td>") == len(pair.differences)


def test_a_model_that_is_wrong_everywhere_is_told_apart(digits_run: FitResult, worse: Path) -> None:
    result = compare([digits_run.run, worse])
    assert result.models[0].metrics == pytest.approx(digits_run.metrics, abs=1e-4)
    pair = result.models[1].against_first
    assert pair is not None
    accuracy = pair.differences["accuracy"]
    assert accuracy.is_different
    assert accuracy.difference < -0.5
    assert accuracy.interval[1] < 0
    done = CliRunner().invoke(app, ["compare", str(digits_run.run), "worse", "--out", "page.html"])
    page = Path("page.html").read_text(encoding="utf-8")
    for shown in (done.stdout, page):
        words = " ".join(html.unescape(shown).split())
        assert '"More than chance" has allowed for how many figures are looked at (Holm 1979)' in words
        assert "McNemar's p < 0.001)" in words
    assert "<td>&lt; 0.001</td>" in page
    assert "<td>0.000</td>" not in page
    ends = [line.rstrip().rpartition("  ")[2] for line in done.stdout.splitlines()]
    assert "< 0.001" in ends
    assert "0.000" not in ends


def test_a_model_of_two_classes_is_compared_by_the_threshold_that_it_stores(
    build_run: Callable[..., Path], digits: Path, home: Path
) -> None:
    for name in ("nought", "one"):
        shutil.copytree(digits / name, home / "two" / name)
    run = build_run(SingleLabel(("nought", "one")))
    how = {"model": run, "robustness": False}
    likely = evaluate("two", out=Path("likely"), **how)
    edge = float(pd.read_csv("likely/predictions.csv")["p_one"].quantile(0.8))
    keep_decision(run, Decision(("one",), edge, "by hand", "valid"))
    decided = evaluate("two", out=Path("decided"), **how)
    keep_decision(run, None)  # what an evaluation was decided by stays
    result = compare(["likely", "decided"])
    for one, own in zip(result.models, (likely, decided), strict=True):
        assert one.metrics["balanced_accuracy"] == pytest.approx(own.figures.metrics["balanced_accuracy"])
    before, after = (pd.read_csv(f"{name}/predictions.csv")["prediction"] for name in ("likely", "decided"))
    pair = result.models[1].against_first
    assert pair is not None
    assert pair.mcnemar is not None
    assert pair.mcnemar.only_first + pair.mcnemar.only_second == (before != after).sum() > 0
    [told] = [notice.text for notice in result.notices if notice.kind == "decision"]
    assert told.endswith(f"class: decided: one from a probability of {edge:.3f} on (by hand, valid)")


def test_only_images_that_both_were_measured_on_count_and_the_others_are_said(
    digits_run: FitResult, worse: Path
) -> None:
    table = worse / "predictions" / "valid.csv"
    pd.read_csv(table)[:-2].to_csv(table, index=False)
    result = compare([digits_run.run, worse])
    assert result.images == digits_run.images["valid"] - 2
    assert [(notice.kind, notice.count) for notice in result.notices] == [("not-shared", 2)]


@pytest.mark.slow
def test_evaluations_are_compared_on_the_images_that_they_measured(
    digits_run: FitResult, digits: Path, home: Path
) -> None:
    for name in ("first", "second"):
        evaluate(digits, model=digits_run.run, out=home / name)
    result = compare([home / "first", home / "second"])
    assert (result.part, result.images) == ("evaluation", 72)


def test_what_cannot_be_compared_is_refused_with_the_reason(digits_run: FitResult, worse: Path, home: Path) -> None:
    with pytest.raises(UsageError, match="one model alone"):
        compare([digits_run.run])
    with pytest.raises(RunError, match="no such run folder"):
        compare([digits_run.run, home / "nowhere"])
    shutil.rmtree(worse / "predictions")
    with pytest.raises(RunError, match="holds no predictions to compare"):
        compare([digits_run.run, worse])


def test_a_model_is_not_compared_with_itself(digits_run: FitResult) -> None:
    with pytest.raises(DataError, match="is given twice"):
        compare([digits_run.run, digits_run.run])
    with pytest.raises(DataError, match="is the same as"):
        compare([digits_run.run, digits_run.run / "bundle"])


def test_a_run_and_an_evaluation_are_told_apart_and_one_whose_run_moved_says_so(
    digits_run: FitResult, digits: Path, worse: Path, home: Path
) -> None:
    evaluate(digits, model=worse, out=home / "measured", robustness=False)
    with pytest.raises(DataError, match=r"is a run with a valid part; .* is an evaluation"):
        compare([digits_run.run, home / "measured"])
    worse.rename(home / "moved")
    with pytest.raises(RunError, match=r"an evaluation of the run .* no longer there"):
        compare([home / "measured", home / "moved"])


def test_models_without_an_image_in_common_are_refused(digits_run: FitResult, worse: Path) -> None:
    table = worse / "predictions" / "valid.csv"
    rows = pd.read_csv(table)
    rows.assign(image="other/" + rows["image"]).to_csv(table, index=False)
    with pytest.raises(DataError, match="no image in common"):
        compare([digits_run.run, worse])


def rewrite_split(run: Path, **columns: Callable[[pd.DataFrame], object]) -> None:
    """Change columns of the images that a run lists."""
    pd.read_csv(run / "split.csv").assign(**columns).to_csv(run / "split.csv", index=False)


def test_other_photographs_of_the_same_names_are_not_compared(digits_run: FitResult, worse: Path) -> None:
    rewrite_split(worse, digest=lambda rows: rows["digest"].str[::-1])
    count = digits_run.images["valid"]
    with pytest.raises(DataError, match=f"no image in common: {count} images have the same names but other contents"):
        compare([digits_run.run, worse])


def test_a_run_that_keeps_no_digests_is_compared_by_name_and_says_so(digits_run: FitResult, worse: Path) -> None:
    rewrite_split(worse, digest=lambda _: "")
    result = compare([digits_run.run, worse])
    count = digits_run.images["valid"]
    assert result.images == count
    [notice] = result.notices
    assert (notice.kind, notice.count) == ("told-by-name", count)
    (worse / "split.csv").unlink()
    assert compare([digits_run.run, worse]).notices == (notice,)


def test_the_same_files_are_compared_whatever_their_layout(
    build_run: Callable[..., Path], digits: Path, home: Path
) -> None:
    import pyarrow
    import pyarrow.parquet

    run, files = build_run(), sorted(digits.rglob("*.png"))
    labels = [file.parent.name for file in files]
    pd.DataFrame({"image": [str(file) for file in files], "label": labels}).to_csv("table.csv", index=False)
    cells = [{"bytes": file.read_bytes(), "path": None} for file in files]
    pyarrow.parquet.write_table(pyarrow.table({"image": cells, "label": labels}), "packed.parquet")
    made = [
        evaluate(source, model=run, out=Path(f"made{place}"), robustness=False).folder
        for place, source in enumerate((digits, "table.csv", "packed.parquet"))
    ]
    result = compare(made)
    assert (result.images, result.notices) == (len(files), ())
    names = [set(pd.read_csv(folder / "predictions.csv", dtype=str)["image"]) for folder in made]
    assert not names[0] & names[2]
    assert all(
        one.is_same for model in result.models[1:] if (pair := model.against_first) for one in pair.differences.values()
    )
