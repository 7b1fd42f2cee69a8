"""Fits the tensors of a file to a network: finds the prefix of their names, adapts them, and counts what is left.

Nothing is guessed: every tensor of the network must be found, and what the file has beyond them may only be a
classifier or another part, never a layer inside the network's own stages.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sightx_cli.errors import WeightsError

LEAST_SHARE = 0.9
"""With less than this share of the network's tensors a file is another network's; with more it is incomplete. Both are
refused, since the rest would stay random: the share only chooses the words."""

MOST_PREFIXES = 8
"""How many beginnings of names are tried, those with the most names behind them first."""

RENAMING = ("checkpoint_filter_fn", "_filter_torchvision_pretrained", "_filter_fn")
"""What timm calls the functions, one in a network's module, that give old files its present names and shapes."""

CLASSIFIERS = ("head", "heads", "fc", "classifier", "last_linear")
"""First parts of the names that a classifier bears, which may be left over."""

TOKENS = ("cls_token", "dist_token", "reg_token", "register_tokens")
"""A transformer's own parameters without a module: left over, they say that it is another variant."""

FAMILIES = {
    r"\bdenseblock\d": "densenet121 and its like",
    r"\bblocks\.\d+\.attn\.": "vit_base_patch16_224, vit_large_patch16_224 and their like",
    r"\blayers\.\d+\.blocks\.\d+\.attn": "swin_base_patch4_window7_224 and its like",
    r"\bstages\.\d+\.blocks\.\d+\.(conv_dw|gamma)": "convnext_tiny, convnext_base and their like",
    r"\blayer4\.\d+\.conv3\b": "resnet50, resnet101 and their like",
    r"\blayer4\.\d+\.conv2\b": "resnet18, resnet34 and their like",
    r"\bblocks\.\d+\.\d+\.(conv_pwl|conv_dw)": "efficientnet_b0, mobilenetv2_100, tf_efficientnet_lite0 and their like",
    r"\bfeatures\.\d+\.weight$": "vgg16 and its like",
}
"""What names of tensors tell of the family of their network, in timm's words; the first that is found."""

BOOKKEEPING = ("num_batches_tracked", "relative_position_index", "attn_mask")
"""What some files hold though it is computed or only counted, and no network needs it of them."""


@dataclass(frozen=True)
class Match:
    """How a file fits a network."""

    tensors: dict[str, Tensor]
    """The state dict under timm's names, complete."""
    prefix: str
    """What was taken off the names in the file, with its last dot; empty for nothing."""
    needed: int
    """How many tensors the network needs: all, but for BatchNorm's counters."""
    left_over: tuple[str, ...]
    """Names in the file, prefix and all, that were not used."""
    changes: tuple[str, ...] = ()
    """What was adapted, in words."""
    one_channel: bool = False
    """Whether the file's first layer reads one channel, which the three now share."""

    def describe(self) -> str:
        """Say in one line what fitted."""
        parts = [f"{self.needed} of {self.needed} tensors fit"]
        if self.prefix:
            parts.append(f'prefix "{self.prefix}" removed')
        parts += self.changes
        if self.left_over:
            shown = ", ".join(self.left_over[:2]) + (", …" if len(self.left_over) > 2 else "")
            parts.append(f"{len(self.left_over)} left over ({shown})")
        return "; ".join(parts)


@dataclass(frozen=True)
class _Trial:
    """What one prefix gives: the tensors under it as timm names them, and those that fit."""

    prefix: str
    found: dict[str, Tensor]
    fitting: dict[str, Tensor]
    changes: tuple[str, ...]
    one_channel: bool


def match_tensors(found: Mapping[str, Tensor], network: nn.Module, origin: str, prefix: str | None = None) -> Match:
    """Find the tensors of a network among those of a file.

    `prefix` names the part that is meant where several fit. Raises WeightsError when the file does not fit, or when
    two parts of it fit equally and differ.
    """
    wanted = network.state_dict()
    needed = [name for name in wanted if not name.endswith("num_batches_tracked")]
    meant = [name for name in found if prefix is None or name.startswith(f"{prefix.strip('.')}.")]
    if not meant:
        starts = dict.fromkeys(name.partition(".")[0] for name in found)
        raise WeightsError(
            f'--weights-prefix "{prefix}": no name in {origin} begins so',
            f"they begin with {', '.join(list(starts)[:8])}",
        )
    trials = [_try_prefix(found, meant, network, wanted, one) for one in list_prefixes(meant, network, needed)]
    best = max(trials, key=lambda trial: sum(name in trial.fitting for name in needed))
    _refuse_missing(best, wanted, needed, origin, list(found))
    _refuse_other_variant(best, wanted, origin)
    _refuse_rivals(best, trials, needed, origin)
    inside = [f"{best.prefix}{name}" for name in best.found if name not in best.fitting]
    outside = [name for name in found if name not in meant or not name.startswith(best.prefix)]
    left_over = tuple(name for name in inside + outside if not name.endswith(BOOKKEEPING))
    return Match(best.fitting, best.prefix, len(needed), left_over, best.changes, best.one_channel)


def list_prefixes(names: Sequence[str], network: nn.Module, needed: Sequence[str]) -> list[str]:
    """List what names may begin with before a name of the network's, the most frequent first.

    First those behind which a name of the network's stands, as it is or by the position of its first part; then, for
    files with old names, what half as many names begin with as the network needs.
    """
    known = {*needed, *(_name_by_position(name, network) for name in needed)}
    behind: Counter[str] = Counter()
    begin: Counter[str] = Counter()
    for name in names:
        parts = name.split(".")
        for cut in range(len(parts)):
            start, rest = ".".join([*parts[:cut], ""]), ".".join(parts[cut:])
            behind[start] += rest in known
            begin[start] += 1
    likely = [start for start, count in behind.most_common(MOST_PREFIXES) if count]
    common = [start for start, count in begin.most_common(MOST_PREFIXES) if count >= len(needed) / 2]
    return list(dict.fromkeys([*likely, "", *common]))


def adapt_tensors(found: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Rename and resize tensors as timm does for its own files: old names, a ViT's positions at another size."""
    module = sys.modules[type(network).__module__]
    adapt = next((getattr(module, name) for name in RENAMING if hasattr(module, name)), None)
    if adapt is None:
        return found
    try:
        takes_network = len(inspect.signature(adapt).parameters) > 1
        adapted: dict[str, Tensor] = adapt(dict(found), network) if takes_network else adapt(dict(found))
    except Exception:  # what it raises on another network's tensors is no concern: they will not fit
        return found
    return adapted


def fold_layer_scale(found: dict[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Multiply a transformer's LayerScale into the layer before it, where the network has none: the same function.

    γ · (W x + b) = (γ W) x + γ b. UNI, for one, was trained with it on a network that has none in timm.
    """
    folded = dict(found)
    for name, gamma in found.items():
        scaled = re.fullmatch(r"(.*\.)ls([12])\.gamma", name)
        layer = f"{scaled[1]}{'attn.proj' if scaled[2] == '1' else 'mlp.fc2'}" if scaled else ""
        if name in wanted or f"{layer}.weight" not in found or f"{layer}.bias" not in found:
            continue
        folded[f"{layer}.weight"] = found[f"{layer}.weight"] * gamma[:, None]
        folded[f"{layer}.bias"] = found[f"{layer}.bias"] * gamma
        del folded[name]
    return folded


def widen_stem(found: dict[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give a first layer that reads one channel (O, 1, k, k) three of them, a third of its weights each.

    For grey as RGB that is the same function, where one mean and deviation serve all three channels.
    """

    def is_grey_stem(name: str, tensor: Tensor) -> bool:
        shape = wanted[name].shape if name in wanted else ()
        return len(shape) == tensor.dim() == 4 and (tensor.shape[1], shape[1]) == (1, 3)

    return {n: t.repeat(1, 3, 1, 1) / 3 if is_grey_stem(n, t) else t for n, t in found.items()}


def _name_by_position(name: str, network: nn.Module) -> str:
    """Return the name with the position of its first part among the network's children: conv1.weight → 0.weight.

    So the layers are named where a network was taken apart into an `nn.Sequential`, as RadImageNet's were.
    """
    children = [child for child, _ in network.named_children()]
    first, _, rest = name.partition(".")
    return f"{children.index(first)}.{rest}" if first in children else name


def _try_prefix(
    found: Mapping[str, Tensor],
    meant: Sequence[str],
    network: nn.Module,
    wanted: Mapping[str, Tensor],
    prefix: str,
) -> _Trial:
    under = {name[len(prefix) :]: found[name] for name in meant if name.startswith(prefix)}
    changes = []
    if all(name.partition(".")[0].isdecimal() for name in under):
        places = {_name_by_position(name, network): name for name in wanted}
        under = {places.get(name, name): tensor for name, tensor in under.items()}
        changes.append("layers named by their position")
    under = adapt_tensors(under, network)
    folded = fold_layer_scale(under, wanted)
    if len(folded) < len(under):
        changes.append("LayerScale folded into the layers before it")
    widened = widen_stem(folded, wanted)
    one_channel = any(widened[name] is not tensor for name, tensor in folded.items())
    if one_channel:
        changes.append("its one-channel first layer spread over three")
    fitting = {name: t for name, t in widened.items() if name in wanted and wanted[name].shape == t.shape}
    return _Trial(prefix, widened, fitting, tuple(changes), one_channel)


def _refuse_missing(
    trial: _Trial, wanted: Mapping[str, Tensor], needed: Sequence[str], origin: str, names: Sequence[str]
) -> None:
    missing = [name for name in needed if name not in trial.fitting]
    if not missing:
        return
    first = missing[0]
    if len(missing) > (1 - LEAST_SHARE) * len(needed):
        raise WeightsError(
            f"{origin}: only {len(needed) - len(missing)} of the network's {len(needed)} tensors are in it, where all "
            f"must be (missing, for one: {first})",
            f"these are another network's weights: name theirs with --backbone{suggest_networks(names)}, or give this "
            f"network's file. Its names: {', '.join(names[:2])}, …",
        )
    if first in trial.found:
        shapes = (tuple(trial.found[first].shape), tuple(wanted[first].shape))
        first = f"{first}, of shape {shapes[0]} in the file and {shapes[1]} in the network"
    raise WeightsError(
        f"{origin}: {len(missing)} of the network's {len(needed)} tensors are missing, such as {first}",
        "give a complete file: the rest would stay random",
    )


def suggest_networks(names: Sequence[str]) -> str:
    """Name networks whose tensors bear such names, as an addition to a hint; nothing where no family is known."""
    for pattern, networks in FAMILIES.items():
        if any(re.search(pattern, name) for name in names):
            return f" (such names have {networks})"
    return ""


def _refuse_other_variant(trial: _Trial, wanted: Mapping[str, Tensor], origin: str) -> None:
    """Refuse a file whose network has layers inside the same stages that this one lacks: it is deeper, or scaled."""
    roots = {name.partition(".")[0] for name in wanted} - set(CLASSIFIERS)
    stray = [
        name
        for name in trial.found
        if name not in trial.fitting and not name.endswith(BOOKKEEPING)
        if name in TOKENS or ("." in name and name.partition(".")[0] in roots)
    ]
    if stray:
        raise WeightsError(
            f"{origin}: has {len(stray)} tensors inside the network's own stages that the network has no place for, "
            f"such as {stray[0]}",
            "these are the weights of a deeper or another variant: name it with --backbone",
        )


def _refuse_rivals(best: _Trial, trials: Sequence[_Trial], needed: Sequence[str], origin: str) -> None:
    """Refuse to choose between parts that fit equally and differ, such as DINO's student and teacher."""
    whole = [trial for trial in trials if all(name in trial.fitting for name in needed)]
    rivals = [t for t in whole if any(not _are_same(t.fitting[name], best.fitting[name]) for name in needed)]
    if rivals:
        shown = [trial.prefix.rstrip(".") for trial in (best, *rivals)]
        raise WeightsError(
            f"{origin}: {len(shown)} parts of it fit equally: {', '.join(name or 'the bare names' for name in shown)}",
            f"say which is meant: --weights-prefix {next(name for name in shown[::-1] if name)}",
        )


def _are_same(one: Tensor, other: Tensor) -> bool:
    """Tell whether two tensors hold the same, "not a number" at the same places included."""
    return torch.equal(one, other) or torch.equal(one.nan_to_num(), other.nan_to_num())
