"""`serve`: a page, and a JSON endpoint, that answer with a run's model until they are stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli import runs
from sightx_cli.api.load_model import load_model
from sightx_cli.errors import UsageError
from sightx_cli.progress import Listener, Notice, Silent
from sightx_cli.results.serve import ServeAddress, ServeResult

if TYPE_CHECKING:
    from sightx_cli.serve.server import PageServer

LOCAL, PORT = "127.0.0.1", 8765
LARGEST_PORT = 65_535
PACKAGES = {"starlette": "starlette", "uvicorn": "uvicorn", "python_multipart": "python-multipart"}
"""Of the extra `serve`, by what is imported."""


def serve(
    model: str | Path | None = None,
    *,
    host: str = LOCAL,
    port: int = PORT,
    started: Callable[[ServeAddress, PageServer], None] | None = None,
    listener: Listener | None = None,
) -> ServeResult:
    """Serve a run's model, the newest by default, until Ctrl-C, SIGTERM, or `stop` of the server given to `started`.

    `started` is told where once the model is loaded and the port is open; any free port is taken for 0. Another host
    than this machine alone is served with a token, which is part of the address. Images stay in memory, and no name
    is written down. Raises SightXError for anything wrong in the input.
    """
    listener = listener or Silent()
    check_packages()
    if not 0 <= port <= LARGEST_PORT:
        raise UsageError(f"--port {port}: allowed are 0, any free one, to {LARGEST_PORT}", "--port 0")
    from sightx_cli.serve.access import Access, is_loopback, make_token
    from sightx_cli.serve.application import Service
    from sightx_cli.serve.gate_keeper import GateKeeper
    from sightx_cli.serve.heatmap_drawer import HeatmapDrawer
    from sightx_cli.serve.limits import choose_limits
    from sightx_cli.serve.model_facts import gather_model_facts
    from sightx_cli.serve.server import PageServer, open_socket, write_url

    run = runs.find_run(model)
    limits = choose_limits()
    with closing(open_socket(host, port)) as listening:
        port = int(listening.getsockname()[1])
        loaded = load_model(run)
        facts, notices = gather_model_facts(run, loaded.facts, limits)
        token = None if is_loopback(host) else make_token()
        if token is not None:
            notices.append(_warn_of_network(host))
        for notice in notices:
            listener.notice(notice)
        address = ServeAddress(write_url(host, port, token), host, port, run, loaded.classes, token)
        drawer = HeatmapDrawer(run, loaded.facts, limits.waiting_heatmaps)
        service = Service(loaded, drawer, facts, limits)
        began = time.perf_counter()
        with closing(service):
            service.warm_up()
            report = _report_to(listener)
            keeper = GateKeeper(service.build_router(), Access(host, port, token), service.served, report)
            server = PageServer(keeper, listening, limits)
            if started is not None:
                started(address, server)
            server.run()
    done = service.served
    seconds = round(time.perf_counter() - began, 3)
    return ServeResult(address, done.images, done.unreadable, dict(done.refused), seconds)


def check_packages() -> None:
    """Raise UsageError where a package of the extra `serve` is not installed."""
    missing = [package for name, package in PACKAGES.items() if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"serve needs {', '.join(missing)}, not installed here", 'type pip install "sightx-cli[serve]"'
        )


def _warn_of_network(host: str) -> Notice:
    text = (
        f"with --host {host} other machines reach this server, by the token in its address; what they send is not "
        "encrypted, so use it in a network that you trust, or leave --host out and reach it by ssh -L"
    )
    return Notice("open-to-network", text, warns=True)


def _report_to(listener: Listener) -> Callable[[Exception], None]:
    def report(error: Exception) -> None:
        frame = error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        where = f"{Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}" if frame else "an unknown place"
        listener.warn(f"a request was not answered: a bug in SightX, {type(error).__name__} at {where}")

    return report
