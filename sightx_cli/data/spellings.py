"""Labels that differ only by case, blanks or Unicode form: read as one class, and named."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sightx_cli.data.folders import natural_key
from sightx_cli.data.tables import tidy
from sightx_cli.progress import Notice

ALPHABET = 8
"""From so many different single letters on, labels are characters, and upper and lower case are two of them: EMNIST has
A and a, which look different. Fewer are codes written by hand, such as Y/y and N/n or the breast densities A to D."""
SHOWN = 3
"""The most classes that one line names."""
LISTED = 5
"""The most names of classes that one line repeats."""
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff"))


def unify_spellings(labels: Sequence[str], what: str, noun: str = "class") -> tuple[list[str], list[Notice]]:
    """Give labels that differ only by case, blanks or Unicode form one spelling, the most frequent; and say so.

    Blanks count as one inside a label, and as none at its ends. Case is kept where the labels are an alphabet (see
    `ALPHABET`). `what` says what the labels are, such as "class folders" or "label", and `noun` what each makes.
    Returns the labels in their order.
    """
    nouns = f"{noun}{'es' if noun.endswith('s') else 's'}"
    counts = Counter(labels)
    letters = {key for label in counts if len(key := fold_spelling(label)) == 1 and key.isalpha()}
    is_alphabet = len(letters) >= ALPHABET
    alike: dict[str, Counter[str]] = defaultdict(Counter)
    for label, count in counts.items():
        key = fold_spelling(label)
        alike[tidy(label) if is_alphabet and key in letters else key][label] += count
    chosen = {label: _choose_spelling(group) for group in alike.values() for label in group}
    notices = []
    merged = [group for key, group in alike.items() if key and len(group) > 1]
    if merged:
        said = "; ".join(f"{_list_spellings(group)} as {_choose_spelling(group)!r}" for group in merged[:SHOWN])
        more = f"; and {len(merged) - SHOWN:,} more {nouns} likewise" if len(merged) > SHOWN else ""
        text = (
            f"{what}: names that differ only by case, blanks or Unicode form are read as one {noun}: {said}{more}. "
            "To keep two apart, rename one"
        )
        notices.append(Notice("same-names", text, len(merged), warns=True))
    pairs = sorted(key for key in letters if len({tidy(label) for label in counts if fold_spelling(label) == key}) > 1)
    if is_alphabet and pairs:
        text = (
            f"{what}: {len(letters)} single letters are taken for an alphabet, in which upper and lower case are "
            f"two {nouns} each ({pairs[0].upper()!r} and {pairs[0]!r}). If they are the same, spell them alike"
        )
        notices.append(Notice("letter-case", text, len(pairs)))
    return [chosen[label] for label in labels], notices


def fold_spelling(label: str) -> str:
    """Return what two spellings of one label have in common: lower case, NFC, single blanks, none at the ends."""
    visible = unicodedata.normalize("NFC", label).translate(_INVISIBLE)
    return " ".join(unicodedata.normalize("NFC", visible.lower()).split())


def index_spellings(classes: Iterable[str]) -> dict[str, str]:
    """Index classes by what their spellings have in common; those that share it are left out."""
    counts = Counter(fold_spelling(name) for name in classes)
    return {key: name for name in classes if counts[key := fold_spelling(name)] == 1}


def match_class(name: str, classes: Sequence[str]) -> str | None:
    """Return the class that a user names: as it is called, or the only one that is called so in another spelling."""
    return name if name in classes else index_spellings(classes).get(fold_spelling(name))


def describe_matches(what: str, matches: Mapping[str, str]) -> Notice | None:
    """Say which classes, by the name given, were read in the model's spelling; None where all are called so."""
    changed = {given: name for given, name in matches.items() if given != name}
    if not changed:
        return None
    said = ", ".join(f"{given!r} as {name!r}" for given, name in list(changed.items())[:LISTED])
    return Notice("same-names", f"{what} read in the model's spelling: {said}", len(changed))


def _choose_spelling(group: Counter[str]) -> str:
    counts: Counter[str] = Counter()
    for label, count in group.items():
        counts[tidy(label)] += count
    return min(counts, key=lambda label: (-counts[label], label != " ".join(label.split()), natural_key(label)))


def _list_spellings(group: Counter[str]) -> str:
    """Name the spellings with how many images have each; what looks the same is named once."""
    shown: dict[str, list[int]] = defaultdict(list)
    for label, count in sorted(group.items(), key=lambda item: (-item[1], natural_key(item[0]))):
        shown[repr(unicodedata.normalize("NFC", label))].append(count)
    return " and ".join(
        f"{label} ({sum(counts):,}" + (f", in {len(counts)} Unicode forms)" if len(counts) > 1 else ")")
        for label, counts in shown.items()
    )
