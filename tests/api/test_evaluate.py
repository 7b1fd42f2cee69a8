"""`evaluate` from Python: the figures of a model on images labelled later, whatever is wrong with some of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from sightx_cli import evaluate, export, fit, predict
from sightx_cli.data.name_groups import find_names
from sightx_cli.errors import DataError, RunError, UsageError
from sightx_cli.progress import Recorder
from tests.conftest import DIGIT_NAMES

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def later(home: Path) -> Path:
    """Digits that the run has not seen, twelve of each, in class folders."""
    from sklearn.datasets import load_digits

    known = load_digits()
    for number, name in enumerate(DIGIT_NAMES):
        for place, pixels in enumerate(known.images[known.target == number][24:36]):
            write_digit(pixels, home / "later" / name / f"site{place % 2}_{name}{place // 4}_{place}.png")
    return home / "later"


def write_digit(pixels: object, path: Path) -> None:
    import numpy as np
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    shades = (np.asarray(pixels) * 15.9).astype(np.uint8)
    Image.fromarray(shades).resize((64, 64), Image.Resampling.BICUBIC).save(path)


def test_the_valid_part_of_a_fit_comes_out_as_the_fit_measured_it(digits_run: FitResult, digits: Path) -> None:
    split = pd.read_csv(digits_run.run / "split.csv", keep_default_na=False)
    split["image"] = [str(digits / name) for name in split["image"]]
    split.to_csv("split.csv", index=False)
    result = evaluate("split.csv", model=digits_run.run)
    assert result.part == "valid"
    assert result.figures.metrics == pytest.approx(digits_run.valid.metrics, abs=1e-6)
    assert result.figures.report.confusion == digits_run.valid.report.confusion
    assert result.trained_on == 0
    (said,) = (notice for notice in result.notices if notice.kind == "validated-on")
    images = result.figures.images
    assert (said.count, said.warns) == (images, False)
    assert said.text.startswith(f"{images} of these {images} images are the model's own validation images")


def test_the_folder_holds_the_figures_and_a_row_for_each_image(digits_run: FitResult, later: Path) -> None:
    result = evaluate(later, model=digits_run.run)
    written = json.loads((result.folder / "metrics.json").read_text())
    assert written["metrics"] == result.to_json()["metrics"]
    assert list(written["classes"]) == list(DIGIT_NAMES)
    rows = pd.read_csv(result.folder / "predictions.csv", keep_default_na=False)
    assert len(rows) == result.figures.images == 36
    assert (rows["label"] == rows["prediction"]).mean() == pytest.approx(result.figures.metrics["accuracy"])


def test_images_that_the_model_was_trained_on_are_counted_whatever_they_are_called(
    digits_run: FitResult, digits: Path, later: Path
) -> None:
    split = pd.read_csv(digits_run.run / "split.csv")
    for place, name in enumerate(split.loc[split["split"] == "train", "image"][:5]):
        shutil.copy(digits / name, later / Path(name).parent.name / f"renamed{place}.png")
    listener = Recorder()
    result = evaluate(later, model=digits_run.run, listener=listener)
    assert result.trained_on == 5
    assert any("trained on 5 of these 41 images" in text for text in listener.warnings)


def test_a_bundle_that_was_copied_alone_does_not_know_what_it_was_trained_on(
    digits_run: FitResult, digits: Path, home: Path
) -> None:
    shutil.copytree(digits_run.run / "bundle", home / "alone" / "bundle")
    result = evaluate(digits, model="alone", robustness=False)  # on the very images that it was trained on
    assert "is not known" in next(notice.text for notice in result.notices if notice.kind == "trained-on")
    written = json.loads((result.folder / "metrics.json").read_text())
    assert written["trained_on"] is written["facts"]["chosen_on"] is result.trained_on is None
    page = (result.folder / "report.html").read_text()
    assert (
        "Whether the model was trained on some of these images, or its best epoch chosen on them, is not known" in page
    )
    assert "none of these images was trained on" not in page
    assert "that the model was not trained on" not in page


def test_a_class_that_the_model_does_not_know_is_said_and_predicted_and_in_no_figure(
    digits_run: FitResult, later: Path
) -> None:
    shutil.copytree(later / "one", later / "seven")
    listener = Recorder()
    result = evaluate(later, model=digits_run.run, listener=listener)
    assert (result.figures.images, dict(result.unknown)) == (36, {"seven": 12})
    assert len(pd.read_csv(result.folder / "predictions.csv")) == 48
    assert any("seven (12)" in text for text in listener.warnings)


def test_rows_without_a_label_are_predicted_and_in_no_figure(digits_run: FitResult, later: Path) -> None:
    rows = [
        (str(path), path.parent.name if place % 4 else "") for place, path in enumerate(sorted(later.rglob("*.png")))
    ]
    pd.DataFrame(rows, columns=["image", "label"]).to_csv("later.csv", index=False)
    listener = Recorder()
    result = evaluate("later.csv", model=digits_run.run, listener=listener)
    assert (result.figures.images, result.unlabelled) == (27, 9)
    assert any("9 images without a label" in text for text in listener.warnings)


def test_images_of_one_class_alone_have_the_figures_that_they_allow(digits_run: FitResult, later: Path) -> None:
    listener = Recorder()
    shutil.rmtree(later / "two")
    shutil.rmtree(later / "nought")
    result = evaluate(later, model=digits_run.run, listener=listener)
    assert result.figures.metrics["accuracy"] is not None
    assert result.figures.metrics["roc_auc"] is None
    assert any("no image of nought, two" in text for text in listener.warnings)


def test_a_folder_with_parts_is_measured_on_test_and_needs_no_train(digits_run: FitResult, later: Path) -> None:
    (Path("parts")).mkdir()
    shutil.copytree(later, Path("parts") / "valid")
    later.rename(Path("parts") / "test")
    shutil.rmtree(Path("parts") / "valid" / "two")
    result = evaluate("parts", model=digits_run.run)
    assert (result.part, result.figures.images) == ("test", 36)


def test_classes_that_differ_by_case_only_are_the_models(digits_run: FitResult, later: Path) -> None:
    (later / "one").rename(later / "ONE")
    result = evaluate(later, model=digits_run.run)
    assert (result.figures.images, dict(result.unknown)) == (36, {})
    assert any(notice.kind == "same-names" for notice in result.notices)


def test_labels_that_the_model_does_not_know_at_all_are_refused(digits_run: FitResult, later: Path) -> None:
    for name in DIGIT_NAMES:
        (later / name).rename(later / f"kind {name}")
    with pytest.raises(DataError, match="none of the 36 images has a label that the model knows"):
        evaluate(later, model=digits_run.run)


def test_a_damaged_image_is_listed_and_stops_nothing(digits_run: FitResult, later: Path) -> None:
    (later / "one" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    result = evaluate(later, model=digits_run.run)
    assert result.figures.images == 36
    assert [line.split()[0] for line in result.unreadable] == ["one/broken.png"]


def test_sites_have_their_own_figures_and_patients_one_decision_each(digits_run: FitResult, later: Path) -> None:
    result = evaluate(later, model=digits_run.run, by=["site\\d"], per="_(\\w+)_", group_by="_(\\w+)_")
    assert [(one.value, one.figures.images) for one in result.by[0].groups] == [("site0", 18), ("site1", 18)]
    assert result.figures.intervals_by == "groups"
    assert result.per is not None
    assert result.per.figures.images == 9


def test_a_finished_evaluation_is_not_overwritten_unasked(digits_run: FitResult, later: Path) -> None:
    evaluate(later, model=digits_run.run, out=Path("told"))
    with pytest.raises(RunError, match="exists already"):
        evaluate(later, model=digits_run.run, out=Path("told"))
    evaluate(later, model=digits_run.run, out=Path("told"), overwrite=True)
    with pytest.raises(RunError, match="not an evaluation"):
        evaluate(later, model=digits_run.run, out=digits_run.run, overwrite=True)
    Path("told/notes.txt").write_text("mine")
    with pytest.raises(RunError, match=r"did not make there, notes\.txt, so it is not overwritten"):
        evaluate(later, model=digits_run.run, out=Path("told"), overwrite=True)
    assert Path("told/notes.txt").read_text() == "mine"


def test_a_fit_keeps_what_its_model_says_of_each_validation_image(digits_run: FitResult) -> None:
    rows = pd.read_csv(digits_run.run / "predictions" / "valid.csv", keep_default_na=False)
    assert len(rows) == digits_run.images["valid"]
    assert (rows["label"] == rows["prediction"]).mean() == pytest.approx(digits_run.metrics["accuracy"])


def test_a_threshold_that_is_kept_decides_in_predict_from_then_on(
    digits_run: FitResult, later: Path, home: Path
) -> None:
    from sightx_cli.bundle.facts import load_facts

    shutil.copytree(digits_run.run, home / "mine")
    asked = {"positive": "one,two", "at_specificity": 0.5, "keep": True}
    result = evaluate(later, model=home / "mine", **asked)
    assert result.decision is not None
    kept = load_facts(home / "mine").decision
    assert kept is not None
    assert (kept.positive, kept.threshold) == (("one", "two"), result.decision.threshold)
    again = evaluate(later, model=home / "mine")
    predict(later, model=home / "mine")
    tables = (pd.read_csv(one).sort_values("image") for one in (again.folder / "predictions.csv", "predictions.csv"))
    own, said = (table["decision"].tolist() for table in tables)
    assert own == said
    assert again.decision is not None
    assert again.decision.threshold == result.decision.threshold


def test_a_stored_threshold_decides_between_two_classes_as_predict_does(
    build_run: Callable[..., Path], digits: Path, home: Path
) -> None:
    from sightx_cli.bundle.chosen_threshold import Decision
    from sightx_cli.bundle.facts import Sets, keep_decision
    from sightx_cli.task.single_label import SingleLabel

    for name in DIGIT_NAMES[:2]:
        shutil.copytree(digits / name, home / "two" / name)
    run = build_run(SingleLabel(DIGIT_NAMES[:2]), sets=Sets(0.9, {"0.9": (0.55, 0.55)}, "valid", 36))
    before = evaluate("two", model=run, out=Path("before"), robustness=False)
    likely = pd.read_csv(before.folder / "predictions.csv")
    edge = float(likely["p_one"].quantile(0.3 if (likely["prediction"] == "nought").mean() > 0.5 else 0.7))
    keep_decision(run, Decision(("one",), edge, "sensitivity 0.95", "valid"))
    predict("two", model=run)
    said = pd.read_csv("predictions.csv").sort_values("image", ignore_index=True)
    result = evaluate("two", model=run, out=Path("after"), robustness=True)
    rows = pd.read_csv(result.folder / "predictions.csv").sort_values("image", ignore_index=True)
    assert (rows["prediction"] != likely.sort_values("image", ignore_index=True)["prediction"]).any()
    assert rows["prediction"].tolist() == said["prediction"].tolist()
    assert rows["status"].tolist() == said["status"].tolist()
    assert rows["confidence"].tolist() == pytest.approx(said["confidence"].tolist(), abs=1e-6)
    is_right = rows["label"] == rows["prediction"]
    accuracy = pytest.approx(is_right.mean())
    assert result.figures.metrics["accuracy"] == accuracy
    assert result.robustness is not None
    assert result.robustness.changes[0].metrics["accuracy"] == accuracy
    assert sum(row[place] for place, row in enumerate(result.figures.report.confusion)) == is_right.sum()
    assert result.decision is not None
    one = next(one for one in result.figures.report.classes if one.label == "one")
    assert one.sensitivity == pytest.approx(result.decision.reached.figures["sensitivity"])
    assert result.doubt is not None
    assert result.doubt.figures is not None
    assert result.doubt.figures.metrics["accuracy"] == pytest.approx(is_right[rows["status"] == "sure"].mean())
    for name in ("roc_auc", "loss", "brier", "calibration_error"):
        assert result.figures.metrics[name] == pytest.approx(before.figures.metrics[name]), name
    [told] = [notice.text for notice in result.notices if notice.kind == "decision"]
    assert f"as predict does: one from a probability of {edge:.3f} on" in told
    written = json.loads((result.folder / "metrics.json").read_text())
    assert written["decided_by"]["threshold"] == pytest.approx(edge)
    assert result.report is not None
    assert f"one from a probability of {edge:.3f} on" in result.report.read_text()
    assert all(one["prediction"] != one["label"] for one in written["pictures"]["worst"])


def test_exports_from_before_a_threshold_is_kept_are_warned_of(digits_run: FitResult, later: Path, home: Path) -> None:
    run = home / "mine"
    shutil.copytree(digits_run.run, run)
    export(run, format="safetensors")
    asked = {"positive": "one,two", "at_specificity": 0.5, "robustness": False}
    heard = Recorder()
    assert "outdated-exports" not in {one.kind for one in evaluate(later, model=run, listener=heard, **asked).notices}
    result = evaluate(later, model=run, keep=True, listener=heard, **asked)
    [said] = [one.text for one in result.notices if one.kind == "outdated-exports"]
    assert said in heard.warnings
    assert said in result.to_json()["warnings"]
    assert said.endswith(f"sightx export {run} --format safetensors --overwrite")


def test_an_evaluation_that_is_interrupted_keeps_no_threshold(digits_run: FitResult, later: Path, home: Path) -> None:
    from sightx_cli.bundle.facts import load_facts
    from sightx_cli.steps.evaluation_report import REPORTING

    class Interrupting(Recorder):
        def start(self, task: str, total: int | None, unit: str) -> None:
            if task == REPORTING:
                raise KeyboardInterrupt

    shutil.copytree(digits_run.run, home / "mine")
    asked = {"positive": "one,two", "at_specificity": 0.5, "keep": True, "robustness": False}
    with pytest.raises(KeyboardInterrupt):
        evaluate(later, model=home / "mine", out=home / "out", listener=Interrupting(), **asked)
    assert load_facts(home / "mine").decision is None
    assert not (home / "out").exists()


@pytest.mark.parametrize("asked", [{"by": ["nope"]}, {"per": "("}, {"group_by": "nope"}, {"per": "site."}])
def test_a_column_that_is_none_is_refused_before_any_image_is_read(
    digits_run: FitResult, later: Path, asked: dict[str, Any]
) -> None:
    heard = Recorder()
    with pytest.raises(DataError, match=f"^--{next(iter(asked)).replace('_', '-')} "):
        evaluate(later, model=digits_run.run, listener=heard, **asked)
    assert not heard.tasks


def test_a_bundle_alone_has_nothing_to_choose_a_threshold_on_and_says_so_at_once(
    digits_run: FitResult, later: Path, home: Path
) -> None:
    shutil.copytree(digits_run.run / "bundle", home / "copied" / "bundle")
    heard = Recorder()
    with pytest.raises(RunError, match="holds no predictions that a threshold"):
        evaluate(later, model=home / "copied", at_sensitivity=0.9, positive="one", listener=heard)
    assert not heard.notices


def test_a_run_that_cannot_be_written_to_is_refused_before_it_is_measured(
    digits_run: FitResult, later: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(digits_run.run, home / "mine")
    monkeypatch.setattr("os.access", lambda path, mode: False)  # an administrator may write into any folder
    heard = Recorder()
    with pytest.raises(RunError, match=r"--keep: .* cannot be written to"):
        evaluate(later, model=home / "mine", positive="one", at_specificity=0.5, keep=True, listener=heard)
    assert not heard.notices


def test_a_hint_names_the_command_that_was_typed(digits_run: FitResult, later: Path) -> None:
    with pytest.raises(DataError) as refused:
        evaluate(digits_run.run, model=digits_run.run)
    assert "sightx evaluate" in refused.value.hint


def test_images_without_any_label_are_refused_with_what_to_do(digits_run: FitResult, later: Path) -> None:
    pd.DataFrame({"image": [str(next(later.rglob("*.png")))], "label": [""]}).to_csv("bare.csv", index=False)
    with pytest.raises(DataError, match="none of the 1 images has a label") as refused:
        evaluate("bare.csv", model=digits_run.run)
    assert "sightx predict" in refused.value.hint


@pytest.mark.parametrize("views", [0, 65, 100_000])
def test_more_views_than_memory_can_bear_are_refused(digits_run: FitResult, later: Path, views: int) -> None:
    with pytest.raises(UsageError, match=f"--tta {views}: allowed are 1, the plain view, to 64"):
        evaluate(later, model=digits_run.run, tta=views)


def test_what_the_model_is_sure_of_is_measured_alone_too(digits_run: FitResult, later: Path) -> None:
    result = evaluate(later, model=digits_run.run)
    doubt = result.doubt
    assert doubt is not None
    assert doubt.sure + doubt.unsure + doubt.unfamiliar == 36
    rows = pd.read_csv(result.folder / "predictions.csv", keep_default_na=False)
    sure = rows[rows["status"] == "sure"]
    assert len(sure) == doubt.sure
    assert doubt.figures is not None
    assert doubt.figures.metrics["accuracy"] == pytest.approx((sure["label"] == sure["prediction"]).mean())


@pytest.mark.slow
def test_views_that_are_averaged_are_held_against_the_plain_one(
    digits: Path, later: Path, random_weights: Callable[[str], Path]
) -> None:
    how = {"recipe": "natural-small", "backbone": "test_resnet", "weights": random_weights("test_resnet")}
    settings = ("image.size_px=32", "stage.0.epochs=1")
    run = fit(digits, profile="surface", engine="torch", settings=settings, **how).run
    plain, averaged = evaluate(later, model=run), evaluate(later, model=run, tta=8)
    assert averaged.tta is not None
    assert averaged.tta.views == 8
    assert averaged.tta.plain.metrics == pytest.approx(plain.figures.metrics, abs=1e-6)
    assert averaged.figures.metrics["loss"] != plain.figures.metrics["loss"]
    gained = averaged.tta.gained["accuracy"]
    assert gained.difference == pytest.approx(
        averaged.figures.metrics["accuracy"] - plain.figures.metrics["accuracy"], abs=1e-6
    )


def test_views_are_refused_of_a_model_whose_labels_bear_no_change_or_nobody_knows(
    digits_run: FitResult, digits: Path, later: Path, random_weights: Callable[[str], Path], home: Path
) -> None:
    facts = json.loads((digits_run.run / "bundle" / "bundle.json").read_text())
    shutil.copytree(digits_run.run, home / "mine")
    for borne, said in ((None, "was not measured"), ({"profile": "none", "off": []}, "only one view")):
        (home / "mine" / "bundle" / "bundle.json").write_text(json.dumps(facts | {"borne": borne}))
        with pytest.raises(UsageError, match=said):
            evaluate(later, model=home / "mine", tta=2)


def test_a_column_that_bears_a_name_of_ours_is_the_users(digits_run: FitResult, later: Path) -> None:
    rows = [
        (str(path), path.parent.name, "new" if place % 2 else "old") for place, path in enumerate(later.rglob("*.png"))
    ]
    pd.DataFrame(rows, columns=["image", "label", "digest"]).to_csv("later.csv", index=False)
    result = evaluate("later.csv", model=digits_run.run, by=["digest"], robustness=False)
    assert [(one.value, one.figures.images) for one in result.by[0].groups] == [("new", 18), ("old", 18)]


def test_the_units_of_an_expression_are_read_off_the_names_once_before_the_images_and_once_after(
    digits_run: FitResult, later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def find_and_note(expression: str, names: Any) -> Any:
        read.append(expression)
        return find_names(expression, names)

    monkeypatch.setattr("sightx_cli.data.splits.find_names", find_and_note)
    result = evaluate(later, model=digits_run.run, per=r"_(\w+)_", group_by=r"site\d", robustness=False)
    assert result.per is not None
    assert result.per.figures.images == 9
    assert read.count(r"_(\w+)_") == 2


def test_images_of_patients_that_the_model_was_trained_on_are_counted(
    digits: Path, later: Path, random_weights: Callable[[str], Path], home: Path
) -> None:
    for place, image in enumerate(sorted(digits.rglob("*.png"))):
        target = home / "early" / image.parent.name / f"person{place % 24 // 2}_{place}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, target)
    how: dict[str, Any] = {"recipe": "natural-small", "backbone": "test_resnet", "settings": ("image.size_px=32",)}
    run = fit("early", group_by=r"person\d+", folds=0, weights=random_weights("test_resnet"), **how).run
    split = pd.read_csv(run / "split.csv")
    known, held = (sorted(set(split.loc[split["split"] == part, "group"])) for part in ("train", "valid"))
    names = [known[0], known[1], held[0], "person777", "person778", "nobody"]
    for folder in later.iterdir():
        for place, image in enumerate(sorted(folder.iterdir())):
            image.rename(image.with_name(f"{names[place % len(names)]}_{place}.png"))
    listener = Recorder()
    result = evaluate(later, model=run, per=r"person\d+", robustness=False, listener=listener)
    said = next(notice for notice in result.notices if notice.kind == "trained-groups")
    assert (said.count, said.warns) == (12, True)
    named = next(name for name in (f"({known[0]}, {known[1]})", f"({known[1]}, {known[0]})") if name in said.text)
    assert said.text == (
        rf"12 of these 36 images have a group by person\d+ {named} that the training part has too: if these are the "
        "same patients, or parts, the figures look better than they will be"
    )
    assert said.text in listener.warnings
    matched = next(notice for notice in result.notices if notice.kind == "matched-groups")
    assert matched.text.startswith(
        r"--per 'person\d+': 30 of 36 file names match, in 5 groups; 6 match nothing, such as"
    )
    written = json.loads((result.folder / "metrics.json").read_text())
    assert written["trained_groups"] == {"by": r"person\d+", "images": 12, "groups": 2}
    assert said.to_json() in written["notices"]
    page = (result.folder / "report.html").read_text()
    assert r"by their bytes; 12 of them have a group, by person\d+, that was trained on" in page
    assert "external or later testing" not in page
    for name in known[:2]:
        for image in later.rglob(f"{name}_*.png"):
            image.unlink()
    fresh = evaluate(later, model=run, group_by=r"person\d+", robustness=False)
    assert "trained-groups" not in {notice.kind for notice in fresh.notices}
    assert fresh.to_json()["trained_groups"] == {"by": r"person\d+", "images": 0, "groups": 0}
    plain = evaluate(later, model=run, robustness=False)
    assert plain.to_json()["trained_groups"] is None
    assert "by their bytes<" in (plain.folder / "report.html").read_text()
