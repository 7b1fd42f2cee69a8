"""Other sites' pages never get an answer, other machines only with the token."""

from __future__ import annotations

import pytest

from sightx_cli.serve.access import Access, is_loopback, make_token
from sightx_cli.serve.refusals import Refusal

LOCAL = Access("127.0.0.1", 8765)
OPEN = Access("0.0.0.0", 8765, "secret")


def check(access: Access, method: str = "GET", path: str = "/", query: str = "", **headers: str) -> int:
    """The status of a request's refusal; 0 where it is let through."""
    named = {name.replace("_", "-"): value for name, value in {"host": "127.0.0.1:8765", **headers}.items()}
    try:
        access.check(method, path, named, query)
    except Refusal as refusal:
        return refusal.status
    return 0


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:8765", "LOCALHOST:8765", "[::1]:8765", "localhost"])
def test_this_machine_is_called_by_its_own_names(host: str) -> None:
    assert check(LOCAL, host=host) == 0


@pytest.mark.parametrize(
    "host",
    [*("evil.example:8765", "localhost.evil.example:8765", "127.0.0.1.evil.example", "127.0.0.1:80"),
     *("192.168.0.2:8765", "", ":8765", "[::1", "user@127.0.0.1:8765", "127.0.0.1:8765/x", "127.0.0.1:x")],
)  # fmt: skip
def test_a_name_made_to_point_here_is_refused(host: str) -> None:
    assert check(LOCAL, host=host) == 421


@pytest.mark.parametrize(
    "sent",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://localhost:8765"},  # another origin than the page's own, 127.0.0.1
        {"origin": "http://["},  # what no browser sends
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
def test_a_page_of_another_site_cannot_send_images(sent: dict[str, str]) -> None:
    assert check(LOCAL, "POST", "/predict", **sent) == 403
    assert check(OPEN, "POST", "/predict", authorization="Bearer secret", **sent) == 403


@pytest.mark.parametrize("sent", [{}, {"origin": "http://127.0.0.1:8765"}, {"sec_fetch_site": "same-origin"}])
def test_the_page_itself_and_programs_can(sent: dict[str, str]) -> None:
    assert check(LOCAL, "POST", "/predict", **sent) == 0


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("", {"authorization": "Bearer secret"}),
        ("", {"authorization": "bearer secret"}),
        ("token=secret", {}),
        ("", {"cookie": "other=1; sightx_8765=secret"}),
    ],
)
def test_the_token_opens_a_server_for_other_machines(query: str, sent: dict[str, str]) -> None:
    assert check(OPEN, query=query, host="192.168.0.2:8765", **sent) == 0


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("", {}),
        ("token=", {}),
        ("token=Secret", {}),
        ("", {"authorization": "Basic secret"}),
        ("", {"authorization": "Bearer sécret"}),
        ("", {"cookie": "sightx_8766=secret"}),
        ("", {"cookie": 'sightx_8765="; bad'}),
    ],
)
def test_without_the_token_nothing_is_answered_but_that_it_runs(query: str, sent: dict[str, str]) -> None:
    assert check(OPEN, query=query, **sent) == 401
    assert check(OPEN, "POST", "/predict", query=query, **sent) == 401
    assert check(OPEN, path="/health", query=query, **sent) == 0


def test_a_server_for_other_machines_still_refuses_names_that_are_not_its_own() -> None:
    assert check(OPEN, host="evil.example", authorization="Bearer secret") == 421
    assert check(Access("sightx.lan", 80, "secret"), host="sightx.lan", authorization="Bearer secret") == 0


@pytest.mark.parametrize(
    ("host", "is_own"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("::", False),
     ("192.168.0.2", False), ("localhost.evil.example", False)],
)  # fmt: skip
def test_only_this_machine_reaches_a_loopback_address(host: str, is_own: bool) -> None:
    assert is_loopback(host) == is_own


def test_no_token_comes_twice() -> None:
    assert len({make_token() for _ in range(10)}) == 10
    assert len(make_token()) >= 43
