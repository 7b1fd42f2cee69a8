"""How work is followed: plain lines in a log, bars at a terminal, warnings alone with --quiet."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys

import pytest

from sightx_cli.console import ConsoleListener, listener
from sightx_cli.console.epochs import describe_task
from sightx_cli.console.plan import fold_rows
from sightx_cli.recipe.stage_titles import describe_stage

EPOCH = {"stage": "1 of 2: head", "epoch": 1, "epochs": 3, "train_loss": 0.5, "valid_loss": 0.25, "seconds": 4.2}
PLAN = ("natural-small", [("size", "224 px", "recipe"), ("seed", "3", "option")], "243 images. They are few.")
WORDS = [("trains", "the head for 5 epochs"), ("why", "243 images are few")]


def work(followed: ConsoleListener) -> None:
    followed.note("a note")
    followed.warn("a warning")
    followed.show_plan(*PLAN)
    followed.start("reading images", 4, "images")
    followed.advance("reading images", 4)
    followed.finish("reading images")
    followed.epoch(EPOCH | {"metric": "roc_auc", "value": 0.9})


def test_all_talk_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with ConsoleListener() as followed:
        work(followed)
    found = capsys.readouterr()
    assert found.out == ""
    assert "a note\nwarning: a warning\n" in found.err


def test_quiet_leaves_only_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    with ConsoleListener(quiet=True) as followed:
        work(followed)
    assert capsys.readouterr().err == "warning: a warning\n"


def test_the_plan_is_told_in_words_and_says_how_to_see_every_value(capsys: pytest.CaptureFixture[str]) -> None:
    ConsoleListener().show_plan(*PLAN, WORDS)
    found = capsys.readouterr().err
    assert re.search(r"trains +the head for 5 epochs", found)
    assert re.search(r"why +243 images are few", found)
    assert "--explain" in found
    assert "224 px" not in found


def test_explained_the_plan_shows_each_value_with_its_origin_and_every_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ConsoleListener(explain=True).show_plan(*PLAN, WORDS)
    found = capsys.readouterr().err
    assert re.search(r"trains +the head for 5 epochs", found)
    assert "243 images. They are few.\n" in found
    assert re.search(r"size +224 px +recipe", found)
    assert re.search(r"seed +3 +option", found)


def test_the_plan_has_one_row_for_each_section_and_origin() -> None:
    rows = [
        ("image.size_px", "384", "option"),
        ("image.fit", "pad", "recipe"),
        ("image.profile", "medical", "recipe"),
        ("stage.0.train", "head", "recipe"),
        ("stage.0.rate", "0.002", "recipe"),
        ("seed", "3", "option"),
    ]
    assert fold_rows(rows) == [
        ("image", "fit pad, profile medical", "recipe"),
        ("image", "size_px 384", "option"),
        ("stage 0", "train head, rate 0.002", "recipe"),
        ("seed", "3", "option"),
    ]


def test_a_log_gets_no_line_for_short_work(capsys: pytest.CaptureFixture[str]) -> None:
    with ConsoleListener() as followed:
        followed.start("reading images", 4, "images")
        followed.advance("reading images", 4)
        followed.finish("reading images")
    assert capsys.readouterr().err == ""


def test_a_log_gets_a_line_when_long_work_ends(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "PATIENCE_SECONDS", 0.0)
    with ConsoleListener() as followed:
        followed.start("reading images", 1200, "images")
        followed.advance("reading images", 1200)
        followed.finish("reading images")
    assert re.fullmatch(r"reading images: 1,200 images in 0\.\d\d s\n", capsys.readouterr().err)


def test_a_log_hears_of_long_work_while_it_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "LOG_EVERY_SECONDS", 0.0)
    with ConsoleListener() as followed:
        followed.start("training", 300, "batches")
        followed.advance("training", 20, {"loss": 0.31})
    assert capsys.readouterr().err == "training: 20 of 300 batches, loss 0.3100\n"


def test_epochs_stand_in_aligned_columns_under_one_head(capsys: pytest.CaptureFixture[str]) -> None:
    followed = ConsoleListener()
    for epoch in (1, 2):
        followed.epoch(EPOCH | {"epoch": epoch, "roc_auc": 0.9, "best": "yes" if epoch == 2 else ""})
    title, head, *rows = capsys.readouterr().err.strip().splitlines()
    assert title == "stage 1 of 2: head"
    assert head.split() == ["epoch", "train", "loss", "valid", "loss", "ROC", "AUC", "time", "best"]
    assert [row.split() for row in rows] == [
        ["1/3", "0.5000", "0.2500", "0.9000", "4.2", "s"],
        ["2/3", "0.5000", "0.2500", "0.9000", "4.2", "s", "★"],
    ]
    assert head.index("time") + 4 == rows[0].index(" s") + 2


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "roc_auc", "quadratic_kappa", "loss"])
def test_a_line_of_epochs_fits_80_columns(capsys: pytest.CaptureFixture[str], metric: str) -> None:
    figures = {"accuracy": 0.9, "balanced_accuracy": 0.8, "roc_auc": 0.7, "quadratic_kappa": 0.6}
    ConsoleListener().epoch(EPOCH | figures | {"epochs": 100, "metric": metric, "best": "yes", "seconds": 599.0})
    lines = capsys.readouterr().err.splitlines()
    assert max(map(len, lines)) < 80
    assert metric == "loss" or f"{figures[metric]:.4f}" in lines[-1]


def test_another_stage_has_a_head_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    followed = ConsoleListener()
    followed.epoch(EPOCH)
    followed.epoch(EPOCH | {"stage": "2 of 2: last:3"})
    assert capsys.readouterr().err.count("train loss") == 2


def test_work_that_was_never_begun_is_ignored(capsys: pytest.CaptureFixture[str]) -> None:
    followed = ConsoleListener()
    followed.advance("nothing")
    followed.finish("nothing")
    assert capsys.readouterr().err == ""


def test_a_reader_of_stderr_who_left_does_not_end_the_work() -> None:
    code = (
        "from sightx_cli.startup.streams import settle_streams; settle_streams()\n"
        "import time; time.sleep(0.3); from sightx_cli.console import ConsoleListener as C\n"
        "with C() as f:\n    [f.note('x' * 999) for _ in range(99)]\nprint('done')"
    )
    whole = f'exec 3>&1; "{sys.executable}" -c "$CODE" 2>&1 >&3 | true; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", whole], env=os.environ | {"CODE": code}, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "done\n")


def run_at_terminal(code: str) -> str:
    """What a program shows on a terminal of 100 columns, control sequences included."""
    master, slave = pty.openpty()
    env = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
    running = subprocess.Popen([sys.executable, "-c", code], stdout=slave, stderr=slave, stdin=slave, env=env)
    os.close(slave)
    shown = b""
    while select.select([master], [], [], 20)[0]:
        try:
            piece = os.read(master, 65536)
        except OSError:  # Linux says so when the other side has closed
            break
        if not piece:
            break
        shown += piece
    assert running.wait(20) == 0
    os.close(master)
    return shown.decode()


BAR = """
import time
from sightx_cli.console import ConsoleListener, listener
from sightx_cli.console.plan import fold_rows
listener.PATIENCE_SECONDS = {patience}
with ConsoleListener() as followed:
    followed.start("reading images", 5216, "images")
    for _ in range(8):
        time.sleep(0.05)
        followed.advance("reading images", 652, {{"loss": 0.31}})
    followed.finish("reading images")
"""


def test_a_terminal_shows_a_bar_with_count_unit_and_figures() -> None:
    shown = run_at_terminal(BAR.format(patience=0.1))
    assert re.search(r"[\d,]+/5,216 images", shown)
    assert "loss 0.3100" in shown
    assert "━" in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1  # the cursor comes back


def test_a_terminal_shows_no_bar_for_short_work() -> None:
    assert "images" not in run_at_terminal(BAR.format(patience=2.0))


def test_a_terminal_breaks_a_warning_between_words() -> None:
    code = "from sightx_cli.console import ConsoleListener as C\nwith C() as f:\n    f.warn('unbroken ' * 40)"
    lines = re.sub(r"\x1b\[[\d;?]*\w", "", run_at_terminal(code)).splitlines()
    assert max(map(len, lines)) <= 100
    assert set(" ".join(lines).split()) == {"warning:", "unbroken"}


@pytest.mark.parametrize(
    ("title", "has_epochs", "shown"),
    [
        ("last:2", True, "stage: last 2 stages and head"),
        ("last:1", True, "stage: last stage and head"),
        ("last-blocks:3", True, "stage: last 3 blocks and head"),
        ("last:50%", True, "stage: last 50% of the layers and head"),
        ("2 of 2: last:2", True, "stage 2 of 2: last 2 stages and head"),
        ("all", True, "stage: the whole network"),
        ("two-blocks", True, "stage: two-blocks"),
        ("solved head", False, "linear head, fitted directly (starting point)"),
    ],
)
def test_a_stage_is_called_by_what_it_trains(title: str, has_epochs: bool, shown: str) -> None:
    assert describe_stage(title, has_epochs) == shown


def test_a_task_of_a_stage_is_called_by_what_it_trains() -> None:
    assert describe_task("stage last:2") == "stage: last 2 stages and head"
    assert describe_task("checking the files") == "checking the files"


def test_one_of_something_is_no_plural() -> None:
    assert listener.Progress(1, "pairs", done=1).describe() == "1 pair"
    assert listener.Progress(None, "images", done=2).describe() == "2 images"
    assert listener.Progress(5, "images", done=1).describe() == "1 of 5 images"
