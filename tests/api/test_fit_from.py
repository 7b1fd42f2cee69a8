"""`fit --from RUN`: the run's weights, classes, choices and split go on, and the two are compared fairly."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sightx_cli import evaluate, fit, predict
from sightx_cli.errors import DataError, RunError, SightXError, UsageError
from sightx_cli.progress import Recorder

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult

HEAD = 'stage=[{train="head",epochs=2,rate=1e-2}]'
TUNED = 'stage=[{train="head",epochs=1,rate=1e-2},{train="last:1",epochs=4,rate={head=1e-3,backbone=1e-5}}]'
NUMBERS = {"nought": 0, "one": 1, "two": 2, "three": 3}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, in which `runs/` appears."""
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


def write_digits(root: Path, counts: Mapping[str, int], first: int = 0) -> Path:
    """Write so many handwritten digits of each class, from the `first` on."""
    from sklearn.datasets import load_digits

    known = load_digits()
    for name, count in counts.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for place, pixels in enumerate(known.images[known.target == NUMBERS[name]][first : first + count]):
            image = Image.fromarray((pixels * 15.9).astype(np.uint8)).resize((32, 32), Image.Resampling.BICUBIC)
            image.save(root / name / f"{first + place:03}.png")
    return root


def train_first(source: Path, weights: Path, *settings: str, **how: Any) -> FitResult:
    given = ("image.size_px=32", "image.profile=none", *settings)
    how = {"out": Path("first"), "recipe": "natural-small", "engine": "torch", **how}
    return fit(source, backbone="test_resnet", weights=weights, settings=given, **how)


@pytest.fixture(scope="module")
def made(random_weights: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the images `few`, 20 of each of three digits, and two runs on them: `head`, and `tuned`."""
    folder = tmp_path_factory.mktemp("made")
    few = write_digits(folder / "few", {"nought": 20, "one": 20, "two": 20})
    with contextlib.chdir(folder):
        train_first(few, random_weights("test_resnet"), HEAD, out=Path("head"))
        train_first(few, random_weights("test_resnet"), TUNED, out=Path("tuned"))
    return folder


@pytest.fixture
def more(made: Path, tmp_path: Path) -> Path:
    """The same images under other names and in another place, and ten more of each class."""
    for file in (made / "few").rglob("*.png"):
        target = tmp_path / "more" / file.parent.name / f"again-{file.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    return write_digits(tmp_path / "more", {"nought": 10, "one": 10, "two": 10}, first=20)


def go_on(source: Path, run: Path, **how: Any) -> FitResult:
    return fit(source, from_run=run, **{"engine": "torch", **how})


def read_json(run: Path, name: str) -> Any:
    return json.loads((run / name).read_text(encoding="utf-8"))


def read_tensors(run: Path) -> dict[str, np.ndarray[Any, Any]]:
    from safetensors.numpy import load_file

    return dict(load_file(run / "bundle" / "weights.safetensors"))


def read_parts(run: Path) -> dict[str, str]:
    rows = pd.read_csv(run / "split.csv")
    return dict(zip(rows["digest"], rows["split"], strict=True))


# --- where it starts ---


def test_it_starts_from_the_network_and_the_head_of_the_run(made: Path, more: Path) -> None:
    still = 'stage=[{train="head",epochs=1,rate=1e-12}]'
    result = go_on(more, made / "tuned", settings=(still, "training.weight_decay=0.0"))
    then, now = read_tensors(made / "tuned"), read_tensors(result.run)
    network = [name for name in then if name.startswith("0.")]
    assert all((then[name] == now[name]).all() for name in network)
    rows = pd.read_csv(result.run / "history.csv")
    first = rows.iloc[0]
    assert first["stage"] == "head of the earlier run"
    told = result.retraining
    assert told is not None
    assert told.before is not None
    before = told.before.metrics["loss"]
    assert before == pytest.approx(first["valid_loss"], abs=1e-4)  # the very head, on the same images


def test_the_recipe_of_the_run_goes_on_and_the_plan_says_so(made: Path, more: Path) -> None:
    heard = Recorder()
    result = go_on(more, made / "tuned", listener=heard)
    plan = read_json(result.run, "plan.json")
    values = plan["values"]
    assert values["image.size_px"] == {"value": 32, "origin": "run"}
    assert values["model.backbone"] == {"value": "test_resnet", "origin": "run"}
    assert values["stage.1.train"] == {"value": "last:1", "origin": "run"}
    assert values["weights.origin"]["origin"] == values["weights.mean"]["origin"] == "run"
    assert values["from.run"] == {"value": str(made / "tuned"), "origin": "option"}
    assert not [task for task in heard.tasks if task.startswith(("probe", "measuring which"))]
    assert plan["command"] == f"sightx fit {more} --engine torch --from {made / 'tuned'}"
    assert str(made / "tuned") in plan["sentence"]


@pytest.mark.slow
def test_an_option_wins_over_the_choice_of_the_run(made: Path, more: Path) -> None:
    result = go_on(more, made / "head", settings=("image.size_px=48", "stage.0.epochs=1"))
    values = read_json(result.run, "plan.json")["values"]
    assert values["image.size_px"] == {"value": 48, "origin": "option"}
    assert read_json(result.run, "bundle/bundle.json")["size_px"] == 48


@pytest.mark.slow
def test_runs_latest_means_the_run_that_it_was(made: Path, more: Path, home: Path) -> None:
    (home / "runs").mkdir()
    (home / "runs" / "latest").symlink_to(made / "head")
    result = go_on(more, Path("runs/latest"))
    assert (home / "runs" / "latest").resolve() == result.run
    assert read_json(result.run, "plan.json")["values"]["from.run"]["value"] == str(made / "head")


@pytest.mark.slow
def test_a_run_from_random_weights_goes_on_with_all_its_layers(
    more: Path, random_weights: Callable[[str], Path]
) -> None:
    scratch = 'stage=[{train="scratch",epochs=1,rate=1e-3}]'
    first = fit(more, recipe="natural-small", backbone="test_resnet", engine="torch", out=Path("first"),
                settings=("image.size_px=32", "model.weights=scratch", scratch))  # fmt: skip
    values = read_json(go_on(more, first.run).run, "plan.json")["values"]
    assert values["stage.0.train"]["value"] == "all"
    assert values["model.weights"] == {"value": "file", "origin": "run"}


@pytest.mark.slow
def test_a_run_of_a_run_goes_on(made: Path, more: Path) -> None:
    again = go_on(more, go_on(more, made / "tuned").run)
    assert again.retraining is not None
    assert again.retraining.images.same == 90


# --- what changed ---


def test_it_says_which_images_are_new_gone_and_the_same_by_their_bytes(made: Path, more: Path) -> None:
    (more / "one" / "again-003.png").unlink()
    (more / "one" / "again-004.png").rename(more / "two" / "was-one.png")
    result = go_on(more, made / "head")
    found = result.to_json()["from"]
    assert found["run"] == str(made / "head")
    assert found["images"] == {"new": 30, "gone": 1, "same": 59, "relabelled": 1}
    assert read_json(result.run, "metrics.json")["from"] == found


def test_what_the_run_was_trained_on_stays_in_train(made: Path, more: Path) -> None:
    result = go_on(more, made / "head", seed=5)
    then, now = read_parts(made / "head"), read_parts(result.run)
    assert {digest: now[digest] for digest in then} == then
    added = [part for digest, part in now.items() if digest not in then]
    assert (added.count("train"), added.count("valid")) == (24, 6)
    assert result.cross_validation is None  # its network has seen the folds


def test_a_run_without_digests_knows_its_images_by_name(made: Path, tmp_path: Path) -> None:
    old = shutil.copytree(made / "head", tmp_path / "old")
    pd.read_csv(old / "split.csv").drop(columns="digest").to_csv(old / "split.csv", index=False)
    heard = Recorder()
    result = go_on(made / "few", old, listener=heard)
    assert result.to_json()["from"]["images"]["same"] == 60
    assert any("known by their names" in note for note in heard.notes)


def test_a_new_class_gets_a_row_of_its_own_and_the_others_keep_theirs(made: Path, more: Path) -> None:
    write_digits(more, {"three": 20})
    result = go_on(more, made / "tuned")
    assert result.classes == ("nought", "one", "three", "two")
    found = result.to_json()["from"]
    assert found["classes"] == {"new": ["three"], "gone": []}
    assert found["compared_on"] < result.images["valid"]  # the earlier run cannot answer three
    assert result.metrics["accuracy"] > 0.5


def test_a_class_without_images_is_dropped_and_told(made: Path, more: Path) -> None:
    shutil.rmtree(more / "two")
    heard = Recorder()
    result = go_on(more, made / "head", listener=heard)
    assert result.classes == ("nought", "one")
    assert result.to_json()["from"]["classes"] == {"new": [], "gone": ["two"]}
    assert any("no image is of two" in warning and "never answer it" in warning for warning in heard.warnings)


def test_new_images_alone_are_warned_of(made: Path, tmp_path: Path) -> None:
    new = write_digits(tmp_path / "new", {"nought": 10, "one": 10, "two": 10}, first=20)
    heard = Recorder()
    result = go_on(new, made / "head", listener=heard)
    assert result.to_json()["from"]["images"] == {"new": 30, "gone": 60, "same": 0, "relabelled": 0}
    assert any("may be forgotten" in warning for warning in heard.warnings)


@pytest.mark.slow
def test_what_was_trained_on_long_ago_is_not_new_when_it_comes_back(made: Path, more: Path, tmp_path: Path) -> None:
    without = shutil.copytree(more, tmp_path / "without")
    for file in without.rglob("again-00*.png"):
        file.unlink()
    second = go_on(without, made / "head")
    third = go_on(more, second.run)
    then, now = read_parts(made / "head"), read_parts(third.run)
    assert {digest: now[digest] for digest in then} == then
    found = third.to_json()["from"]["images"]
    assert (found["new"], found["gone"], found["same"]) == (30, 0, 60)
    heard = Recorder()
    evaluate(more, model=second.run, listener=heard)
    trained = sum(part == "train" for part in then.values()) + 24
    assert any(f"trained on {trained} of these" in warning for warning in heard.warnings)


# --- the comparison ---


def test_before_is_what_the_earlier_run_predicts_of_the_same_images(made: Path, more: Path) -> None:
    result = go_on(more, made / "tuned")
    split = pd.read_csv(result.run / "split.csv")
    valid = split[split["split"] == "valid"]
    pd.DataFrame({"image": [str(more / image) for image in valid["image"]]}).to_csv("valid.csv", index=False)
    told = result.retraining
    assert told is not None
    assert told.before is not None
    assert told.after is not None
    assert told.compared_on == len(valid) == result.images["valid"]
    for run, figures in ((made / "tuned", told.before), (result.run, told.after)):
        table = pd.read_csv(predict("valid.csv", model=run, output=Path(f"{run.name}.csv")).output)
        right = np.mean(table["prediction"].to_numpy() == valid["label"].to_numpy())
        assert figures.metrics["accuracy"] == pytest.approx(right)


@pytest.mark.slow
def test_images_that_the_earlier_run_was_trained_on_are_not_compared_on(made: Path, more: Path, tmp_path: Path) -> None:
    parts = read_parts(made / "head")
    split = pd.read_csv(made / "head" / "split.csv")
    trained = set(split.loc[split["split"] == "train", "image"].tolist()[::8])
    given = tmp_path / "given"
    for file in more.rglob("*.png"):
        known = file.name.removeprefix("again-")
        is_new = not file.name.startswith("again-")
        held_out = f"{file.parent.name}/{known}" in trained or (is_new and int(known[:3]) < 23)
        target = given / ("valid" if held_out else "train") / file.parent.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    heard = Recorder()
    result = go_on(given, made / "head", listener=heard)
    assert parts
    assert result.images["valid"] == len(trained) + 9
    assert result.to_json()["from"]["compared_on"] == 9
    assert any(f"was trained on {len(trained)} of the" in warning for warning in heard.warnings)
    again = go_on(given, made / "head", resplit=True)
    assert not {digest for digest, part in read_parts(again.run).items() if part == "valid"} & {
        digest for digest, part in parts.items() if part == "train"
    }


def test_an_earlier_model_that_is_kept_unchanged_is_warned_of_with_both_figures(made: Path, tmp_path: Path) -> None:
    given = tmp_path / "given"
    shutil.copytree(made / "few", given / "train")
    for name in ("nought", "one", "two"):  # the labels are rotated, so what is learned of them is wrong
        (given / "train" / name).rename(given / "train" / f"was-{name}")
    for name, was in (("one", "nought"), ("two", "one"), ("nought", "two")):
        (given / "train" / f"was-{was}").rename(given / "train" / name)
    write_digits(given / "valid", {"nought": 10, "one": 10, "two": 10}, first=20)
    heard = Recorder()
    result = go_on(given, made / "head", listener=heard)
    then, now = read_tensors(made / "head"), read_tensors(result.run)
    assert all((then[name] == now[name]).all() for name in then)
    said = "the earlier model is kept unchanged: what was learned from the new images is no better on the 30 validation"
    (warning,) = [one for one in heard.warnings if said in one]
    found = result.to_json()
    assert warning in found["warnings"]
    rows = pd.read_csv(result.run / "history.csv")
    learned = rows.loc[rows["stage"] != "head of the earlier run", "accuracy"].max()
    assert found["from"]["kept"] == {
        "metric": "accuracy", "images": 30, "kept": result.metrics["accuracy"], "learned": learned}  # fmt: skip
    assert f"accuracy {learned:.3f} against {result.metrics['accuracy']:.3f}" in warning
    page = (result.run / "report.html").read_text(encoding="utf-8")
    assert page[page.index('id="earlier"') :].count("The earlier model is kept unchanged") == 1
    assert "kept unchanged" in page[: page.index('id="earlier"')]


def test_a_model_that_learned_is_not_called_kept(made: Path, more: Path) -> None:
    result = go_on(more, made / "head", settings=('stage=[{train="head",epochs=4,rate=1e-2}]',))
    assert result.best.stage != "head of the earlier run"
    assert result.to_json()["from"]["kept"] is None
    assert not any("kept unchanged" in warning for warning in result.warnings)


def test_without_an_image_to_validate_on_it_is_refused(made: Path, tmp_path: Path) -> None:
    split = pd.read_csv(made / "head" / "split.csv")
    for image in split.loc[split["split"] == "train", "image"]:
        target = tmp_path / "trained" / image
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made / "few" / image, target)
    with pytest.raises(DataError, match="every image that could validate was trained on by"):
        go_on(tmp_path / "trained", made / "head")


@pytest.mark.slow
def test_images_of_a_known_patient_follow_it(more: Path, random_weights: Callable[[str], Path]) -> None:
    rows = [(str(file), file.parent.name, int(file.stem[-3:]) % 10) for file in sorted(more.rglob("*.png"))]
    table = pd.DataFrame(rows, columns=["image", "label", "patient"]).astype(str)
    early = table[table["image"].str.contains("again-")]
    early.to_csv("early.csv", index=False)
    table.to_csv("late.csv", index=False)
    first = train_first(Path("early.csv"), random_weights("test_resnet"), HEAD, group_by="patient")
    heard = Recorder()
    result = go_on(Path("late.csv"), first.run, listener=heard)  # the groups are the run's choice too
    split = pd.read_csv(result.run / "split.csv", dtype=str)
    assert split.groupby("group")["split"].nunique().max() == 1
    assert read_json(result.run, "plan.json")["values"]["data.group_by"] == {"value": "patient", "origin": "run"}
    table.drop(columns="patient").to_csv("plain.csv", index=False)
    go_on(Path("plain.csv"), first.run, out=Path("plain"), listener=heard)
    assert any("kept groups together" in warning for warning in heard.warnings)


# --- the cache ---


def test_features_of_weights_that_did_not_change_are_found_again(made: Path) -> None:
    assert go_on(made / "few", made / "head").prefix.cached


@pytest.mark.slow
def test_features_of_tuned_weights_are_their_own_and_found_by_the_second_fit(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path / "store"))
    go_on(made / "few", made / "head", settings=(HEAD,))
    first, second = (go_on(made / "few", made / "tuned", settings=(HEAD,)) for _ in range(2))
    assert (first.prefix.cached, second.prefix.cached) == (False, True)
    assert read_json(made / "head", "bundle/bundle.json")["pretrained"]
    assert read_json(made / "tuned", "bundle/bundle.json")["pretrained"] is None


@pytest.mark.slow
def test_only_layers_that_no_run_tuned_tell_unfamiliar_images(made: Path, more: Path) -> None:
    stages = {
        name: read_json(run, "bundle/bundle.json")["familiarity"]["stages"]
        for name, run in (("head", made / "head"), ("tuned", made / "tuned"))
    }
    assert stages["tuned"] < stages["head"]
    for name in ("head", "tuned"):
        run = go_on(more, made / name, settings=(HEAD,)).run
        assert read_json(run, "bundle/bundle.json")["familiarity"]["stages"] == stages[name]
        again = go_on(more, run).run
        assert read_json(again, "bundle/bundle.json")["familiarity"]["stages"] == stages[name]


# --- what is refused ---


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ({"recipe": "natural-small"}, "--from and --recipe contradict each other"),
        ({"weights": Path("w.safetensors")}, "--from and --weights contradict each other"),
        ({"shift": "similar"}, "--from and --shift contradict each other"),
        ({"backbone": "resnet18"}, r'its weights are those of model.backbone = "test_resnet", not "resnet18"'),
        ({"settings": ("model.head.hidden=[8]",)}, r"its weights are those of model.head.hidden"),
        ({"settings": ("model.weights=imagenet",)}, "--from and --set model.weights contradict each other"),
        ({"multi_label": True}, "was trained for 3 classes, and these images have 3 labels"),
    ],
    ids=str,
)
def test_what_contradicts_the_run_is_refused_in_one_line(
    made: Path, how: dict[str, Any], found: str, home: Path
) -> None:
    with pytest.raises(SightXError, match=found) as caught:
        go_on(made / "few", made / "head", out=Path("new"), **how)
    assert caught.value.hint
    assert not (home / "new").exists()


def test_a_run_that_is_none_or_unfinished_or_damaged_is_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"^--from .*nowhere: no such run folder"):
        go_on(made / "few", tmp_path / "nowhere")
    half = shutil.copytree(made / "head", tmp_path / "half")
    (half / "journal.json").write_text("{")
    with pytest.raises(RunError, match="this run is unfinished"):
        go_on(made / "few", half)
    damaged = shutil.copytree(made / "head", tmp_path / "damaged")
    (damaged / "bundle" / "weights.safetensors").write_bytes(b"x")
    with pytest.raises(RunError, match="is not the file that fit wrote"):
        go_on(made / "few", damaged)
    bare = shutil.copytree(made / "head", tmp_path / "bare")
    (bare / "split.csv").unlink()
    shutil.copytree(made / "head" / "bundle", tmp_path / "alone" / "bundle")
    with pytest.raises(RunError, match=r"has no recipe\.toml and plan\.json; a bundle alone cannot"):
        go_on(made / "few", tmp_path / "alone")
    with pytest.raises(RunError, match="nobody knows which images this run was trained on"):
        go_on(made / "few", bare)


def test_the_run_itself_is_not_replaced_by_what_starts_from_it(made: Path) -> None:
    with pytest.raises(UsageError, match="--from and --out both name"):
        go_on(made / "few", made / "head", out=made / "head", overwrite=True)


# --- going on with it ---


class Stopped(BaseException):
    """What ends a fit in the tests: nothing catches it."""


class StopAfter(Recorder):
    """Stops a fit once this many rows of its history are in the journal."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.left = rows

    def epoch(self, row: Mapping[str, float | int | str]) -> None:
        self.left -= 1
        if self.left < 0:
            raise Stopped


@pytest.mark.slow
def test_a_stopped_fit_goes_on_to_what_it_would_have_been(made: Path, more: Path) -> None:
    whole = go_on(more, made / "tuned", out=Path("whole"))
    with pytest.raises(Stopped):
        go_on(more, made / "tuned", out=Path("begun"), listener=StopAfter(4))
    again = fit(resume=Path("begun"))
    assert all((again_one == one).all() for again_one, one in zip(
        read_tensors(again.run).values(), read_tensors(whole.run).values(), strict=True))  # fmt: skip
    assert again.to_json()["from"] == whole.to_json()["from"]


def test_it_does_not_go_on_from_a_run_that_has_changed(made: Path, more: Path, tmp_path: Path) -> None:
    earlier = shutil.copytree(made / "tuned", tmp_path / "earlier")
    with pytest.raises(Stopped):
        go_on(more, earlier, out=Path("begun"), listener=StopAfter(2))
    shutil.rmtree(earlier)
    shutil.copytree(made / "head", earlier)
    with pytest.raises(RunError, match="has other weights than when it was begun"):
        fit(resume=Path("begun"))
    shutil.rmtree(earlier)
    with pytest.raises(RunError, match="no such run folder"):
        fit(resume=Path("begun"))


# --- several labels ---


@pytest.mark.slow
def test_a_run_with_several_labels_goes_on_with_new_ones(more: Path, random_weights: Callable[[str], Path]) -> None:
    def label(file: Path) -> str:
        return ";".join([file.parent.name, *(["odd"] if int(file.stem[-3:]) % 2 else [])])

    files = sorted(more.rglob("*.png"))
    early = [(str(file), label(file)) for file in files if "again" in file.name]
    late = [(name, text + ";late" * (place % 3 == 0)) for place, (name, text) in enumerate(early)]
    late += [(str(file), label(file)) for file in files if "again" not in file.name]
    pd.DataFrame(early, columns=["image", "label"]).to_csv("early.csv", index=False)
    pd.DataFrame(late, columns=["image", "label"]).to_csv("late.csv", index=False)
    first = train_first(Path("early.csv"), random_weights("test_resnet"), HEAD)
    heard = Recorder()
    result = go_on(Path("late.csv"), first.run, listener=heard)
    said = next(one.text for one in heard.notices if one.kind == "multi-label")
    assert said.startswith("as in the run of --from: ")
    found = result.to_json()["from"]
    assert (first.task, result.task) == ("multi-label", "multi-label")
    assert found["classes"] == {"new": ["late"], "gone": []}
    assert found["compared_on"] == result.images["valid"]
    assert found["images"]["relabelled"] == 20


# --- a head with hidden layers, values of more than 8 bits, what was left out ---


@pytest.mark.slow
def test_a_head_with_hidden_layers_goes_on(more: Path, made: Path, random_weights: Callable[[str], Path]) -> None:
    first = train_first(made / "few", random_weights("test_resnet"), HEAD, "model.head.hidden=[8]")
    write_digits(more, {"three": 10})
    result = go_on(more, first.run, rate="auto")
    tensors = read_tensors(result.run)
    assert [name for name in tensors if name.startswith("1.") and tensors[name].shape[0] == 4]


@pytest.mark.slow
def test_what_the_run_left_out_is_recalled(made: Path, more: Path, random_weights: Callable[[str], Path]) -> None:
    Path("out.csv").write_text("image\none/003.png\n")
    first = train_first(made / "few", random_weights("test_resnet"), HEAD, exclude=Path("out.csv"))
    heard = Recorder()
    go_on(more, first.run, listener=heard)
    assert any("left out 1 image by --exclude" in warning for warning in heard.warnings)


@pytest.mark.slow
def test_deep_values_keep_the_range_of_the_run(tmp_path: Path, random_weights: Callable[[str], Path]) -> None:
    def write(folder: str, top: int) -> Path:
        for name, share in (("dark", 0.3), ("bright", 1.0)):
            for place in range(10):
                pixels = np.random.default_rng(place).integers(0, int(top * share), (40, 40)).astype(np.uint16)
                (tmp_path / folder / name).mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(tmp_path / folder / name / f"{place}-{top}.png")
        return tmp_path / folder

    first = train_first(write("deep", 4_000), random_weights("test_resnet"), HEAD)
    write("deep", 30_000)
    then = read_json(first.run, "bundle/bundle.json")["reading"]
    assert read_json(go_on(tmp_path / "deep", first.run).run, "bundle/bundle.json")["reading"] == then
    own = go_on(tmp_path / "deep", first.run, out=Path("own"), settings=("image.range=[0,30000]",)).run
    assert read_json(own, "bundle/bundle.json")["reading"]["asked"] == [0, 30000]
