"""Which numbers a page shows, and whether metrics.json holds each: what every test of a report asks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

NUMBER = re.compile(r"(?<![\w.#-])\d[\d,]*(?:\.\d+)?(?:e-?\d+)?")
AXIS = re.compile(r"-(x|y)tick_\d+$")
"""Labels along an axis are its scale, not figures."""


class ShownText(HTMLParser):
    """Collects the text of a page, and its data attributes, but for style, script and the scales of axes."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._open: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("meta", "img", "br", "link", "path", "use"):
            return
        named = dict(attrs)
        hidden = tag in ("style", "script") or bool(AXIS.search(named.get("id") or ""))
        self._open.append(hidden or (bool(self._open) and self._open[-1]))
        self.texts += [value or "" for name, value in attrs if name.startswith("data-") and not self._open[-1]]

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("meta", "img", "br", "link", "path", "use"):
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if not any(self._open[-1:]):
            self.texts.append(data)


def list_values(content: Any) -> Iterator[float | str]:
    """All numbers and texts of a JSON, keys among them."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield key
            yield from list_values(value)
    elif isinstance(content, list):
        for value in content:
            yield from list_values(value)
    elif isinstance(content, bool) or content is None:
        return
    else:
        yield content


def find_strange_numbers(page: str, content: str) -> list[str]:
    """The numbers of a page that its metrics.json holds neither, rounded as shown, nor within one of its texts."""
    parser = ShownText()
    parser.feed(page)
    values = list(list_values(json.loads(content)))
    texts = {found.replace(",", "") for text in values if isinstance(text, str) for found in NUMBER.findall(text)}
    numbers = [float(value) for value in values if not isinstance(value, str)]
    rounded = {places: {f"{abs(value):.{places}f}" for value in numbers} for places in range(5)}
    whole = {f"{abs(value):.0f}" for value in numbers if value == int(value)}
    strange = []
    for text in parser.texts:
        for shown in NUMBER.findall(text):
            plain = shown.replace(",", "").rstrip(".")
            places = len(plain.partition(".")[2])
            known = rounded.get(places, set()) if places else whole
            if plain not in known and plain not in texts:
                strange.append(f"{shown} in {text.strip()!r:.80}")
    return strange
