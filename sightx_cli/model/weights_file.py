"""The user's weights file as requested, checked before anything is read. Never imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sightx_cli.errors import WeightsError
from sightx_cli.filesystem import check_ordinary

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]
"""A mean and a deviation per channel, on the 0…1 scale."""

CHANNELS = 3
SCALE = "three numbers, or one for all channels, on the 0 to 1 scale"


@dataclass(frozen=True)
class WeightsFile:
    """A file, the normalisation of its network's input (None: as given in the file), and the prefix to use."""

    path: Path
    normalisation: Normalisation | None = None
    prefix: str | None = None
    """The prefix of the names to use, such as `teacher`; None to detect it."""


def build_weights_file(
    path: Path | None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    prefix: str | None = None,
) -> WeightsFile | None:
    """Build it from `--weights`, `--weights-mean`, `--weights-std` and `--weights-prefix`; None without a file.

    Raises WeightsError for a missing file, for only one of mean and deviation, and for implausible numbers.
    """
    given = {"--weights-mean": mean, "--weights-std": std, "--weights-prefix": prefix}
    if path is None:
        if alone := [name for name, value in given.items() if value is not None]:
            raise WeightsError(f"{alone[0]} needs a weights file", "add --weights FILE")
        return None
    try:
        check_ordinary(path)
    except (OSError, ValueError) as error:  # ValueError: no file can have this name
        found = "no such file" if isinstance(error, FileNotFoundError) else getattr(error, "strerror", None) or error
        raise WeightsError(f"--weights {path}: {found}", "give a .safetensors or .pth file of this backbone") from error
    if prefix is not None and not prefix.strip("."):
        raise WeightsError(f'--weights-prefix "{prefix}" is empty', "omit it to detect the prefix")
    return WeightsFile(path, _read_normalisation(mean, std), prefix)


def _read_normalisation(
    mean: float | Sequence[float] | None, std: float | Sequence[float] | None
) -> Normalisation | None:
    if mean is None and std is None:
        return None
    if mean is None or std is None:
        found, missing = ("mean", "std") if std is None else ("std", "mean")
        raise WeightsError(f"--weights-{found} is given but --weights-{missing} is not", "give both, or neither")
    means, deviations = _spread(mean), _spread(std)
    for name, values in (("mean", means), ("std", deviations)):
        if len(values) != CHANNELS:
            raise WeightsError(f"--weights-{name} has {len(values)} numbers", f"give {SCALE}: 0.485,0.456,0.406")
    if max(*means, *deviations) > 1:
        scaled = [_show([v / 255 for v in values] if max(values) > 1 else values) for values in (means, deviations)]
        raise WeightsError(
            f"--weights-mean {_show(means)} and --weights-std {_show(deviations)} look like the 0 to 255 scale",
            f"divide by 255: --weights-mean {scaled[0]} --weights-std {scaled[1]}",
        )
    if not is_sensible(means, deviations):
        raise WeightsError(
            f"--weights-mean {_show(means)} and --weights-std {_show(deviations)} make no sense",
            f"give {SCALE}: a mean from 0 to 1, a deviation above 0",
        )
    return means, deviations


def is_sensible(mean: Sequence[float], std: Sequence[float]) -> bool:
    """Tell whether a mean and a deviation are one number per channel on the 0…1 scale."""
    lengths = len(mean) == len(std) == CHANNELS
    return lengths and all(0 <= value <= 1 for value in mean) and all(0 < value <= 1 for value in std)


def _spread(values: float | Sequence[float]) -> tuple[float, ...]:
    listed = (float(values),) if isinstance(values, int | float) else tuple(float(value) for value in values)
    return listed * CHANNELS if len(listed) == 1 else listed


def _show(values: Sequence[float]) -> str:
    return ",".join(f"{value:.6g}" for value in values)
