"""WebDataset shards are read in place, and whatever of them cannot be used is counted and named."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from sightx_cli.data.checks import check_files
from sightx_cli.data.contents import digest_file
from sightx_cli.data.layout import Layout
from sightx_cli.data.manifest import Manifest
from sightx_cli.data.queries import build_query
from sightx_cli.data.readers import ImageFileError, load_bytes
from sightx_cli.data.sources import load_manifest
from sightx_cli.errors import DataError, SightXError
from sightx_cli.progress import Silent
from tests.data.packed.conftest import add_member, draw_image

WriteTar = Callable[..., Path]
PAIR = {"k0": {"jpg": draw_image(0), "cls": 0}, "k1": {"jpg": draw_image(1), "cls": 1}}


def list_kinds(manifest: Manifest) -> dict[str, int]:
    return {notice.kind: notice.count for notice in manifest.notices}


def list_labels(manifest: Manifest) -> dict[str, str]:
    return {image.partition("::")[2]: label for image, label in manifest.frame[["image", "label"]].to_numpy()}


def test_each_key_is_an_image_with_its_class(write_tar: WriteTar) -> None:
    manifest = load_manifest(write_tar("a.tar", PAIR))
    assert list_labels(manifest) == {"k0.jpg": "0", "k1.jpg": "1"}
    assert [load_bytes(path) for path in manifest.frame["path"]] == [draw_image(0), draw_image(1)]


def test_the_name_for_people_leads_to_the_same_bytes(write_tar: WriteTar) -> None:
    path = write_tar("a.tar", PAIR)
    assert load_bytes(f"{path}::k1.jpg") == draw_image(1)


def test_numbers_are_named_by_the_list_of_classes_beside_the_shards(write_tar: WriteTar) -> None:
    path = write_tar("a.tar", PAIR)
    (path.parent / "classes.txt").write_text("ant\nbee\n")
    assert load_manifest(path).classes == ("ant", "bee")
    (path.parent / "classes.txt").write_text("ant\n")
    with pytest.raises(DataError, match=r"has 1 lines, and there is a label 1"):
        load_manifest(path)


def test_the_fields_of_json_are_columns_to_choose_from(write_tar: WriteTar) -> None:
    path = write_tar(
        "a.tar", {f"k{n}": {"png": draw_image(n, "PNG"), "json": {"species": "ab"[n], "site": n}} for n in (0, 1)}
    )
    assert list_labels(load_manifest(path)) == {"k0.png": "a", "k1.png": "b"}
    assert list_labels(load_manifest(path, Layout(label_column="site"))) == {"k0.png": "0", "k1.png": "1"}


def test_folders_within_a_tar_are_classes_and_parts_as_on_a_disk(write_tar: WriteTar) -> None:
    names = ("train/ant/1", "train/bee/2", "valid/ant/3", "valid/bee/4")
    manifest = load_manifest(write_tar("a.tar", {f"set/{name}": {"jpg": draw_image()} for name in names}))
    assert manifest.frame["label"].tolist() == ["ant", "bee", "ant", "bee"]
    assert manifest.frame["split"].tolist() == ["train", "train", "valid", "valid"]


def test_the_names_of_shards_are_the_parts(write_tar: WriteTar) -> None:
    for name in ("train-0000.tar", "train-0001.tar", "val-0000.tar"):
        folder = write_tar(f"set/{name}", PAIR).parent
    manifest = load_manifest(folder)
    assert manifest.frame["split"].value_counts().to_dict() == {"train": 4, "valid": 2}
    assert manifest.frame["image"].iloc[0] == "train-0000.tar::k0.jpg"


def test_train_alone_is_no_split(write_tar: WriteTar) -> None:
    assert set(load_manifest(write_tar("train-0000.tar", PAIR)).frame["split"]) == {""}


def test_braces_and_stars_name_many_shards_and_a_missing_one_is_said(write_tar: WriteTar, tmp_path: Path) -> None:
    for number in (8, 9, 10):
        write_tar(f"x-{number:03d}.tar", PAIR)
    assert len(load_manifest(f"{tmp_path}/x-*.tar").frame) == 6
    manifest = load_manifest(f"{tmp_path}/x-{{008..011}}.tar")
    assert (len(manifest.frame), list_kinds(manifest)["missing-shards"]) == (6, 1)
    with pytest.raises(DataError, match="none of its 2 files exists"):
        load_manifest(f"{tmp_path}/y-{{1,2}}.tar")


def test_predict_has_a_row_for_each_image_in_order_whatever_has_no_label(write_tar: WriteTar, tmp_path: Path) -> None:
    one, other = write_tar("b.tar", {"z": {"jpg": draw_image()}, "a": {"jpg": draw_image()}}), write_tar("a.tar", PAIR)
    rows = build_query([one, other]).rows
    assert [row.image for row in rows] == [
        f"{tmp_path}/{name}" for name in ("b.tar::z.jpg", "b.tar::a.jpg", "a.tar::k0.jpg", "a.tar::k1.jpg")
    ]


def test_what_is_cut_off_is_left_out_and_the_rest_is_read(write_tar: WriteTar) -> None:
    path = write_tar("a.tar", {**PAIR, "k2": {"cls": 1, "jpg": draw_image(2)}})
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(draw_image(2)[-300:])])
    manifest = load_manifest(path)
    assert list(list_labels(manifest)) == ["k0.jpg", "k1.jpg"]
    assert list_kinds(manifest)["shards-cut"] == 1
    assert "k2.jpg" in next(notice.text for notice in manifest.notices if notice.kind == "shards-cut")


def test_damage_in_the_middle_is_said(write_tar: WriteTar) -> None:
    path = write_tar("a.tar", {**PAIR, "k2": {"jpg": draw_image(2), "cls": 1}})
    data = bytearray(path.read_bytes())
    place = data.index(b"k2.jpg")
    data[place : place + 100] = b"\xff" * 100
    path.write_bytes(data)
    manifest = load_manifest(path)
    assert (len(manifest.frame), list_kinds(manifest)["shards-damaged"]) == (2, 1)


def test_tars_joined_to_one_file_are_read_as_the_first_and_the_rest_is_said(write_tar: WriteTar) -> None:
    path = write_tar("a.tar", PAIR)
    path.write_bytes(path.read_bytes() * 2)
    manifest = load_manifest(path)
    assert (len(manifest.frame), list_kinds(manifest)["shards-behind"]) == (2, 1)


def test_links_devices_and_ways_out_are_left_out_and_said(write_tar: WriteTar) -> None:
    path = write_tar("a.tar", PAIR)
    with tarfile.open(path, "a") as archive:
        for name, kind in (("l.jpg", tarfile.SYMTYPE), ("h.jpg", tarfile.LNKTYPE), ("d.jpg", tarfile.CHRTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
        add_member(archive, "../out.jpg", draw_image())
    manifest = load_manifest(path)
    assert (len(manifest.frame), list_kinds(manifest)["shards-unsafe"]) == (2, 4)


def test_keys_without_label_or_image_and_with_two_images_are_counted_and_named(write_tar: WriteTar) -> None:
    more = {
        "bare": {"jpg": draw_image()},
        "empty": {"cls": 1},
        "array": {"npy": b"\x93NUMPY", "cls": 0},
        "both": {"jpg": draw_image(3), "png": draw_image(3, "PNG"), "cls": 0},
    }
    manifest = load_manifest(write_tar("a.tar", {**PAIR, **more}))
    assert list(list_labels(manifest)) == ["k0.jpg", "k1.jpg", "both.jpg"]
    kinds = list_kinds(manifest)
    assert (kinds["shards-no-label"], kinds["shards-no-image"], kinds["shards-two-images"]) == (1, 2, 1)
    said = " ".join(notice.text for notice in manifest.notices)
    assert all(name in said for name in ("bare.jpg", "empty (.cls)", "both (.jpg, .png)"))


def test_the_ending_of_the_images_may_be_named(write_tar: WriteTar) -> None:
    both = {f"k{n}": {"jpg": draw_image(n), "seg.png": draw_image(n, "PNG"), "cls": n} for n in (0, 1)}
    path = write_tar("a.tar", both)
    assert load_manifest(path).frame["image"].iloc[0] == "a.tar::k0.jpg"
    assert load_manifest(path, Layout(image_column="seg.png")).frame["image"].iloc[0] == "a.tar::k0.seg.png"


def test_of_one_name_twice_the_first_is_read_and_that_is_said(write_tar: WriteTar) -> None:
    path = write_tar("a.tar", PAIR)
    with tarfile.open(path, "a") as archive:
        add_member(archive, "k0.jpg", draw_image(9))
    manifest = load_manifest(path)
    assert load_bytes(manifest.frame["path"].iloc[0]) == draw_image(0)
    assert list_kinds(manifest)["shards-same-key"] == 1


def test_the_files_of_a_key_need_not_lie_side_by_side(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for ending, fields in (("jpg", (draw_image(0), draw_image(1))), ("cls", (b"0", b"1"))):
            for number, data in enumerate(fields):
                add_member(archive, f"./x/k{number}.{ending}", data)
    assert list_labels(load_manifest(tmp_path / "a.tar")) == {"x/k0.jpg": "0", "x/k1.jpg": "1"}


@pytest.mark.parametrize(
    ("name", "pack", "said", "hint"),
    [
        ("a.tar", gzip.compress, "is compressed with gzip", "gunzip"),
        ("a.tar.gz", gzip.compress, "is compressed with gzip", "gunzip"),
        ("a.tar", lambda _: b"no tar at all" * 100, "is no readable tar file", "pack it again"),
        ("a.tar", lambda _: b"", "is no readable tar file", "pack it again"),
    ],
)
def test_what_is_no_plain_tar_is_refused_with_what_to_type(
    write_tar: WriteTar, tmp_path: Path, name: str, pack: Callable[[bytes], bytes], said: str, hint: str
) -> None:
    data = write_tar("plain.tar", PAIR).read_bytes()
    (tmp_path / name).write_bytes(pack(data))
    for read in (load_manifest, lambda path: build_query([path])):
        with pytest.raises(SightXError, match=said) as caught:
            read(tmp_path / name)
        assert hint in caught.value.hint


def test_a_zip_is_refused_with_what_to_type(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/1.jpg", draw_image())
    (tmp_path / "a.zip").write_bytes(file.getvalue())
    with pytest.raises(SightXError, match="is a ZIP archive") as caught:
        load_manifest(tmp_path / "a.zip")
    assert caught.value.hint.startswith("unzip ")


def test_one_shard_of_many_that_cannot_be_read_stops_nothing(write_tar: WriteTar) -> None:
    folder = write_tar("set/a.tar", PAIR).parent
    (folder / "b.tar").write_bytes(b"\x1f\x8bnot really")
    manifest = load_manifest(folder)
    assert (len(manifest.frame), list_kinds(manifest)["shards-unread"]) == (2, 1)
    (folder / "a.tar").unlink()
    with pytest.raises(DataError, match="gzip"):
        load_manifest(folder)


def test_images_in_class_folders_come_before_a_tar_that_lies_there(photo_folder: WriteTar, write_tar: WriteTar) -> None:
    root = photo_folder()
    write_tar("photos/backup.tar", PAIR)
    assert load_manifest(root).kind == "folder"


def test_groups_are_found_in_the_names_of_keys_not_of_shards(write_tar: WriteTar) -> None:
    from sightx_cli.data.splits import assign_groups

    path = write_tar("person1.tar", {f"person{n}_0": {"jpg": draw_image(n), "cls": n} for n in (7, 8)})
    assert assign_groups(load_manifest(path).frame, r"person\d+")["group"].tolist() == ["person7", "person8"]


def test_one_image_of_a_shard_can_be_asked_for_by_name_and_in_a_table(write_tar: WriteTar, tmp_path: Path) -> None:
    path = write_tar("set/a.tar", PAIR)
    assert load_bytes(build_query([f"{path}::k1.jpg"]).rows[0].path) == draw_image(1)
    (tmp_path / "t.csv").write_text("image,label\nset/a.tar::k1.jpg,ant\nset/a.tar::k0.jpg,bee\n")
    frame = load_manifest(tmp_path / "t.csv").frame
    assert [load_bytes(one) for one in frame["path"]] == [draw_image(1), draw_image(0)]


def test_a_member_that_is_not_there_is_said(write_tar: WriteTar) -> None:
    with pytest.raises(ImageFileError, match="is not in that tar file"):
        load_bytes(f"{write_tar('a.tar', PAIR)}::k7.jpg")


def test_in_a_tar_of_images_alone_a_dot_in_a_name_makes_no_key(write_tar: WriteTar) -> None:
    names = ("ant/scan.1", "ant/scan.2", "bee/scan.1", "bee/scan.2")
    manifest = load_manifest(write_tar("a.tar", {name: {"jpg": draw_image()} for name in names}))
    assert list(list_labels(manifest)) == [f"{name}.jpg" for name in names]
    assert manifest.classes == ("ant", "bee")


def test_an_image_in_a_shard_is_known_by_the_digest_of_its_file(write_tar: WriteTar, tmp_path: Path) -> None:
    (tmp_path / "k0.jpg").write_bytes(draw_image(0))
    checked = check_files(load_manifest(write_tar("a.tar", PAIR)).frame, Silent())
    assert checked.frame["digest"].iloc[0] == digest_file(tmp_path / "k0.jpg")
    assert checked.headers[0][:2] == (40, 30)


def test_a_shard_that_ends_without_its_mark_is_read_and_that_is_said(write_tar: WriteTar) -> None:
    path = write_tar("a.tar", PAIR)
    path.write_bytes(path.read_bytes().rstrip(b"\0") + bytes(-len(path.read_bytes().rstrip(b"\0")) % 512))
    manifest = load_manifest(path)
    assert (len(manifest.frame), list_kinds(manifest)["shards-unmarked"]) == (2, 1)


def test_a_shard_that_was_cut_after_it_was_indexed_is_an_unreadable_image(write_tar: WriteTar) -> None:
    path = write_tar("a.tar", PAIR)
    frame = load_manifest(path).frame
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(ImageFileError, match="is truncated"):
        load_bytes(frame["path"].iloc[1])


def test_a_compressed_tar_that_is_not_called_so_is_uncompressed_to_another_file(write_tar: WriteTar) -> None:
    path = write_tar("a.tar", PAIR)
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(SightXError) as caught:
        load_manifest(path)
    assert caught.value.hint == f"gunzip < {path} > {path.with_name('a-plain.tar')}"


def test_where_classes_are_numbers_it_is_said_how_to_name_them(write_tar: WriteTar) -> None:
    notices = load_manifest(write_tar("a.tar", PAIR)).notices
    assert "classes.txt" in next(notice.text for notice in notices if notice.kind == "class-names")
