"""`sightx serve`, as typed."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from sightx_cli.app import app

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult


def run(*args: str) -> Any:
    return CliRunner().invoke(app, ["serve", *args])


def check_refused(done: Any, words: str, hint: str = "") -> None:
    assert (done.exit_code, done.stdout) == (2, "")
    first, *rest = done.stderr.splitlines()
    assert first.startswith("error: ")
    assert words in first
    assert hint in "\n".join(rest)


def test_a_port_that_is_taken_is_named_with_what_to_type(digits_run: FitResult) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run(str(digits_run.run), "--port", str(port))
    check_refused(done, f"--port {port}: another program listens there", "--port 0")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--port", "70000"], "--port 70000: allowed are 0"),
        (["--port", "-1"], "--port -1: allowed are 0"),
        (["--host", "no.such.name.invalid"], "no such name"),
        (["--host", "192.0.2.1"], "is no address of this machine"),
    ],
)
def test_an_address_that_cannot_be_is_refused(digits_run: FitResult, args: list[str], words: str) -> None:
    check_refused(run(str(digits_run.run), *args), words)


def test_what_is_no_finished_run_is_refused(tmp_path: Path) -> None:
    check_refused(run(str(tmp_path / "nothing")), "no such run folder")
    check_refused(run(str(tmp_path)), "not a finished run")


@pytest.mark.parametrize("name", ["starlette", "uvicorn", "python_multipart"])
def test_a_missing_package_is_named_with_how_to_install_it(
    digits_run: FitResult, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr("sightx_cli.api.serve.find_spec", lambda asked: None if asked == name else find(asked))
    check_refused(run(str(digits_run.run)), name.replace("_", "-"), 'pip install "sightx-cli[serve]"')


def start(*args: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sightx_cli", "serve", *args]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_listens_answers_and_stops_when_told(digits_run: FitResult, number: int) -> None:
    server = start(str(digits_run.run), "--port", "0", "--json")
    assert server.stdout is not None
    told = json.loads(server.stdout.readline())
    assert told.keys() == {"url", "host", "port", "run", "model", "classes", "token"}
    assert (told["host"], told["token"], told["run"]) == ("127.0.0.1", None, str(digits_run.run))
    with urllib.request.urlopen(told["url"] + "health") as reply:
        assert json.loads(reply.read()) == {"status": "ok"}
    server.send_signal(number)
    rest, talk = server.communicate(timeout=20)
    assert (server.returncode, rest) == (0, "")
    assert "stopped after" in talk
    assert "0 images answered" in talk


@pytest.mark.slow
def test_other_machines_get_in_with_the_token_that_is_printed_once(digits_run: FitResult) -> None:
    server = start(str(digits_run.run), "--port", "0", "--host", "0.0.0.0")
    assert server.stdout is not None
    url = server.stdout.readline().split()[1]
    with urllib.request.build_opener(urllib.request.HTTPCookieProcessor()).open(url) as reply:
        assert b"Choose images" in reply.read()
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(url.partition("?")[0])
    server.send_signal(signal.SIGINT)
    rest, talk = server.communicate(timeout=20)
    assert (rest + talk).count(url.partition("token=")[2]) == 0
    assert "other machines reach this server" in talk
