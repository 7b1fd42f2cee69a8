"""Images that several models share are told by their bytes: each row is taken once, and what is left out is said."""

from __future__ import annotations

import numpy as np
import pytest

from sightx_cli.errors import DataError
from sightx_cli.evaluation.kept_predictions import KeptPredictions
from sightx_cli.evaluation.shared_images import share_images


def keep(rows: str, has_digests: bool = True) -> KeptPredictions:
    """Predictions of images as "name:digest:target", whose first probability is their row."""
    images, digests, targets = zip(*(row.split(":") for row in rows.split()), strict=True)
    count = len(images)
    probabilities = np.arange(2 * count, dtype=np.float32).reshape(2, count).T
    return KeptPredictions(
        images, np.array(targets, np.int64), probabilities, ("",) * count, "valid", digests if has_digests else ()
    )


def share(*kept: KeptPredictions) -> list[tuple[int, ...]]:
    """The rows that are paired, of each of the models a, b, c."""
    shared = share_images(kept, "abc"[: len(kept)]).kept
    assert all((one.targets == shared[0].targets).all() for one in shared)
    return list(zip(*(one.probabilities[:, 0].astype(int).tolist() for one in shared), strict=True))


def test_the_same_bytes_are_one_image_wherever_they_lie() -> None:
    assert share(keep("one/x.png:aa:0 two/y.png:bb:1"), keep("7:bb:1 8:cc:0 9:aa:0")) == [(0, 2), (1, 0)]


def test_other_bytes_of_the_same_name_are_another_image_which_is_said() -> None:
    first = keep("x:aa:0 y:bb:1 z:cc:1")
    [notice] = share_images([first, keep("x:aa:0 y:dd:1 z:ee:1")], "ab").notices
    assert (notice.kind, notice.count, notice.warns) == ("not-shared", 4, True)
    assert notice.text.endswith("left out of the comparison: 2 images have the same names but other contents")
    with pytest.raises(DataError, match=r"no image in common: 3 images have the same names but other contents$"):
        share_images([first, keep("x:dd:0 y:ee:1 z:ff:1")], "ab")
    [notice] = share_images([first, keep("p:aa:0 q:bb:1 r:cc:0")], "ab").notices
    assert notice.text.endswith(": 1 image has the same contents but another label")


def test_copies_are_paired_by_name_then_in_order_and_never_multiplied() -> None:
    twice = keep("x:aa:0 y:aa:0")
    assert share(twice, keep("y:aa:0 x:aa:0")) == [(0, 1), (1, 0)]
    assert share(twice, keep("p:aa:0 x:aa:0 q:aa:0")) == [(0, 1), (1, 0)]
    assert share(twice, keep("y:aa:0")) == [(1, 0)]
    assert share(twice, keep("x:aa:0"), keep("y:aa:0")) == [(0, 0, 0)]
    [notice] = share_images([twice, keep("y:aa:0")], "ab").notices
    assert notice.text == "1 image that not all of these were measured on is left out of the comparison"


def test_names_and_labels_tell_images_where_no_digest_is_kept_which_is_said() -> None:
    first, bare = keep("x:aa:0 y:bb:1 z:cc:1"), keep("z::1 x::0 y::0", has_digests=False)
    found = share_images([first, bare], "ab")
    assert share(first, bare) == [(0, 1), (2, 0)]
    assert [(notice.kind, notice.count) for notice in found.notices] == [("told-by-name", 3), ("not-shared", 2)]
    assert found.notices[0].text.startswith("b keeps no digest of the bytes of 3 of its images: they are told by file")
    partly = keep("z:cc:1 x::0 y:dd:1")
    assert share(first, partly) == [(0, 1), (2, 0)]
    assert share_images([first, partly], "ab").notices[0].count == 1
    assert share(bare, first, keep("p:aa:0 z:dd:1")) == [(1, 0, 0)]  # what one of them keeps tells it from then on


def test_of_three_the_one_that_shares_nothing_is_named() -> None:
    two, other = keep("x:aa:0 y:bb:1"), keep("x:dd:0 y:ee:1")
    for kept, named in (([two, two, other], "c"), ([two, other, two], "b"), ([other, two, two], "a")):
        with pytest.raises(DataError, match=rf"^{named} was measured on no image in common with the others: 2 images"):
            share_images(kept, "abc")
    with pytest.raises(DataError, match=r"^these models were measured on no image in common$"):
        share_images([two, keep("p:ff:0"), keep("q:11:0")], "abc")
    with pytest.raises(DataError, match=r"^b and c were measured on no image in common$"):
        share_images([two, keep("x:aa:0"), keep("y:bb:1")], "abc")
    with pytest.raises(
        DataError, match=r"^these models were measured on no image in common, though each two of them share some$"
    ):
        share_images([two, keep("y:bb:1 z:cc:0"), keep("z:cc:0 x:aa:0")], "abc")


def test_sets_of_labels_are_told_apart() -> None:
    kept = [
        KeptPredictions(names, np.array(sets), np.zeros((2, 2), np.float32), ("", ""), "valid", digests)
        for names, sets, digests in (
            (("x", "y"), [[0, 1], [1, 1]], ("aa", "bb")),
            (("q", "p"), [[1, 1], [0, 1]], ("bb", "aa")),
        )
    ]
    first, second = share_images(kept, "ab").kept
    assert first.targets.tolist() == second.targets.tolist() == [[0, 1], [1, 1]]
    assert second.images == ("p", "q")
