"""What `sightx serve` stands: many requests in a row and side by side, more than it can answer, and bad ones.

    python benchmarks/serving.py RUN IMAGES [--seconds 60] [--clients 8]

starts a server of its own for the run, sends it the images of a folder, and prints one JSON object: seconds of the
requests as their client sees them, and the server's memory before and after. Clients are threads of this process, which
share the processor with the server, as a browser on the same machine does.
"""

import argparse
import contextlib
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HERE = "127.0.0.1"
OVERLOAD = 20
"""Clients for each of those that are served well."""


class Client:
    """One client with a connection that it keeps, as browsers do."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connection = http.client.HTTPConnection(HERE, port, timeout=60)

    def post(self, body: bytes, path: str = "/predict", kind: str = "image/jpeg") -> tuple[int, dict[str, Any], Any]:
        try:
            self.connection.request("POST", path, body, {"Content-Type": kind})
            reply = self.connection.getresponse()
            content = reply.read()
        except (http.client.HTTPException, ConnectionError):
            self.connection.close()  # refused ones are closed: the next request opens another
            raise
        return reply.status, dict(reply.headers.items()), json.loads(content)


def measure_memory_mb(pid: int) -> dict[str, float]:
    """Read the resident memory of a process and the most it ever had, in MB."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: round(int(lines[key].split()[0]) / 1024, 1) for name, key in (("now", "VmRSS"), ("peak", "VmHWM"))}


def measure_processor_seconds(pid: int) -> float:
    """Read the processor time of a process: what it costs, whatever else this machine does."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def sum_up(seconds: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    found = {"p50_ms": cuts[49], "p95_ms": cuts[94], "p99_ms": cuts[98], "most_ms": max(seconds)}
    return {name: round(1000 * value, 1) for name, value in found.items()}


def send_in_row(port: int, images: Sequence[bytes], count: int) -> dict[str, Any]:
    """One client, one request after the other."""
    client, seconds, statuses = Client(port), [], Counter()
    for number in range(count):
        began = time.perf_counter()
        status, _, _ = client.post(images[number % len(images)])
        seconds.append(time.perf_counter() - began)
        statuses[status] += 1
    return {"requests": count, "statuses": statuses, **sum_up(seconds)}


def send_side_by_side(port: int, images: Sequence[bytes], clients: int, seconds: float) -> dict[str, Any]:
    """Many clients, each one request after the other; one that is told to come back does so."""
    took: list[float] = []
    statuses: Counter[int | str] = Counter()
    waits: list[int] = []
    lock = threading.Lock()
    until = time.monotonic() + seconds

    def work(first: int) -> None:
        client, number = Client(port), first
        while time.monotonic() < until:
            began = time.perf_counter()
            try:
                status, headers, _ = client.post(images[number % len(images)])
            except (http.client.HTTPException, OSError) as error:
                status, headers = type(error).__name__, {}
            spent = time.perf_counter() - began
            with lock:
                statuses[status] += 1
                if status == 200:
                    took.append(spent)
            if status == 429:
                wait = int(headers.get("retry-after", 0))
                waits.append(wait)
                time.sleep(min(wait, max(until - time.monotonic(), 0)))
            number += clients

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(work, range(clients)))
    found = {"clients": clients, "seconds": seconds, "statuses": statuses, "images_per_second": len(took) / seconds}
    return {**found, "retry_after": sorted(set(waits)), **sum_up(took)}


def build_large(side: tuple[int, int], kind: str) -> bytes:
    import numpy as np
    from PIL import Image

    coarse = np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8)
    file = BytesIO()
    Image.fromarray(coarse).resize(side).save(file, kind)
    return file.getvalue()


def send_endless(port: int, announces: bool) -> dict[str, Any]:
    """Send 10 GB: with its length announced, or in chunks without; how much was taken until the answer came."""
    length = "Content-Length: 10737418240" if announces else "Transfer-Encoding: chunked"
    head = f"POST /predict HTTP/1.1\r\nHost: {HERE}:{port}\r\nContent-Type: image/png\r\n{length}\r\n\r\n"
    piece = b"x" * 65536
    piece = piece if announces else b"10000\r\n" + piece + b"\r\n"
    sent, began = 0, time.perf_counter()
    with socket.create_connection((HERE, port), timeout=60) as client:
        client.sendall(head.encode())
        with contextlib.suppress(ConnectionError):
            while sent < 10 * 1024**3:
                client.sendall(piece)
                sent += len(piece)
        answer = b""
        with contextlib.suppress(ConnectionError):
            answer = client.recv(65536)
    return {"answer": answer[:12].decode(), "sent_mb": sent >> 20, "seconds": round(time.perf_counter() - began, 2)}


def send_slowly(port: int, clients: int) -> dict[str, Any]:
    """Clients that open a request and send no more; how long the server holds them, and whether it answers others."""
    heads = (
        b"POST /predict HTTP/1.1\r\nHost: x",
        b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\nx",
    )
    began = time.perf_counter()
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.create_connection((HERE, port), timeout=60)) for _ in range(clients)]
        for number, client in enumerate(held):
            client.sendall(heads[number % 2])
        time.sleep(0.5)
        return_status, _, _ = Client(port).post(b"no image")
        for client in held:
            with contextlib.suppress(ConnectionError):
                while client.recv(4096):
                    pass
    return {"clients": clients, "meanwhile": return_status, "let_go_after_s": round(time.perf_counter() - began, 1)}


def send_bad(port: int, pid: int, image: bytes) -> dict[str, Any]:
    """Send each bad thing, and an ordinary image after it."""

    def say(body: bytes, kind: str = "image/png") -> dict[str, Any]:
        began = time.perf_counter()
        status, _, told = Client(port).post(body, kind=kind)
        first = told.get("images", [told])[0]
        words = str(first.get("error") or first.get("prediction"))
        return {"status": status, "said": words[:120], "seconds": round(time.perf_counter() - began, 2)}

    def name(text: str) -> dict[str, Any]:
        form = f'--b\r\nContent-Disposition: form-data; name="files"; filename="{text}"\r\n\r\n'.encode()
        status, _, told = Client(port).post(form + image + b"\r\n--b--\r\n", kind="multipart/form-data; boundary=b")
        return {"status": status, "name": told["images"][0]["name"]}

    kinds = {
        "no image": lambda: say(b"hello"),
        "empty": lambda: say(b""),
        "truncated": lambda: say(image[: len(image) // 3]),
        "JSON": lambda: say(b"{}", "application/json"),
        "60 megapixels, JPEG": lambda: say(build_large((9480, 6330), "JPEG")),
        "60 megapixels, PNG": lambda: say(build_large((9480, 6330), "PNG")),
        "200 megapixels, PNG": lambda: say(build_large((16000, 12500), "PNG")),
        "path as a name": lambda: name("../../etc/passwd"),
        "script as a name": lambda: name("<script>alert(1)</script>.png"),
        "10 GB announced": lambda: send_endless(port, announces=True),
        "10 GB in chunks": lambda: send_endless(port, announces=False),
        "slow clients": lambda: send_slowly(port, 40),
    }
    found = {}
    for kind, send in kinds.items():
        found[kind] = send()
        status, _, _ = Client(port).post(image)
        found[kind] |= {"then": status, "memory_mb": measure_memory_mb(pid)["now"]}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--only", choices=("speed", "bad"), help="leave the other part out")
    asked = parser.parse_args()
    files = sorted(path for path in asked.images.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    images = [path.read_bytes() for path in files[:200]]
    with tempfile.TemporaryDirectory() as temporary:
        command = [sys.executable, "-m", "sightx_cli", "serve", str(asked.run), "--port", "0", "--json"]
        began = time.perf_counter()
        server = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": temporary}, text=True)
        try:
            port = urlsplit(json.loads(server.stdout.readline())["url"]).port
            found: dict[str, Any] = {"images": len(images), "start_seconds": round(time.perf_counter() - began, 2)}
            found["memory_mb_before"] = measure_memory_mb(server.pid)
            crowd, shorter = OVERLOAD * asked.clients, min(asked.seconds, 20)
            parts = {
                "in_a_row": lambda: send_in_row(port, images, 200),
                "side_by_side": lambda: send_side_by_side(port, images, asked.clients, asked.seconds),
                "overload": lambda: send_side_by_side(port, images, crowd, shorter),
                "after_overload": lambda: send_in_row(port, images, 50),
            }
            for name, send in parts.items() if asked.only != "bad" else ():
                before = measure_processor_seconds(server.pid)
                told = send()
                spent = (measure_processor_seconds(server.pid) - before) / max(told["statuses"][200], 1)
                found[name] = {**told, "processor_ms_an_image": round(1000 * spent, 1)}
                found[name]["memory_mb"] = measure_memory_mb(server.pid)
            if asked.only != "speed":
                found["bad"] = send_bad(port, server.pid, images[0])
            found["memory_mb_after"] = measure_memory_mb(server.pid)
        finally:
            server.send_signal(signal.SIGTERM)
            found["exit_status"] = server.wait(30)
        found["files_left"] = [path.name for path in Path(temporary).rglob("*")]
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
