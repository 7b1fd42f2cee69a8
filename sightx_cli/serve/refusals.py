"""Why a request is not answered, as HTTP says it: a status, a sentence, and when to come back."""

from __future__ import annotations

from collections.abc import Mapping

RETRY = "Retry-After"


class Refusal(Exception):  # noqa: N818 (named for what it tells)
    """A request that gets no answer; the words never repeat a name that the client sent."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status, self.text, self.headers = status, text, dict(headers or {})


def build_busy(seconds: float) -> Refusal:
    """Build the refusal of a request that comes when there is no room left; `seconds` until there should be some."""
    wait = min(max(round(seconds + 0.5), 1), 60)
    return Refusal(429, f"busy: too many images are waiting; send it again in {wait} s", {RETRY: str(wait)})
