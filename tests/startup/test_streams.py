"""Whatever became of stdin, stdout and stderr, the work is done, and nobody sees a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = "from sightx_cli.app import main; main()"
BUFFERINGS = pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])


def call(words: str, redirected: str, unbuffered: str = "") -> subprocess.CompletedProcess[str]:
    """Run `sightx` in bash, redirected; the exit status is its own, not that of who reads its output."""
    line = f'set -o pipefail; "{sys.executable}" -c "{RUN}" {words} {redirected}'
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, env=environment)


@pytest.mark.slow
@BUFFERINGS
@pytest.mark.parametrize("redirected", [">&-", "2>&-", "<&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full"])
@pytest.mark.parametrize(("words", "status"), [("recipes list", 0), ("recipes copy natural-small no/no.toml", 2)])
def test_without_a_stream_the_status_is_the_same(words: str, status: int, redirected: str, unbuffered: str) -> None:
    done = call(words, redirected, unbuffered)
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert ("natural-small" in done.stdout) == (status == 0 and ">&-" not in redirected.replace("2>&-", ""))


@BUFFERINGS
@pytest.mark.parametrize("words", ["recipes list", "recipes show natural-small", "--help", "cache list --json"])
def test_a_reader_who_left_ends_the_talk_with_141_and_no_word(words: str, unbuffered: str) -> None:
    done = call(words, "| true", unbuffered)
    assert done.returncode == 141
    assert "error" not in done.stderr


@BUFFERINGS
@pytest.mark.parametrize("words", ["recipes list", "recipes show natural-small", "--version"])
def test_a_full_disk_under_stdout_is_said(words: str, unbuffered: str) -> None:
    done = call(words, ">/dev/full", unbuffered)
    assert done.returncode == 2
    assert "o space left on" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_the_work_opens_never_gets_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    done = call(f"recipes copy natural-small {tmp_path / 'mine.toml'}", "<&- >&- 2>&-")
    assert done.returncode == 0
    assert (tmp_path / "mine.toml").read_text().startswith("name")
