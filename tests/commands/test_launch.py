"""`sightx fit --launch torchrun`: several processes make the run that one makes, and end together."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from sightx_cli import runs
from sightx_cli.errors import TrainingError, UsageError
from sightx_cli.journal.journal import read_journal
from sightx_cli.progress import Recorder
from sightx_cli.steps.launch import is_launching, plan_launch, read_failures
from sightx_cli.steps.option import list_options
from sightx_cli.steps.options import Options

TWO = ("--launch", "torchrun", "--processes", "2")
BATCH = ("--set", "training.batch=7")
"""57 images: eight batches of 7, shared as 4 and 3, and a last one of a single image."""


@pytest.fixture(scope="module")
def small(digits: Path, random_weights: Callable[[str], Path]) -> list[str]:
    """A fit in seconds that trains the last stage of a small network."""
    weights = str(random_weights("test_resnet"))
    options = ["--recipe", "natural-small", "--backbone", "test_resnet", "--weights", weights, "--full", "--no-probe"]
    settings = ["--set", "image.size_px=32", "--set", "stage.0.train=last:1", "--set", "stage.0.epochs=2"]
    return [str(digits), *options, *settings, "--engine", "torch", "--folds", "0"]


def start(home: Path, *words: str, **variables: str) -> subprocess.Popen[str]:
    """Start `sightx fit` in a folder."""
    command = [sys.executable, "-m", "sightx_cli", "fit", *words]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=home, env={**os.environ, **variables}, **pipes)


def run(home: Path, *words: str, **variables: str) -> tuple[int, str, str]:
    """Run `sightx fit` in a folder; its exit status, stdout and stderr."""
    process = start(home, *words, **variables)
    told, said = process.communicate()
    return process.returncode, told, said


def read_history(folder: Path) -> list[dict[str, str]]:
    with (folder / runs.HISTORY).open() as file:
        return list(csv.DictReader(file))


def read_weights(folder: Path) -> dict[str, Any]:
    return load_file(folder / runs.BUNDLE / "weights.safetensors")


def assert_same_run(one: Path, other: Path) -> None:
    """The same epochs to the same losses and weights, but for the rounding of steps in bfloat16."""
    for mine, yours in zip(read_history(one), read_history(other), strict=True):
        assert (mine["stage"], mine["epoch"]) == (yours["stage"], yours["epoch"])
        for name in ("train_loss", "valid_loss"):
            assert float(mine[name]) == pytest.approx(float(yours[name]), rel=0.02, abs=0.002, nan_ok=True)
    weights = read_weights(other)
    for name, tensor in read_weights(one).items():
        np.testing.assert_allclose(tensor, weights[name], atol=2e-3, err_msg=name)


# --- the same as one ---


def test_two_processes_make_one_run_with_the_same_weights_in_both(small: list[str], tmp_path: Path) -> None:
    status, told, said = run(tmp_path, *small, *BATCH, *TWO, "--out", "run", "--json")
    assert status == 0, said
    answer = json.loads(told)  # one object, by the first process alone
    assert (answer["run"], answer["images"]) == (str(tmp_path / "run"), {"train": 57, "valid": 15})
    assert "2 processes on 1 machine" in said
    assert said.count("linear head, fitted directly") == 1
    assert not [one for one in answer["notices"] if one["kind"] == "processes"]  # it would tell of other weights
    assert [row["epoch"] for row in read_history(tmp_path / "run")] == ["0", "1", "2"]
    assert not runs.is_unfinished(tmp_path / "run")
    assert len(read_weights(tmp_path / "run"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        (),
        ("--no-cache", "--set", "training.batch=16"),
        ("--set", "stage.0.epochs=3", "--set", 'stage.0.join=[{train="last:2",after=1,rate=1e-4}]'),
        ("--recipe", "natural-medium", "--set", "stage.1.epochs=1"),
        ("--set", "training.weight_average=0.9", "--set", "training.class_weights=balanced", "--rate", "auto"),
    ],
    ids=["uneven batches", "images", "a group that joins", "two stages", "averaged, weighed, at a found rate"],
)
def test_two_processes_take_the_steps_of_one(small: list[str], tmp_path: Path, more: tuple[str, ...]) -> None:
    for name, launched in (("one", ()), ("two", TWO)):
        status, _, said = run(tmp_path, *small, *BATCH, *more, *launched, "--out", name)
        assert status == 0, said
    assert_same_run(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
def test_more_processes_than_rows_of_a_batch_take_the_steps_of_one(small: list[str], tmp_path: Path) -> None:
    for name, launched in (("one", ()), ("three", ("--launch", "torchrun", "--processes", "3"))):
        status, _, said = run(tmp_path, *small, "--set", "training.batch=2", *launched, "--out", name)
        assert status == 0, said
    assert_same_run(tmp_path / "one", tmp_path / "three")


@pytest.mark.slow
def test_images_with_several_labels_are_learned_from_as_by_one(small: list[str], digits: Path, tmp_path: Path) -> None:
    rows = [
        f"{file},{file.parent.name}{';odd' * (number % 3 == 0)}" for number, file in enumerate(digits.rglob("*.png"))
    ]
    (tmp_path / "labels.csv").write_text("\n".join(["image,label", *rows]))
    for name, launched in (("one", ()), ("two", TWO)):
        status, _, said = run(tmp_path, "labels.csv", *small[1:], *BATCH, *launched, "--out", name)
        assert status == 0, said
    assert_same_run(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
def test_two_processes_start_from_a_run_as_one_does(small: list[str], tmp_path: Path) -> None:
    assert run(tmp_path, *small, *BATCH, "--out", "earlier")[0] == 0
    for name, launched in (("one", ()), ("two", TWO)):
        status, _, said = run(tmp_path, small[0], "--from", "earlier", "--engine", "torch", *launched, "--out", name)
        assert status == 0, said
    assert_same_run(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
def test_two_launchers_that_meet_train_as_two_machines_do(small: list[str], tmp_path: Path) -> None:
    meeting = ("--launch", "torchrun", "--processes", "1", "--nodes", "2", "--rendezvous", "localhost:29731")
    both = [start(tmp_path, *small, *BATCH, *meeting, "--out", "run", "--json") for _ in range(2)]
    ended = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    assert sorted(bool(told) for told, _ in ended) == [False, True]  # the first process answers, for both
    assert "2 processes on 2 machines" in "".join(said for _, said in ended)


@pytest.mark.slow
def test_a_fit_joins_the_processes_that_torchrun_itself_started(small: list[str], tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(
        "import os, sys, sightx_cli\n"
        "result = sightx_cli.fit(sys.argv[1], recipe='natural-small', backbone='test_resnet', weights=sys.argv[2],\n"
        "    settings=['image.size_px=32'], engine='torch', probe=False, folds=0, out='run')\n"
        "print(os.environ['RANK'], os.environ['WORLD_SIZE'], result.run)\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", str(script)]
    weights = small[small.index("--weights") + 1]
    done = subprocess.run([*command, small[0], weights], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [f"{rank} 2 {tmp_path / 'run'}" for rank in (0, 1)]


# --- what ends it ---


def list_ranks(launcher: int) -> dict[int, int]:
    """The processes of a launcher by their rank."""
    ranks = {}
    for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
        environment = Path(f"/proc/{child}/environ").read_bytes().decode().split("\0")
        ranks |= {int(one.removeprefix("RANK=")): int(child) for one in environment if one.startswith("RANK=")}
    return ranks


@contextmanager
def training(home: Path, small: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A long fit in two processes, in its third epoch."""
    process = start(home, *small, *BATCH, *TWO, "--set", "stage.0.epochs=500", "--out", "run")
    assert process.stderr is not None
    lines = []
    while not re.match(r"\s+3/500", (line := process.stderr.readline())):
        lines.append(line)
        assert line, lines
    try:
        yield process
    finally:
        process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_all_in_seconds_and_any_number_go_on(small: list[str], tmp_path: Path, rank: int) -> None:
    with training(tmp_path, small) as process:
        killed = list_ranks(process.pid)
        os.kill(killed[rank], signal.SIGKILL)
        began = time.monotonic()
        _, said = process.communicate()
        assert time.monotonic() - began < 15
    assert process.returncode == 2
    assert said.count("error:") == 1
    assert f"process {rank} was ended by SIGKILL" in said
    assert ("--resume run --launch torchrun --processes 2 goes on" in said) == (rank == 1)
    assert not [pid for pid in killed.values() if Path(f"/proc/{pid}").exists()]
    kept = read_journal(tmp_path / "run")[0]["points"][-1]["epoch"]
    for count, launched in ((1, ()), (3, ("--launch", "torchrun", "--processes", "3"))):
        words = ("--resume", "run", "--out", f"with {count}", *launched)
        going = start(tmp_path, *words)
        assert going.stderr is not None
        while not re.match(rf"\s+{kept + 2}/500", (line := going.stderr.readline())):
            assert line
        going.send_signal(signal.SIGINT)
        going.communicate()
        assert going.returncode == 130
        assert read_journal(tmp_path / f"with {count}")[0]["points"][-1]["epoch"] > kept


@pytest.mark.slow
def test_a_fit_that_is_interrupted_goes_on_in_another_number_to_the_run_of_one(
    small: list[str], tmp_path: Path
) -> None:
    epochs = (*small, *BATCH, "--set", "stage.0.epochs=5")
    process = start(tmp_path, *epochs, *TWO, "--out", "two")
    assert process.stderr is not None
    while not re.match(r"\s+1/5", (line := process.stderr.readline())):
        assert line
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert said.count("stopped: up to ") == 1
    assert run(tmp_path, "--resume", "two")[0] == 0
    assert run(tmp_path, *epochs, "--out", "one")[0] == 0
    assert_same_run(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
def test_processes_end_with_a_launcher_that_is_killed(small: list[str], tmp_path: Path) -> None:
    with training(tmp_path, small) as process:
        ranks = list_ranks(process.pid)
        process.kill()
        process.communicate()
    until = time.monotonic() + 15
    while any(Path(f"/proc/{pid}").exists() for pid in ranks.values()) and time.monotonic() < until:
        time.sleep(0.1)
    assert not [pid for pid in ranks.values() if Path(f"/proc/{pid}").exists()]
    assert read_journal(tmp_path / "run")[0]["points"]


@pytest.mark.slow
def test_a_wrong_input_is_said_once_by_the_first_process(small: list[str], tmp_path: Path) -> None:
    status, told, said = run(tmp_path, str(tmp_path / "nothing"), *small[1:], *TWO)
    assert (status, told) == (2, "")
    assert said.count("error:") == 1


@pytest.mark.slow
def test_a_loss_that_is_not_finite_ends_training_in_all_at_once(small: list[str], tmp_path: Path) -> None:
    status, _, said = run(tmp_path, *small, *BATCH, "--rate", "1e12", *TWO, "--out", "run")
    assert status == 2
    assert said.count("the loss is no longer finite") == 1
    assert "the run is finished from the best epoch so far" in said
    assert (tmp_path / "run" / runs.BUNDLE).is_dir()


# --- what is asked for and cannot be ---


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("given", "said", "typed"),
    [
        ({}, "there is no GPU here", "--launch torchrun --processes"),
        ({"processes": 2, "nodes": 2}, "--nodes 2 needs --rendezvous", "--rendezvous node1:29500"),
        ({"processes": 2, "rendezvous": "a:1"}, "--rendezvous needs --nodes", "--nodes 2 --rendezvous a:1"),
        ({"processes": 2, "device": "cuda"}, "--device cuda: this machine has cpu", "leave --device out"),
    ],
    ids=["no number", "no place", "no machines", "no such device"],
)
@pytest.mark.usefixtures("alone")
def test_what_cannot_be_started_is_said_with_what_to_type(given: dict[str, Any], said: str, typed: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)) as caught:
        plan_launch(Options("scans", launch="torchrun", **given), Recorder())
    assert typed in caught.value.hint


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"processes": 0}, "--processes 0: allowed are whole numbers from 1 on"),
        ({"nodes": True}, "--nodes True: allowed are whole numbers from 1 on"),
        ({"launch": "mpi"}, "--launch is 'mpi': allowed are torchrun"),
        ({"rendezvous": "node1"}, "--rendezvous node1: allowed is the name of a machine with a port"),
        ({"rendezvous": "node1:99999"}, "--rendezvous node1:99999: allowed"),
    ],
)
def test_a_value_that_means_nothing_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        Options("scans", **given)


@pytest.mark.parametrize("name", ["processes", "nodes", "rendezvous"])
@pytest.mark.usefixtures("alone")
def test_an_option_of_the_launcher_without_it_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"--{name} needs --launch torchrun"):
        is_launching(Options("scans", **{name: "a:1" if name == "rendezvous" else 2}))


@pytest.mark.usefixtures("alone")
def test_more_processes_than_processors_are_started_and_said() -> None:
    heard = Recorder()
    assert plan_launch(Options("scans", launch="torchrun", processes=10_000), heard).processes == 10_000
    assert re.search(r"10000 processes share \d+ processors?", heard.warnings[0])


@pytest.mark.usefixtures("alone")
def test_without_accelerate_the_line_that_installs_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sightx_cli.processes.find_spec", lambda _: None)
    with pytest.raises(UsageError, match="needs accelerate") as caught:
        plan_launch(Options("scans", launch="torchrun", processes=2), Recorder())
    assert caught.value.hint == 'type pip install "sightx-cli[launch]"'


@pytest.mark.usefixtures("alone")
def test_python_code_is_told_to_be_started_by_torchrun_itself() -> None:
    from sightx_cli import fit

    with pytest.raises(UsageError, match="a script is started in them by torchrun itself"):
        fit("scans", launch="torchrun", processes=2)


def test_what_ended_first_gives_the_status() -> None:
    assert read_failures([(0, 75), (1, 1)]) == 1  # the first heard of the second's end
    assert read_failures([(0, 2), (1, 75)]) == 2
    assert read_failures([(0, 2), (1, -signal.SIGTERM)]) == 2
    assert read_failures([(0, 75)]) == 2
    with pytest.raises(TrainingError, match="process 1 was ended by SIGSEGV: all have ended"):
        read_failures([(0, 75), (1, -signal.SIGSEGV)])


# --- as the documentation says ---

DOCUMENT = Path(__file__).parents[2] / "docs" / "scale.md"


def list_commands() -> list[list[str]]:
    text = DOCUMENT.read_text(encoding="utf-8").replace("\\\n", " ")
    found = re.findall(r"^\s+(?:srun(?: --\S+)* )?sightx fit ([^#\n]+)", text, re.MULTILINE)
    return [shlex.split(words) for words in found]


def test_the_commands_of_the_documentation_have_options_of_fit() -> None:
    known = {one.flag for one in list_options(Options, "fit")}
    commands = list_commands()
    assert len(commands) >= 4
    for words in commands:
        assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.slow
def test_the_command_of_the_documentation_for_no_gpus_runs_as_it_stands(
    small: list[str], digits: Path, tmp_path: Path
) -> None:
    command = next(words for words in list_commands() if "cpu" in words)
    (tmp_path / "scans").symlink_to(digits)
    status, _, said = run(tmp_path, *command, *small[1:])
    assert status == 0, said
    assert "2 processes on 1 machine" in said
