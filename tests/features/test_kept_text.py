from __future__ import annotations

from pathlib import Path

from sightx_cli.features.kept_text import find_text, keep_text
from sightx_cli.features.store import OutputStore


def test_a_text_is_found_again_as_it_was_and_cleared_with_the_store(tmp_path: Path) -> None:
    store, text = OutputStore(tmp_path), "häufig · 猫\n" * 500
    assert find_text(store, "here") is None
    keep_text(store, "here", text, "a text")
    assert find_text(store, "here") == text
    assert find_text(store, "there") is None
    assert [entry.what for entry in store.list_entries()] == ["a text"]
    store.clear()
    assert find_text(store, "here") is None


def test_where_there_is_no_room_no_text_is_kept(tmp_path: Path) -> None:
    store = OutputStore(tmp_path, budget_bytes=10)
    keep_text(store, "here", "a text that is longer than ten bytes", "a text")
    assert find_text(store, "here") is None
