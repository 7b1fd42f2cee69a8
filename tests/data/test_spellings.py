"""Labels that differ only by case, blanks or Unicode form are one class, and are named."""

from __future__ import annotations

import string

from sightx_cli.data.spellings import unify_spellings

COMPOSED, SPLIT = "caf\u00e9", "cafe\u0301"


def test_case_makes_no_class_and_the_most_frequent_spelling_is_kept() -> None:
    labels = ["ants"] * 3 + ["Ants", "bees", "BEES", "BEES"]
    unified, notices = unify_spellings(labels, "label")
    assert unified == ["ants"] * 4 + ["BEES"] * 3
    assert len(notices) == 1
    assert notices[0].warns
    assert "'ants' (3) and 'Ants' (1) as 'ants'; 'BEES' (2) and 'bees' (1) as 'BEES'" in notices[0].text


def test_blanks_at_the_ends_and_within_and_the_unicode_form_make_no_class() -> None:
    labels = ["no finding", " no finding", "No  finding", "no\u00a0finding", "no finding\u200b", "no finding"]
    assert set(unify_spellings(labels, "label")[0]) == {"no finding"}
    unified, notices = unify_spellings([COMPOSED, f" {SPLIT}", SPLIT.upper()], "label")
    assert set(unified) == {COMPOSED}
    assert "in 2 Unicode forms" in unify_spellings([COMPOSED, SPLIT], "label")[1][0].text
    assert notices[0].count == 1


def test_labels_that_differ_in_more_are_left_alone_and_nothing_is_said() -> None:
    labels = ["no finding", "no_finding", "nofinding", "a-b", "ab", "Maße", "Masse", ""]
    assert unify_spellings(labels, "label") == (labels, [])


def test_many_merged_classes_are_counted_after_the_first() -> None:
    labels = [spelling for number in range(5) for spelling in (f"kind {number}", f"Kind {number}")]
    notice = unify_spellings(labels, "label")[1][0]
    assert notice.count == 5
    assert "'Kind 2' (1) and 'kind 2' (1) as 'Kind 2'; and 2 more classes likewise" in notice.text


def test_in_an_alphabet_case_is_kept_and_that_is_said() -> None:
    labels = [*string.ascii_uppercase, *"abdefghnqrt", *string.digits]
    unified, notices = unify_spellings(labels, "label")
    assert unified == labels
    assert [(one.kind, one.count, one.warns) for one in notices] == [("letter-case", 11, False)]
    assert unify_spellings(list(string.ascii_lowercase), "label") == (list(string.ascii_lowercase), [])


def test_a_few_letters_are_codes_written_by_hand_and_no_alphabet() -> None:
    assert unify_spellings(["y", "Y", "n", "N", "y", "n"], "label")[0] == ["y", "y", "n", "n", "y", "n"]
    seven, eight = (f"{string.ascii_lowercase[:count]}A" for count in (7, 8))
    assert len(set(unify_spellings(list(seven), "label")[0])) == 7
    assert len(set(unify_spellings(list(eight), "label")[0])) == 9


def test_what_is_no_class_is_not_called_one() -> None:
    values = [spelling for number in range(4) for spelling in (f"site {number}", f"Site {number}")]
    text = unify_spellings(values, "--by site", "value")[1][0].text
    assert "are read as one value: " in text
    assert "and 1 more values likewise" in text
    letters = [*string.ascii_uppercase, "a"]
    assert "are two values each" in unify_spellings(letters, "--by site", "value")[1][0].text
