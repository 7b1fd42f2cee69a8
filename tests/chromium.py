"""A real browser for tests of pages, driven through its DevTools pipe: nothing to install beside Chromium."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SECONDS = 120.0
AS_THREE_AND_FOUR = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""
"""Starts a program whose commands come in by file 3 and whose answers go out by file 4, as Chromium's pipe."""


def find_chromium() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Tab:
    """One page: what is typed and read in it, and what it told of errors and asked of others."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._numbers, self._rest, self._session = itertools.count(1), b"", ""
        self.errors: list[str] = []
        self.requests: list[str] = []

    def open(self, url: str, width: int = 1200, is_dark: bool = False) -> None:
        """Open an address in a new tab, in place of the one before."""
        if self._session:
            self.send("Page.close")
            self._session = ""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.send(f"{domain}.enable")
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.send("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            told = self._receive(until)
            if told.get("id") == number:
                assert "error" not in told, told["error"]
                return dict(told["result"])
        raise TimeoutError(method)

    def evaluate(self, expression: str) -> Any:
        """Return what an expression gives in the page, a promise's outcome too."""
        told = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until an expression is true in the page."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            if self.evaluate(f"Boolean({expression})"):
                return
            time.sleep(0.05)
        raise TimeoutError(expression)

    def give_files(self, selector: str, *files: Path) -> None:
        """Choose files in an input."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", files=[str(file) for file in files], nodeId=node)

    def press(self, key: str) -> None:
        """Press and release a key."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}
        text = {"text": "\r"} if key == "Enter" else {"text": " "} if key == " " else {}
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=codes[key], **text)

    def list_names(self) -> list[tuple[str, str]]:
        """List what a screen reader is given: the role and the name of every part of the page."""
        nodes = self.send("Accessibility.getFullAXTree")["nodes"]
        shown = [node for node in nodes if not node.get("ignored")]
        return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in shown]

    def save_picture(self, file: Path) -> None:
        """Save how the whole page looks."""
        told = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(told["data"]))

    def _receive(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            assert select.select([self._reading], [], [], max(until - time.monotonic(), 0))[0], "the browser is silent"
            more = os.read(self._reading, 1 << 20)
            assert more, "the browser has gone"
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\0")
        told: dict[str, Any] = json.loads(line)
        content = told.get("params", {})
        if told.get("method") == "Network.requestWillBeSent":
            self.requests.append(content["request"]["url"])
        elif told.get("method") == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(content["exceptionDetails"]))
        elif told.get("method") == "Log.entryAdded" and content["entry"]["level"] == "error":
            self.errors.append(content["entry"]["text"] + " " + content["entry"].get("url", ""))
        elif told.get("method") == "Runtime.consoleAPICalled" and content["type"] == "error":
            self.errors.append(json.dumps(content["args"]))
        return told


@contextlib.contextmanager
def browsing(profile: Path) -> Iterator[Tab]:
    """Start a browser whose profile lies in a folder, and end it with the block."""
    to_browser, from_browser = os.pipe(), os.pipe()
    flags = ("headless=new", "no-sandbox", "remote-debugging-pipe", f"user-data-dir={profile}", "no-first-run")
    flags += ("disable-gpu", "disable-dev-shm-usage", "disable-background-networking")
    flags += ("use-fake-device-for-media-stream", "use-fake-ui-for-media-stream")
    command = [find_chromium() or "chromium", *(f"--{flag}" for flag in flags), "about:blank"]
    ends = to_browser[0], from_browser[1]
    browser = subprocess.Popen(
        [sys.executable, "-c", AS_THREE_AND_FOUR, *map(str, ends), *command],
        pass_fds=ends,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_browser[0])
    os.close(from_browser[1])
    try:
        yield Tab(from_browser[0], to_browser[1])
    finally:
        os.close(to_browser[1])
        os.close(from_browser[0])
        browser.terminate()
        browser.wait(20)
