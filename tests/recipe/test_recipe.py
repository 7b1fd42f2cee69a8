"""A recipe file: strict, with every fault at once, and the same after being written and read."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from sightx_cli.errors import RecipeError
from sightx_cli.recipe.files import find_folder, find_recipe_file, load_table
from sightx_cli.recipe.overrides import apply_overrides
from sightx_cli.recipe.profiles import PROFILES
from sightx_cli.recipe.recipe import load_recipe, parse_recipe, recipe_to_toml

MEDIUM = find_folder() / "medical-medium.toml"
WHOLE = MEDIUM.read_text(encoding="utf-8")


def faults_of(*settings, without=()):
    """The faults of medical-medium after `key=value` settings, and without some dotted keys."""
    table = apply_overrides(load_table(MEDIUM), settings)
    for key in without:
        *path, last = key.split(".")
        part = table
        for step in path:
            part = part[int(step) if step.isdigit() else step]
        del part[last]
    with pytest.raises(RecipeError) as caught:
        parse_recipe(table, "mine.toml")
    return caught.value.faults or (caught.value.message,)


# ---- reading


def test_a_file_gives_the_values_that_stand_in_it():
    recipe = load_recipe(MEDIUM)
    assert recipe.when.images == (1_000, 50_000)
    assert recipe.model.head.taps == "all"
    assert recipe.model.head.hidden == ()
    assert [stage.title for stage in recipe.stage] == ["head", "last:2"]
    assert recipe.stage[0].rate == 3e-4
    assert recipe.training.early_stop is None
    assert recipe.ordered is None


def test_no_upper_end_of_a_band_is_inf_in_the_file():
    assert load_recipe(find_folder() / "medical-huge.toml").when.images == (500_000, None)


def test_a_stage_is_called_by_its_name_or_else_by_what_it_trains():
    table = apply_overrides(load_table(MEDIUM), ["stage.1.name=deep", 'stage.0.train=["blocks.6", "conv_head"]'])
    assert [stage.title for stage in parse_recipe(table, "mine.toml").stage] == ["blocks.6, conv_head", "deep"]


def test_a_recipe_cannot_be_changed():
    with pytest.raises(ValidationError):
        load_recipe(MEDIUM).image.size_px = 512


def test_a_byte_order_mark_is_read_over(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(WHOLE, encoding="utf-8-sig")
    assert load_recipe(file) == load_recipe(MEDIUM)


@pytest.mark.parametrize("text", ["name =\n", "just words", 'a = 1\na = 2\n[x\n"'])
def test_what_is_no_toml_is_refused_with_the_line(tmp_path, text):
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=r"mine.toml: found invalid TOML \(.*line \d"):
        load_recipe(file)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_bytes(b"\xff\xd8\xff\xe0 a picture")
    with pytest.raises(RecipeError, match="found text that is not UTF-8"):
        load_recipe(file)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(tmp_path / "nowhere.toml")


# ---- faults


def test_every_fault_is_reported_at_once_with_file_key_found_and_allowed():
    faults = faults_of(
        "image.size_px=0",
        "training.metric=roc",
        'stage.0.epochs="three"',
        "stage.1.rate=-1",
        "training.schedule=one-cycle",
        "training.warmup_epochs=2",
        without=["model.backbone"],
    )
    assert len(faults) == 6
    assert all(fault.startswith("mine.toml: ") and "found" in fault and "allowed: " in fault for fault in faults)
    text = "\n".join(faults)
    assert "mine.toml: image.size_px: found 0; allowed: a whole number from 32 to 2,048" in text
    assert 'mine.toml: stage.0.epochs: found "three"; allowed: a whole number from 1 to 10,000' in text
    assert "mine.toml: model.backbone: found nothing" in text


def test_one_fault_is_the_message_itself():
    table = apply_overrides(load_table(MEDIUM), ["image.size_px=0"])
    with pytest.raises(RecipeError) as caught:
        parse_recipe(table, "mine.toml")
    assert caught.value.message == "mine.toml: image.size_px: found 0; allowed: a whole number from 32 to 2,048"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("before", "mistyped", "nearest"),
    [
        ("size_px =", "sizepx =", "image.size_px"),
        ("epochs", "epoch", "stage.0.epochs"),
        ("backbone =", "back_bone =", "model.backbone"),
        ("class_weights", "class-weights", "training.class_weights"),
        ("[training]", "[trainning]", "training"),
        ("dropout", "drop", "model.head.dropout"),
    ],
)
def test_a_mistyped_key_is_reported_once_with_the_nearest_right_name(before, mistyped, nearest):
    with pytest.raises(RecipeError) as caught:
        parse_recipe(tomllib.loads(WHOLE.replace(before, mistyped, 1)), "mine.toml")
    (fault,) = caught.value.faults or (caught.value.message,)
    assert f'did you mean "{nearest}"?' in fault
    assert "found the unknown key" in fault


def test_a_right_key_in_the_wrong_table_is_sent_to_its_own():
    (fault,) = (fault for fault in faults_without_check({"size_px": 384}) if "unknown" in fault)
    assert 'did you mean "image.size_px"?' in fault


def faults_without_check(extra):
    with pytest.raises(RecipeError) as caught:
        parse_recipe({**load_table(MEDIUM), **extra}, "mine.toml")
    return caught.value.faults or (caught.value.message,)


@pytest.mark.parametrize(
    ("setting", "share"),
    [
        ("training.label_smoothing=10%", "0.1"),
        ("model.head.dropout=20", "0.2"),
        ("training.weight_average=99,9%", "0.999"),
    ],
)
def test_a_percentage_in_place_of_a_share_is_reported_with_the_share(setting, share):
    (fault,) = faults_of(setting)
    assert f'allowed: a number from 0 to below 1; did you mean "{share}"?' in fault


@pytest.mark.parametrize(
    ("setting", "nearest"),
    [("image.fit=padd", "pad"), ("image.profile=retna", "retina"), ("training.optimizer=adamW2", "adamw")],
)
def test_a_mistyped_choice_is_reported_with_the_nearest_right_one(setting, nearest):
    (fault,) = faults_of(setting)
    assert f'did you mean "{nearest}"?' in fault


@pytest.mark.parametrize(
    "setting",
    [
        "name=a/b",
        "name=''",
        "summary=' '",
        "ordered=1",
        "ordered=yes",
        "when.images=1000",
        "when.images=[1000]",
        "when.images=[1000, 1000]",
        "when.images=[-1, 1000]",
        "when.images=[0.5, 1000]",
        "when.shift=near",
        "model.backbone=''",
        "model.weights=random",
        "model.head.pool=max",
        "model.head.taps=last:0",
        "model.head.taps=first",
        "model.head.hidden=512",
        "model.head.hidden=[0]",
        "model.head.dropout=1",
        "model.head.dropout=-0.1",
        "image.size_px=31",
        "image.size_px=2049",
        "image.size_px=224.0",
        "image.size_px=true",
        "image.profile=3",
        "stage=[]",
        "stage.0.train=last",
        "stage.0.train=last:0",
        "stage.0.train=last:0%",
        "stage.0.train=last:101%",
        "stage.0.train=[]",
        "stage.0.train=['a', 'a']",
        "stage.0.train=['a', '']",
        "stage.0.epochs=0",
        "stage.0.epochs=10001",
        "stage.0.rate=0",
        "stage.0.rate=nan",
        "stage.0.rate={head=1e-3, decay=2}",
        "stage.0.rate={head=1e-3, blocks=1e-4}",
        "stage.0.name='0'",
        "stage.0.rate={'0-60%'=1e-5, '50-100%'=1e-4, head=1e-3}",
        "stage.0.rate={'60-50%'=1e-5, head=1e-3}",
        "stage.0.rate={'50-101%'=1e-5, head=1e-3}",
        "stage.0.rate={'50%'=1e-5, head=1e-3}",
        "stage.0.rate={'0-100%'=1e-5, layer4=1e-4, head=1e-3}",
        "model.grey=luminance",
        "training.views=0",
        "training.class_weights=auto",
        "training.weight_decay=nan",
        "training.weight_decay=-0.1",
        "training.clip=0",
        "training.label_smoothing=1",
        "training.batch=0",
        "training.early_stop=0",
        "training.weight_average=1",
        "training.weight_average=-0.1",
        "training.schedule=linear",
        "training.warmup_epochs=-1",
    ],
)
def test_a_value_that_is_not_allowed_is_one_fault_at_its_key(setting):
    (fault,) = faults_of(setting)
    assert fault.startswith(f"mine.toml: {setting.partition('=')[0]}")


@pytest.mark.parametrize("train", ["head", "last:1", "last:12", "last-blocks:3", "last:50%", "last:12.5%", "all"])
def test_what_a_stage_may_train(train):
    table = apply_overrides(load_table(MEDIUM), [f"stage.1.train={train}", "stage.1.rate=1e-4"])
    assert parse_recipe(table, "mine.toml").stage[1].train == train


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (["model.head.pool=flatten"], "model.head.pool"),
        (["training.metric=quadratic_kappa", "ordered=false"], "training.metric"),
        (["training.schedule=flat", "training.warmup_epochs=1"], "training.warmup_epochs"),
        (["stage.1.epochs=3", "training.warmup_epochs=2"], "stage.0.epochs"),
        (["stage.0.name=a", "stage.1.name=a"], "stage.1.name"),
        (["model.weights=scratch", "stage.0.train=all"], "stage.1.train"),
        (["stage.0.train=scratch"], "model.weights"),
        (["stage.1.train=scratch"], "stage.1.train"),
        (["stage.1.train=all", "stage.1.rate={'0-25%'=1e-5, '50-100%'=1e-4, head=1e-3}"], "stage.1.rate"),
        (["stage.0.rate={'0-100%'=1e-5, head=1e-3}"], "stage.0.rate"),
        (["stage.0.join=[{after=2, train='last:1', rate=1e-4}]"], "stage.0.join.0.after"),
        (["stage.1.train=all", "stage.1.join=[{after=1, train='last:1', rate=1e-4}]"], "stage.1.join"),
        (["stage.1.join=[{after=1, train='head', rate=1e-4}]"], "stage.1.join.0.train"),
        (["stage.1.join=[{after=1, train='last:3', rate={head=1e-3, backbone=1e-4}}]"], "stage.1.join.0.rate"),
        (
            [
                "stage.1.epochs=3",
                "stage.1.join=[{after=2, train='last:3', rate=1e-4}, {after=2, train='last:4', rate=1e-4}]",
            ],
            "stage.1.join.1.after",
        ),
        (
            [
                "training.schedule=cosine",
                "training.warmup_epochs=1",
                "stage.1.epochs=3",
                "stage.1.join=[{after=2, train='last:3', rate=1e-4}]",
            ],
            "stage.1.join.0.after",
        ),
    ],
)
def test_values_that_do_not_go_together_are_a_fault(settings, key):
    (fault,) = faults_of(*settings)
    assert fault.startswith(f"mine.toml: {key}: found ")


def test_a_stage_from_scratch_needs_no_word_on_the_weights():
    table = load_table(MEDIUM)
    del table["model"]["weights"]
    table["stage"] = [{"train": "scratch", "epochs": 5, "rate": 1e-3}, {"train": "all", "epochs": 1, "rate": 1e-4}]
    recipe = parse_recipe(table, "mine.toml")
    assert recipe.model.weights == "scratch"
    assert parse_recipe(tomllib.loads(recipe_to_toml(recipe)), "copy.toml") == recipe


def test_what_joins_within_a_stage_is_read_and_changed_by_its_number():
    table = apply_overrides(
        load_table(MEDIUM),
        ["stage.1.epochs=3", "stage.1.join=[{after=1, train='last:3', rate=1e-5}]", "stage.1.join.0.after=2"],
    )
    (join,) = parse_recipe(table, "mine.toml").stage[1].join
    assert (join.after, join.train, join.rate) == (2, "last:3", 1e-5)
    with pytest.raises(RecipeError, match=r'stage\.1\.join\.1: found nothing there; allowed: "0"'):
        apply_overrides(table, ["stage.1.join.1.after=2"])
    with pytest.raises(RecipeError, match="nothing joins in this stage"):
        apply_overrides(table, ["stage.0.join.0.after=2"])


def test_the_plan_shows_what_joins_value_by_value():
    from sightx_cli.recipe.plan import build_plan

    table = apply_overrides(load_table(MEDIUM), ["stage.1.join=[{after=1, train='last:3', rate=1e-5}]"])
    values = build_plan(parse_recipe(table, "mine.toml"), "mine.toml", ["stage.1.join"], {}, "").values
    assert (values["stage.1.join.0.train"].value, values["stage.1.join.0.train"].origin) == ("last:3", "option")


def test_a_value_given_as_an_option_is_not_blamed_on_the_file():
    table = apply_overrides(load_table(MEDIUM), ["image.size_px=0"])
    with pytest.raises(RecipeError, match=r"^--set: image.size_px: found 0"):
        parse_recipe(table, "mine.toml", overridden=["image.size_px"])


@given(
    table=some.recursive(
        some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
        lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(), inner, max_size=3),
    ).flatmap(
        lambda junk: some.dictionaries(
            some.sampled_from(["name", "when", "model", "image", "stage", "training", "ordered", "x"]), some.just(junk)
        )
    )
)
def test_whatever_a_table_holds_it_is_refused_with_a_recipe_error(table):
    with pytest.raises(RecipeError):
        parse_recipe(table, "mine.toml")


# ---- the round trip

rates = some.floats(1e-8, 10.0)
names = some.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name not in ("head", "decay"))
stages = some.fixed_dictionaries(
    {
        "train": some.sampled_from(["last:2", "last-blocks:3", "last:25%", "all"])
        | some.lists(names, min_size=1, unique=True),
        "epochs": some.integers(4, 10_000),
        "rate": rates
        | some.tuples(rates, rates).map(sorted)
        | some.fixed_dictionaries({"head": rates, "backbone": rates})
        | some.fixed_dictionaries({"head": rates, "decay": some.floats(0.01, 1.0)})
        | some.dictionaries(names, rates, min_size=1),
    }
)
tables = some.fixed_dictionaries(
    {
        "name": some.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True),
        "summary": some.text(min_size=1).filter(str.strip),
        "when": some.fixed_dictionaries(
            {
                "images": some.tuples(
                    some.integers(0, 10**6), some.integers(10**6 + 1, 10**9) | some.just(float("inf"))
                ),
                "shift": some.sampled_from(["similar", "different"]),
            }
        ),
        "model": some.fixed_dictionaries(
            {"backbone": names},
            optional={
                "head": some.fixed_dictionaries(
                    {}, optional={"hidden": some.lists(some.integers(1, 65_536)), "dropout": some.floats(0, 0.99)}
                )
            },
        ),
        "image": some.fixed_dictionaries(
            {
                "size_px": some.integers(32, 2048),
                "fit": some.sampled_from(["crop", "pad", "squash"]),
                "profile": some.sampled_from(sorted(PROFILES)),
            }
        ),
        "stage": some.lists(stages, min_size=1, max_size=4),
        "training": some.fixed_dictionaries(
            {"metric": some.sampled_from(["accuracy", "loss", "roc_auc"])},
            optional={
                "clip": some.floats(1e-3, 1e3),
                "early_stop": some.integers(1, 100),
                "weight_decay": some.floats(0, 1),
                "weight_average": some.floats(0, 1, exclude_max=True),
                "schedule": some.sampled_from(["one-cycle", "cosine", "flat"]),
            },
        ),
    },
    optional={"ordered": some.booleans(), "explanation": some.text()},
)


@given(table=tables)
def test_a_recipe_written_and_read_again_is_the_same_recipe(table):
    recipe = parse_recipe(table, "mine.toml")
    assert parse_recipe(tomllib.loads(recipe_to_toml(recipe)), "copy.toml") == recipe


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = " + "[" * 100_000, "nested too deep"),
        ("a = " + "9" * 5_000, "limit"),
        ("a = 0x" + "f" * 5_000, "an integer has more than 64 bits"),
        ("a = [{b = -99999999999999999999}]", "an integer has more than 64 bits"),
    ],
)
def test_toml_that_python_cannot_hold_is_refused_by_its_file(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(RecipeError, match=rf"mine\.toml: found invalid TOML \(.*{words}"):
        load_table(tmp_path / "mine.toml")


@pytest.mark.parametrize("value", ["9" * 5_000, "0x" + "f" * 5_000, "[" * 100_000, "9" * 400, "last:" + "9" * 5_000])
@pytest.mark.parametrize("key", ["image.size_px", "stage.0.rate", "stage.0.train", "when.images", "model.head.taps"])
def test_a_setting_that_python_cannot_hold_is_a_fault(key: str, value: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(apply_overrides(load_table(MEDIUM), [f"{key}={value}"]), "mine.toml", [key])
    assert key in caught.value.message


def test_a_recipe_that_is_a_pipe_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "mine.toml")
    with pytest.raises(RecipeError, match="found a named pipe, not a file"):
        find_recipe_file(tmp_path / "mine.toml")
    with pytest.raises(RecipeError, match="a named pipe, not a file"):
        load_table(tmp_path / "mine.toml")


def test_of_many_faults_the_hint_says_what_lists_them_all() -> None:
    table = {**load_table(MEDIUM), **{f"key{number}": number for number in range(5_000)}}
    with pytest.raises(RecipeError) as caught:
        parse_recipe(table, "my recipe.toml")
    assert len(caught.value.faults) == 5_000
    assert caught.value.hint == "sightx recipes check 'my recipe.toml' --json lists all faults"
