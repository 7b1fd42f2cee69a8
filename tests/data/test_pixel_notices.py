"""What is said of the pixels: once, with the number of files, and what to type."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from sightx_cli.data.checks import Unreadable, check_files, describe_reasons
from sightx_cli.data.pixel_notices import describe_pixels
from sightx_cli.data.readers import AS_IS, Found, Reading, Remark, Values
from sightx_cli.data.sources import load_manifest
from sightx_cli.progress import Notice, Silent

SET = Reading(ranges=(("whole numbers", 100.0, 4000.0),))


def describe(found: list[Found], reading: Reading = AS_IS, unreadable: tuple[Unreadable, ...] = ()) -> list[Notice]:
    return describe_pixels([f"a/{number}.png" for number in range(len(found))], found, unreadable, reading)


def deep(low: float, high: float) -> Found:
    return Found(values=(Values("whole numbers", low, high),))


def test_ordinary_images_are_passed_over_in_silence() -> None:
    assert describe([Found()] * 5, SET) == []


@pytest.mark.parametrize(
    ("pages", "words", "warns"),
    [
        ((4, 4, 4), "3 files hold 4 pages or frames each, of which only the first is read", True),
        ((2, 7, 1), "2 files hold 2 to 7 pages or frames", True),
        ((3, 1, 1), "1 file holds 3 pages or frames, of which", False),
    ],
)
def test_pages_that_are_not_read_are_counted(pages: tuple[int, ...], words: str, warns: bool) -> None:
    (notice,) = describe([Found(pages=count) for count in pages])
    assert (notice.kind, notice.count, notice.warns) == ("pages", sum(count > 1 for count in pages), warns)
    assert notice.text.startswith(words)
    assert "--set image.page=2" in notice.text


def test_a_page_that_was_asked_for_is_no_notice() -> None:
    assert describe([Found(pages=4)] * 3, Reading(page=2)) == []


def test_equal_remarks_are_one_notice_with_their_count() -> None:
    remark = Remark("alpha", "transparent parts, laid over white")
    loud = Remark("bands", "a fourth band", "--set image.bands=[4]", warns=True)
    first, second = describe([Found(remarks=(remark,)), Found(remarks=(remark, loud)), Found()])
    assert first == Notice("alpha", "2 files have transparent parts, laid over white, such as a/0.png", 2)
    text = "1 file has a fourth band, such as a/1.png: --set image.bands=[4]"
    assert second == Notice("bands", text, 1, warns=True)


def test_the_one_range_is_said_with_how_to_change_it() -> None:
    (notice,) = describe([deep(100, 3900)] * 4, SET)
    assert (notice.kind, notice.count, notice.warns) == ("range", 4, False)
    assert "one range for all images, measured on the training images: 100 to 4,000" in notice.text
    assert "--set image.range=file" in notice.text
    (mixed,) = describe([deep(100, 3900), Found()], SET)
    assert "the 1 of 2 images with more than 8 bits" in mixed.text


def test_images_beyond_the_range_are_counted() -> None:
    _, beyond = describe([deep(100, 3900), deep(100, 9000)], SET)
    assert (beyond.kind, beyond.count) == ("beyond-range", 1)
    assert beyond.text.startswith(
        "1 image reaches beyond the range of the training images and is cut there, such as a/1"
    )


def test_images_that_the_range_is_not_for_are_warned_of() -> None:
    other = Found(values=(Values("fractions", 0.0, 1.0),))
    _, alone = describe([deep(100, 3900), other], SET)
    assert (alone.kind, alone.count, alone.warns) == ("range-of-its-own", 1, True)


def test_a_range_that_changes_nothing_is_said() -> None:
    (notice,) = describe([Found()] * 3, Reading(asked=(0.0, 80.0)))
    assert notice.warns
    assert "image.range changes nothing" in notice.text


def test_blank_images_are_a_warning_where_they_are_most() -> None:
    (few,) = describe([Found(blank=True), *[Found()] * 9])
    assert (few.kind, few.count, few.warns) == ("blank", 1, False)
    (most,) = describe([*[Found(blank=True)] * 9, Found()])
    assert most.text.startswith("9 of 10 images are of one colour after reading, such as a/0.png")
    assert most.warns


def test_blank_images_of_stacks_name_the_page() -> None:
    *_, blank = describe([Found(pages=4, blank=True)] * 3)
    assert "--set image.page=2" in blank.text


def test_files_that_cannot_be_read_are_one_warning_by_reason() -> None:
    bad = tuple(Unreadable(f"b/{number}.jpg", "is a HEIC photograph named .jpg", "install it") for number in range(3))
    bad += (Unreadable("c/1.jpg", "is empty (0 bytes)"),)
    (notice,) = describe([Found()] * 6, unreadable=bad)
    assert (notice.kind, notice.count, notice.warns) == ("unreadable", 4, True)
    assert notice.text == (
        "left out 4 of 10 images, which cannot be read: b/0.jpg is a HEIC photograph named .jpg (and 2 more like it); "
        "c/1.jpg is empty (0 bytes). Of b/0.jpg and files like it: install it"
    )


def test_advice_that_is_for_one_kind_of_bad_file_names_it() -> None:
    pdf = Unreadable("scan.jpg", "is a PDF document named .jpg", "save its pages as PNG, and try again")
    others = [Unreadable("a.jpg", "is empty (0 bytes)", "copy it again"), Unreadable("b.jpg", "is a video", "cut it")]
    assert describe_reasons([pdf])[1] == "save its pages as PNG, and try again"
    assert describe_reasons([pdf, *others])[1] == "of scan.jpg: save its pages as PNG, and try again"
    alike = Unreadable("c.jpg", "is a fax", "save its pages as PNG, and try again")
    assert describe_reasons([pdf, alike])[1] == "save its pages as PNG, and try again"


def test_reasons_that_differ_in_numbers_only_are_one() -> None:
    bad = [
        Unreadable(f"{n}.png", f"has {n},000,000 pixels; at most 128,000,000 are read", "cut it") for n in (130, 900)
    ]
    text, hint = describe_reasons(bad)
    assert (text.count("pixels"), hint) == (1, "cut it")
    assert "(and 1 more like it)" in text


def test_files_that_a_table_names_and_that_do_not_exist_are_not_told_of_twice(tmp_path: Path) -> None:
    names = []
    for number in range(4):
        Image.new("RGB", (8, 8), (number * 40, 90, 10)).save(tmp_path / f"{number}.png")
        names.append(f"{number}.png")
    rows = [f"{name},{'ab'[place % 2]}" for place, name in enumerate([*names, "gone.png"])]
    (tmp_path / "t.csv").write_text("\n".join(["image,label", *rows]) + "\n")
    manifest = load_manifest(tmp_path / "t.csv")
    checked = check_files(manifest.frame, Silent(), threads=1)
    assert len(checked.unreadable) == 1
    told = (checked.frame["image"], checked.found, checked.unreadable, AS_IS)
    assert not [one for one in describe_pixels(*told, manifest.notices) if one.kind == "unreadable"]
    assert next(one.kind for one in describe_pixels(*told)) == "unreadable"  # of a folder, nothing else tells of it
    (tmp_path / "3.png").write_bytes(b"%PDF-1.4")
    checked = check_files(manifest.frame, Silent(), threads=1)
    found = describe_pixels(checked.frame["image"], checked.found, checked.unreadable, AS_IS, manifest.notices)
    (notice,) = [one for one in found if one.kind == "unreadable"]
    assert notice.text.startswith("left out 1 of 4 images, which cannot be read: 3.png is a PDF document named .png")
