"""The names that people give to the parts of their data: train, valid and test, as folders or in a table's column."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sightx_cli.data.tables import tidy

PART_WORDS = {
    "train": "train training trainval",
    "valid": "valid validation validate val dev development eval evaluation evaluate holdout",
    "test": "test tests testing tst",
}
"""The words, in lower case, and the part that each means."""
PLAIN_NAMES = frozenset(("train", "valid", "val", "validation", "test"))
"""Names of folders that need no explanation."""
EITHER_WORDS = frozenset(("eval", "evaluation", "evaluate", "holdout"))
"""The valid part where there is no other, else the test part: Food-11 has training, validation and evaluation."""
UNLABELLED_WORDS = "pred preds predict predicts prediction predictions inference infer unlabeled unlabelled unlabel"
"""Folders of images that are still to be labelled, as Intel's seg_pred."""
FILLER_WORDS = (
    "set sets data dataset datasets database image images img imgs photo photos picture pictures pic pics "
    "folder folders dir split splits part seg sample samples file files archive labeled labelled jpg jpeg png tif tiff "
    "dicom"
)
"""Words that say nothing beside one of those above: training_set, seg_train, train_images, trainset."""

_MEANINGS = {word: part for part, words in PART_WORDS.items() for word in words.split()} | dict.fromkeys(
    UNLABELLED_WORDS.split(), "unlabelled"
)


def _join(words: Iterable[str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


_RUN_TOGETHER = re.compile(f"(?:{_join(FILLER_WORDS.split())})*({_join(_MEANINGS)})?(?:{_join(FILLER_WORDS.split())})*")


@dataclass(frozen=True)
class PartName:
    """What a name says: the part ("train", "valid", "test", "unlabelled" or ""), and its other words."""

    part: str
    word: str
    rest: tuple[str, ...]

    @property
    def is_certain(self) -> bool:
        """Whether the name says nothing but the part: seg_train does, xray_train and stress_test do not."""
        return bool(self.part) and not self.rest


def split_words(name: str) -> list[str]:
    """Return the words of a folder's name, in lower case, without numbers: test and images of TestImages_2019."""
    return re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", tidy(name)).lower())


def read_part_name(name: str) -> PartName:
    """Read a name such as training_set, TrainImages, val-2019 or xray_test, in any case and with any separators."""
    words = split_words(re.sub(r"(?i)hold[ _-]?out", "holdout", name))
    found, rest = [], []
    for word in words:
        match = _RUN_TOGETHER.fullmatch(word)
        if match is None:
            rest.append(word)
        elif match[1]:
            found.append(match[1])
    if found == ["train", "val"]:
        found = ["trainval"]
    parts = {_MEANINGS[word] for word in found}
    if len(parts) != 1:
        return PartName("", "", tuple(words))
    return PartName(parts.pop(), found[0], tuple(rest))


def is_filler(name: str) -> bool:
    """Whether a name says nothing of what it holds: data, images, dataset2."""
    words = split_words(name)
    return bool(words) and all((match := _RUN_TOGETHER.fullmatch(word)) is not None and not match[1] for word in words)


def name_parts(names: Iterable[str]) -> dict[str, str]:
    """Tell which of the names, of folders side by side or of one table, are parts, and which: {name: part}.

    Names with other words in them are parts only where these words are the same, and one of them is train: xray_train
    and xray_test.
    """
    read = {name: read_part_name(name) for name in names}
    found = {name: one for name, one in read.items() if one.is_certain and one.part != "unlabelled"}
    if not found:
        alike: dict[tuple[str, ...], dict[str, PartName]] = defaultdict(dict)
        for name, one in read.items():
            if one.part in PART_WORDS:
                alike[one.rest][name] = one
        several = [group for group in alike.values() if len({one.part for one in group.values()}) > 1]
        if len(several) == 1 and any(one.part == "train" for one in several[0].values()):
            found = several[0]
    parts = {name: one.part for name, one in found.items()}
    settled = {one.part for one in found.values() if one.word not in EITHER_WORDS}
    if "valid" in settled:
        parts |= {name: "test" for name, one in found.items() if one.word in EITHER_WORDS}
    return parts


def is_unlabelled(name: str) -> bool:
    """Whether a folder of this name is one of images to be labelled: pred, seg_pred, unlabelled."""
    one = read_part_name(name)
    return one.part == "unlabelled" and one.is_certain
