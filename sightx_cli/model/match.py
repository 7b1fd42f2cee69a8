"""Matches the tensors of a file to a network: finds the prefix of their names, adapts them, counts the leftovers.

Nothing is guessed: every tensor of the network must be found, and additional ones in the file may only be a
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

from sightx_cli.errors import WeightsError, quote
from sightx_cli.model.combined_network import INPUTS

LEAST_SHARE = 0.9
"""With less than this share of the network's tensors a file is for another one; with more it is incomplete. Both are
refused, since the rest would stay random: the share only decides the message."""

MOST_PREFIXES = 8
"""How many prefixes are tried, the most frequent first."""

RENAMING = ("checkpoint_filter_fn", "_filter_torchvision_pretrained", "_filter_fn")
"""timm's names for the functions in a network's module that convert old files to present names and shapes."""

CLASSIFIERS = ("head", "heads", "fc", "classifier", "last_linear")
"""First parts of classifier names, which may be left over."""

TOKENS = ("cls_token", "dist_token", "reg_token", "register_tokens")
"""A transformer's parameters outside any module: if left over, the file is for another variant."""

FAMILIES = {
    r"\bdenseblock\d": "densenet121 and similar",
    r"\bblocks\.\d+\.attn\.": "vit_base_patch16_224, vit_large_patch16_224 and similar",
    r"\blayers\.\d+\.blocks\.\d+\.attn": "swin_base_patch4_window7_224 and similar",
    r"\bstages\.\d+\.blocks\.\d+\.(conv_dw|gamma)": "convnext_tiny, convnext_base and similar",
    r"\blayer4\.\d+\.conv3\b": "resnet50, resnet101 and similar",
    r"\blayer4\.\d+\.conv2\b": "resnet18, resnet34 and similar",
    r"\bblocks\.\d+\.\d+\.(conv_pwl|conv_dw)": "efficientnet_b0, mobilenetv2_100, tf_efficientnet_lite0 and similar",
    r"\bfeatures\.\d+\.weight$": "vgg16 and similar",
}
"""Patterns of tensor names and the timm networks they suggest; the first match counts."""

BOOKKEEPING = ("num_batches_tracked", "relative_position_index", "attn_mask")
"""Entries of some files that are computed or only counted, which no network needs."""


@dataclass(frozen=True)
class Match:
    """How a file matches a network."""

    tensors: dict[str, Tensor]
    """The state dict under timm's names, complete."""
    prefix: str
    """The prefix removed from the names in the file, with its final dot; empty for none."""
    needed: int
    """How many tensors the network needs: all except BatchNorm's counters, and how the inputs of several differ."""
    left_over: tuple[str, ...]
    """Names in the file, including the prefix, that were not used."""
    changes: tuple[str, ...] = ()
    """What was adapted, in words."""
    one_channel: bool = False
    """Whether the file's first layer reads one channel, now spread over three."""

    def describe(self) -> str:
        """Describe in one line what matched."""
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
    """The result for one prefix: the tensors under it with timm's names, and those that fit."""

    prefix: str
    found: dict[str, Tensor]
    fitting: dict[str, Tensor]
    changes: tuple[str, ...]
    one_channel: bool


def match_tensors(found: Mapping[str, Tensor], network: nn.Module, origin: str, prefix: str | None = None) -> Match:
    """Find the tensors of a network among those of a file.

    `prefix` selects a part if several fit. Raises WeightsError when the file does not fit, or when
    two parts of it fit equally and differ.
    """
    wanted = network.state_dict()
    needed = [name for name in wanted if not name.endswith(("num_batches_tracked", *INPUTS))]
    meant = [name for name in found if prefix is None or name.startswith(f"{prefix.strip('.')}.")]
    if not meant:
        starts = dict.fromkeys(name.partition(".")[0] for name in found)
        raise WeightsError(
            f'--weights-prefix "{prefix}": no name in {origin} begins with it',
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
    """List the possible prefixes of the network's names, the most frequent first.

    First those followed by a name of the network, as it is or by the position of its first part; then, for
    files with old names, those shared by at least half as many names as the network needs.
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
    except Exception:  # errors on another network's tensors do not matter: they will not fit
        return found
    return adapted


def fold_layer_scale(found: dict[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Fold a transformer's LayerScale into the layer before it if the network has none: the same function.

    γ · (W x + b) = (γ W) x + γ b. UNI, for example, was trained with it, but the network in timm has none.
    """
    folded = dict(found)
    for name, gamma in found.items():
        scaled = re.fullmatch(r"(.*\.)ls([12])\.gamma", name)
        layer = f"{scaled[1]}{'attn.proj' if scaled[2] == '1' else 'mlp.fc2'}" if scaled else ""
        if name in wanted or f"{layer}.weight" not in found or f"{layer}.bias" not in found:
            continue
        if gamma.dim() != 1 or found[f"{layer}.weight"].shape[:1] != gamma.shape:
            continue
        folded[f"{layer}.weight"] = found[f"{layer}.weight"] * gamma[:, None]
        folded[f"{layer}.bias"] = found[f"{layer}.bias"] * gamma
        del folded[name]
    return folded


def widen_stem(found: dict[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Spread a one-channel first layer (O, 1, k, k) over three channels, with a third of its weights each.

    For grey images in RGB that is the same function, if all three channels share one mean and deviation.
    """

    def is_grey_stem(name: str, tensor: Tensor) -> bool:
        shape = wanted[name].shape if name in wanted else ()
        return len(shape) == tensor.dim() == 4 and (tensor.shape[1], shape[1]) == (1, 3)

    return {n: t.repeat(1, 3, 1, 1) / 3 if is_grey_stem(n, t) else t for n, t in found.items()}


def _name_by_position(name: str, network: nn.Module) -> str:
    """Return the name with the position of its first part among the network's children: conv1.weight → 0.weight.

    Layers are named like this if a network was taken apart into an `nn.Sequential`, like RadImageNet's.
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
        changes.append("layers named by position")
    under = adapt_tensors(under, network)
    folded = fold_layer_scale(under, wanted)
    if len(folded) < len(under):
        changes.append("LayerScale folded into the layers before it")
    widened = widen_stem(folded, wanted)
    one_channel = any(widened[name] is not tensor for name, tensor in folded.items())
    if one_channel:
        changes.append("its one-channel first layer spread over three")
    fitting = {name: t for name, t in widened.items() if name in wanted and _are_alike(wanted[name], t)}
    return _Trial(prefix, widened, fitting, tuple(changes), one_channel)


def _refuse_missing(
    trial: _Trial, wanted: Mapping[str, Tensor], needed: Sequence[str], origin: str, names: Sequence[str]
) -> None:
    missing = [name for name in needed if name not in trial.fitting]
    if not missing:
        return
    typed = [name for name in missing if name in trial.found and trial.found[name].shape == wanted[name].shape]
    if typed:
        kinds = [str(tensors[typed[0]].dtype).removeprefix("torch.") for tensors in (trial.found, wanted)]
        raise WeightsError(
            f"{origin}: {len(typed)} of the network's {len(needed)} tensors hold numbers of another kind, such as "
            f"{typed[0]}, {kinds[0]} in the file and {kinds[1]} in the network",
            "save the network's weights as ordinary float32 tensors",
        )
    first = missing[0]
    if len(missing) > (1 - LEAST_SHARE) * len(needed):
        raise WeightsError(
            f"{origin}: only {len(needed) - len(missing)} of the network's {len(needed)} tensors are in it, but all "
            f"must be (missing, for example: {first})",
            f"these weights are for another network: choose it with --backbone{suggest_networks(names)}, or give this "
            f"network's file. Its names: {', '.join(names[:2])}, …",
        )
    if first in trial.found:
        shapes = (tuple(trial.found[first].shape), tuple(wanted[first].shape))
        first = f"{first}, of shape {shapes[0]} in the file and {shapes[1]} in the network"
    raise WeightsError(
        f"{origin}: {len(missing)} of the network's {len(needed)} tensors are missing, such as {first}",
        "give a complete file: the missing tensors would stay random",
    )


def _are_alike(wanted: Tensor, found: Tensor) -> bool:
    """Tell whether a tensor of a file has the shape of the network's, and holds fractions where that does."""
    return wanted.shape == found.shape and wanted.is_floating_point() == found.is_floating_point()


def suggest_networks(names: Sequence[str]) -> str:
    """Suggest networks with such tensor names, as an addition to a hint; empty if no family is known."""
    for pattern, networks in FAMILIES.items():
        if any(re.search(pattern, name) for name in names):
            return f" (such names have {networks})"
    return ""


def _refuse_other_variant(trial: _Trial, wanted: Mapping[str, Tensor], origin: str) -> None:
    """Refuse a file with layers inside the network's stages that the network lacks: it is for a deeper one."""
    roots = {name.partition(".")[0] for name in wanted} - set(CLASSIFIERS)
    stray = [
        name
        for name in trial.found
        if name not in trial.fitting and not name.endswith(BOOKKEEPING)
        if name in TOKENS or ("." in name and name.partition(".")[0] in roots)
    ]
    if stray:
        raise WeightsError(
            f"{origin}: has {len(stray)} tensors inside the network's stages that the network does not have, "
            f"such as {stray[0]}",
            "these weights are for a deeper or another variant: choose it with --backbone",
        )


def _refuse_rivals(best: _Trial, trials: Sequence[_Trial], needed: Sequence[str], origin: str) -> None:
    """Refuse to choose between parts that fit equally well but differ, such as DINO's student and teacher."""
    whole = [trial for trial in trials if all(name in trial.fitting for name in needed)]
    rivals = [t for t in whole if any(not _are_same(t.fitting[name], best.fitting[name]) for name in needed)]
    if rivals:
        shown = [trial.prefix.rstrip(".") for trial in (best, *rivals)]
        raise WeightsError(
            f"{origin}: {len(shown)} parts fit equally well: {', '.join(name or 'no prefix' for name in shown)}",
            f"choose one: --weights-prefix {quote(next(name for name in shown[::-1] if name))}",
        )


def _are_same(one: Tensor, other: Tensor) -> bool:
    """Tell whether two tensors are equal, with NaN at the same positions."""
    return torch.equal(one, other) or torch.equal(one.nan_to_num(), other.nan_to_num())
