"""The README's Python runs as it stands there, and what the Markdown files name exists."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
LINK = re.compile(r"\[[^\]]*\]\(([^()\s]+)\)")


def write_images(folder: Path, count: int, colour: tuple[int, int, int], seed: int) -> None:
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    for number in range(count):
        pixels = np.clip(random.normal(colour, 40, (48, 48, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")


def test_the_python_in_the_readme_fits_predicts_and_asks_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 2
    assert len(blocks[0].split("\n\n")[-1].strip().splitlines()) <= 5
    write_images(tmp_path / "scans/leaf", 10, (40, 160, 60), 1)
    write_images(tmp_path / "scans/soil", 10, (150, 90, 40), 2)
    write_images(tmp_path / "new", 3, (40, 160, 60), 3)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path / "cache"))

    exec(compile(blocks[0], "README.md", "exec"), {})
    accuracy, counts = capsys.readouterr().out.strip().splitlines()
    (tmp_path / "new" / "cut off.png").write_bytes((tmp_path / "new" / "0.png").read_bytes()[:-90])
    exec(compile(blocks[1], "README.md", "exec"), {})
    answer, *_ = said = capsys.readouterr().out.strip().splitlines()

    assert re.fullmatch(r"(0\.\d+|1\.0) in .*runs.*natural-small.*", accuracy)
    assert "leaf" in counts
    assert re.fullmatch(r"(leaf|soil) (0\.\d+|1\.0) (sure|unsure|unfamiliar)?", answer)
    assert any(re.fullmatch(r"unreadable: images\[\d\]: is truncated.*", line) for line in said)
    assert len((tmp_path / "predictions.csv").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    "file",
    ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", *(f"{folder}/*.md" for folder in ("data", "docs", "benchmarks"))],
)
def test_every_relative_link_of_the_markdown_files_leads_to_a_file(file: str) -> None:
    pages = sorted(ROOT.glob(file))
    assert pages
    links = [(page, link) for page in pages for link in LINK.findall(page.read_text(encoding="utf-8"))]
    near = [(page, link.partition("#")[0]) for page, link in links if "://" not in link and not link.startswith("#")]
    assert [f"{page.relative_to(ROOT)}: {link}" for page, link in near if not (page.parent / link).exists()] == []


def test_the_table_of_extras_has_each_of_them() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    listed = re.findall(r"^\| `([\w-]+)` \|", (ROOT / "docs/install.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(extras)
