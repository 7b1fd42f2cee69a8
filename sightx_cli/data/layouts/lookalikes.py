"""Tells class folders from what looks like them: data sets, sites and dates that hold the classes themselves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from sightx_cli.data.folders import Folder, name_folders
from sightx_cli.data.layouts.part_names import is_filler, is_unlabelled, name_parts, split_words
from sightx_cli.data.spellings import fold_spelling
from sightx_cli.data.tables import tidy
from sightx_cli.errors import DataError, quote
from sightx_cli.progress import Notice

DEEPEST = 3
"""How many levels below the class folders are looked at: a site may have a folder for each year."""

CONTAINERS = (
    "site sites center centre hospital clinic ward scanner camera cam device machine microscope fold folds batch set "
    "session week month year day date run round source region city country location place plot field farm line shift "
    "lab plant factory group cohort version dataset data database domain collection archive part"
)
"""Where, when and with what images were taken, and how they were divided: none says what they show."""
SUBJECTS = (
    "patient patients pat subject subj person participant animal case cases specimen sample study studies series exam "
    "visit accession slide scan scans slice slices frame frames video clip image images img"
)
"""Of whom or what an image was taken, or which of several it is."""
ASPECTS = (
    "left right both l r od os ou oi cc mlo ap pa lateral lat frontal front back rear side top bottom dorsal ventral "
    "palmar plantar axial coronal sagittal upper lower inner outer view views day night male female men women adult "
    "child young old ct mr mri xray us pet adc dwi flair rgb ir nir depth colour color grey gray original originals "
    "raw processed augmented aug cropped crops resized full small large high low"
)
"""Sides, views, sexes, modalities, and what was done to an image."""
MASKS = "mask masks segmentation segmentations annotation annotations annot groundtruth gt label labels bbox boxes"
"""What lies beside images and is drawn by people."""

_CONTAINERS, _SUBJECTS, _ASPECTS, _MASKS = (
    frozenset(words.split()) for words in (CONTAINERS, SUBJECTS, ASPECTS, MASKS)
)
_DATE = re.compile(r"(19|20)\d\d([-_. ]?\d\d([-_. ]?\d\d)?)?|\d{1,2}[-_. ]\d{1,2}[-_. ](19|20)?\d\d")

STRAY = 10
"""Where sites or dates hold the classes, at most one image in so many lies beside these by mistake."""

NameKind = Literal["container", "subject", "aspect", "code", "label"]


def judge_name(name: str) -> NameKind:
    """Judge what a folder's name is: where or when it was taken, who or which side it shows, a number, or a label."""
    words = set(split_words(name))
    if _DATE.fullmatch(tidy(name)) or _CONTAINERS & words:
        return "container"
    if _SUBJECTS & words:
        return "subject"
    if words and words <= _ASPECTS | _MASKS:
        return "aspect"
    letters = sum(map(len, words))
    return "code" if letters <= (3 if re.search(r"\d", name) else 1) else "label"


def hold_no_classes(folders: Sequence[Folder]) -> bool:
    """Whether folders of images are no classes by their names (images/ alone, images/ and masks/), or there is none."""
    fillers = [folder for folder in folders if is_filler(folder.name)]
    masks = [folder for folder in folders if _is_mask(folder.name)]
    return len({folder.name for folder in fillers + masks}) == len(folders) and (len(folders) < 2 or bool(masks))


def find_inner_parts(folder: Folder) -> dict[str, str]:
    """Tell the parts in a folder that holds train and another part, or nothing but parts: {name: part}, else {}."""
    named = name_parts([inner.name for inner in folder.filled])
    whole = all(inner.name in named or is_unlabelled(inner.name) for inner in folder.filled)
    return named if "train" in named.values() and (whole or len(set(named.values())) > 1) else {}


def have_inner_parts(folder: Folder) -> bool:
    """Whether a class folder holds its own parts, and these hold its images: ants/train/, ants/valid/."""
    parts = find_inner_parts(folder)
    return not folder.images and len(set(parts.values())) > 1 and not _hold_classes(folder, parts)


def check_containers(base: Folder, classes: Sequence[Folder]) -> list[Notice]:
    """Check that what looks like class folders are no data sets, sites or dates; say which folders they share.

    Raises: `DataError` with the line to type where they hold train and valid themselves, or all the same folders.
    """
    sets = [one for one in classes if (parts := find_inner_parts(one)) and _hold_classes(one, parts)]
    if sets:
        raise DataError(
            f"{base.path}: {name_folders(sets)} hold{'s' * (len(sets) == 1)} "
            f"{' and '.join(f'{name}/' for name in find_inner_parts(sets[0]))} with classes in them: "
            f"{'each is a data set of its own' if len(sets) > 1 else 'it is a data set of its own'}, not a class",
            f"give {'one of them' if len(sets) > 1 else 'it'}: " + f"sightx fit {quote(sets[0].path)}",
        )
    divided = [one for one in classes if have_inner_parts(one)]
    if divided:
        whole = [one for one in classes if one not in divided]
        raise DataError(
            f"{base.path}: {name_folders(divided)} hold{'s' * (len(divided) == 1)} parts "
            f"({name_folders(divided[0].filled)}), and {name_folders(whole)} hold{'s' * (len(whole) == 1)} none",
            "give each class the same parts, or none: put its images directly into its folder",
        )
    loose = sum(len(one.images) for one in classes)
    if len(classes) < 2 or loose * STRAY > sum(one.count_images() for one in classes):
        return [*_tell_masks(classes), *_tell_shared(classes)]
    are_containers = _judge_most(one.name for one in classes) == "container"
    suspects = []
    level = [[one] for one in classes]
    for depth in range(1, DEEPEST + 1):
        level = [[inner for folder in folders for inner in folder.filled] for folders in level]
        shared = _find_shared([{fold_spelling(inner.name) for inner in folders} for folders in level])
        kind = _judge_most(shared)
        if kind == "label" and (depth == 1 or are_containers):
            _refuse_containers(base, classes, level[0])
        if kind in ("code", "aspect") and are_containers:
            suspects.append(level[0])
    if suspects:
        _refuse_containers(base, classes, suspects[-1])
    return [*_tell_masks(classes), *_tell_shared(classes)]


def _hold_classes(folder: Folder, parts: Iterable[str]) -> bool:
    """Whether parts hold classes, and not patients or numbers of which each is in one part only."""
    inside = [one.filled for one in folder.filled if one.name in parts and not hold_no_classes(one.filled)]
    names = [{fold_spelling(one.name) for one in folders} for folders in inside]
    has_label = any(judge_name(name) == "label" for some in names for name in some)
    return has_label or max(Counter(name for some in names for name in some).values(), default=0) > 1


def _judge_most(names: Iterable[str]) -> NameKind | None:
    return next((kind for kind, _ in Counter(map(judge_name, names)).most_common(1)), None)


def _find_shared(names: Sequence[set[str]]) -> list[str]:
    """Return the names that most of the sets have, where nearly all sets consist of them; two at least, else none."""
    counts = Counter(name for some in names for name in some)
    shared = sorted(name for name, count in counts.items() if count > len(names) / 2)
    alike = [len(some & set(shared)) >= max(1, len(some) / 2) for some in names]
    return shared if len(shared) > 1 and sum(alike) >= 0.8 * len(names) else []


def _refuse_containers(base: Folder, classes: Sequence[Folder], inner: Sequence[Folder]) -> None:
    distinct = list({fold_spelling(one.name): one for one in inner}.values())
    raise DataError(
        f"{base.path}: {name_folders(classes)} hold the same folders ({name_folders(distinct)}): these look like the "
        "classes, and the folders around them like parts, sites or dates",
        f"give one of them: sightx fit {quote(classes[0].path)}. If they are parts, rename them to "
        "train, valid and test; if they are the classes, put the images directly into them",
    )


def _tell_shared(classes: Sequence[Folder]) -> list[Notice]:
    """Say where folders of the same name, which could be classes, lie in several class folders."""
    inside = [inner for one in classes for inner in one.filled if judge_name(inner.name) in ("label", "code")]
    counts = Counter(fold_spelling(inner.name) for inner in inside)
    spelled = {fold_spelling(inner.name): inner.name for inner in inside}
    shared = [spelled[name] for name, count in counts.items() if count > 1]
    if not shared:
        return []
    holders = [one for one in classes if any(counts[fold_spelling(inner.name)] > 1 for inner in one.filled)]
    names = ", ".join(f"{name}/" for name in shared[:3])
    more = f" and {len(shared) - 3:,} more" if len(shared) > 3 else ""
    text = (
        f"{name_folders(holders)} hold folders of the same names ({names}{more}): "
        "their images are of the class around them"
    )
    return [Notice("shared-folders", text, len(shared))]


def _tell_masks(classes: Sequence[Folder]) -> list[Notice]:
    """Say where class folders hold masks beside images: both are read as images of the class."""
    masks = [inner for one in classes if len(one.filled) > 1 for inner in one.filled if _is_mask(inner.name)]
    if not masks:
        return []
    count = sum(inner.count_images() for inner in masks)
    example = f"{masks[0].path.parent.name}/{masks[0].name}/"
    text = (
        f"{count:,} images in {example} and its like are read as images of their class. If they are masks or other "
        "annotations, move these folders out of the data"
    )
    return [Notice("masks", text, count, warns=True)]


def _is_mask(name: str) -> bool:
    words = set(split_words(name))
    return bool(words) and words <= _MASKS
