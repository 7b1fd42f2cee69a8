"""Whose windows grey is scaled by is said, and where files differ in it; and which sides and views there are."""

from __future__ import annotations

from collections.abc import Sequence

from sightx_cli.data.readers import Found
from sightx_cli.data.tags.dicom_notices import DicomTally
from sightx_cli.progress import Notice

SOFT, LUNG = "width 400, level 40", "width 1500, level -600"


def describe_dicom(found: Sequence[Found], can_change: bool = True) -> list[Notice]:
    tally = DicomTally()
    for one in found:
        tally.add(one)
    return tally.list_notices(can_change)


def find(window: str, count: int, *more: tuple[str, str]) -> list[Found]:
    return [Found(tags=(("window", window), *more))] * count


def test_nothing_is_said_where_no_file_has_a_window() -> None:
    assert describe_dicom([Found(), Found(tags=(("PatientID", "p1"),)), *find("none", 2)]) == []


def test_one_window_in_all_is_a_plain_line() -> None:
    (notice,) = describe_dicom([Found(), *find(SOFT, 3)])
    assert notice == Notice("dicom-windows", f"3 DICOM images are scaled by the window in each file ({SOFT})", 3)


def test_different_windows_are_counted_with_what_to_type() -> None:
    (notice,) = describe_dicom(find(SOFT, 3) + find(LUNG, 1))
    assert (
        f"4 DICOM images are scaled by the window in each file: 2 different windows, most often {SOFT} (3)"
        in notice.text
    )
    assert notice.text.endswith("add --set 'image.range=[LOW, HIGH]'")
    assert not notice.warns


def test_windows_in_some_files_only_are_a_warning() -> None:
    (notice,) = describe_dicom(find(SOFT, 3) + find("none", 2))
    assert "; 2 more have no window, so equal values need not look equal" in notice.text
    assert (notice.count, notice.warns) == (3, True)
    (later,) = describe_dicom(find(SOFT, 3) + find("none", 2), can_change=False)
    assert later.text.endswith("equal values need not look equal")


def test_sides_and_views_are_named_where_there_are_several() -> None:
    views = [("ViewPosition", "CC"), ("ViewPosition", "CC"), ("ViewPosition", "MLO")]
    found = [Found(tags=(view, ("Laterality", "L"))) for view in views]
    assert describe_dicom(found) == [
        Notice("dicom-tags", "DICOM tags that may be grouped by: ViewPosition CC 2, MLO 1", 3)
    ]
