"""What the report says of a run beside its figures, read from the files of the run."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sightx_cli.data.splits import write_split
from sightx_cli.report.report_facts import build_flow, count_parts, gather_run_facts

FORMULA = '=HYPERLINK("x")'


def test_a_class_that_looks_like_a_formula_is_counted_under_its_own_name(tmp_path: Path) -> None:
    frame = pd.DataFrame({"image": ["a.png", "b.png"], "label": [FORMULA, "-x"], "split": "train", "group": ""})
    write_split(frame, tmp_path / "split.csv")
    assert gather_run_facts(tmp_path)["parts"]["train"]["classes"] == {FORMULA: 1, "-x": 1}


def test_each_of_several_labels_is_counted_by_itself() -> None:
    rows = [{"split": "train", "label": label} for label in ("a", "a;b", "", "b;c")]
    assert count_parts(rows, ";")["train"] == {"images": 4, "groups": 0, "classes": {"a": 2, "b": 2, "c": 1}}


def test_a_file_that_does_not_exist_is_counted_once_and_reasons_are_whole() -> None:
    errors = ["cannot be read: No such file or directory"] * 2 + ["is not a readable image (it holds text: 'a' …)"]
    told = [{"kind": "missing-files", "count": 2}]
    flow = build_flow(4, errors, told)
    assert (flow["found"], flow["used"], flow["left_out"]) == (7, 4, {})
    assert flow["unreadable"] == {"there is no such file": 2, "is not a readable image": 1}


def test_a_run_whose_list_of_images_is_damaged_has_a_report_without_it(tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_bytes(b"image\xff\xfe,\n")
    assert gather_run_facts(tmp_path)["parts"] == {}
