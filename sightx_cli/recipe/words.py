"""What a recipe and a plan do, in plain words: for people who do not train networks for a living."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sightx_cli.metrics.registry import find_title
from sightx_cli.recipe.names import show_value
from sightx_cli.recipe.parts import Joining, TrainingStage
from sightx_cli.recipe.plan import Plan
from sightx_cli.recipe.profiles import CHANGES, PROFILES
from sightx_cli.recipe.rates import HEAD, Rate
from sightx_cli.recipe.recipe import Recipe
from sightx_cli.recipe.values import BESIDE, SCRATCH

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
SHARES = {2: "half", 3: "a third", 4: "a quarter", 5: "a fifth", 10: "a tenth", 100: "a hundredth"}
STAGES = {"tf_efficientnet_lite0": 8, "tf_efficientnet_lite1": 8, "tf_efficientnet_lite2": 8}
"""How many stages a network has that recipes name: of another it is known only once it is built."""
FITS = {"crop": "their centre cut out", "pad": "padded to a square", "squash": "squeezed into a square"}
NOT_TOLD = ("data.", "weights.", "from.", "cross_validation.", "seed", "rate", "name", "when.", "image.off")
"""Of these values the other lines tell, or nobody asks before a fit."""


def describe_plan(plan: Plan) -> list[tuple[str, str]]:
    """Say what a fit will do: rows of (what, in words), at the end what the user and the images changed."""
    recipe, values = plan.recipe, plan.values
    counts = [(values[f"data.{part}"].value, word) for part, word in PARTS.items() if f"data.{part}" in values]
    rows = [
        ("trains", describe_training(recipe, stages_must_pay(plan) and "rate" not in values)),
        ("ends early", describe_judgement(plan)),
        ("why", plan.reason.partition(". ")[0].removesuffix(".")),
        ("images", ", ".join(f"{count:,} {word}" for count, word in counts if isinstance(count, int) and count)),
        ("network", describe_network(recipe, "from the earlier run" if "from.run" in values else "")),
        ("views", describe_views(recipe)),
        ("left out", values["image.off"].evidence if recipe.image.off else ""),
        ("epoch kept", f"the best on the validation images by {find_title(str(values['training.metric'].value))}"),
        ("by the images", ", ".join(list_departures(plan, ("data", "probe")))),
        ("by you", ", ".join(list_departures(plan, ("option",)))),
    ]
    return [(what, text) for what, text in rows if text]


PARTS = {"train": "to train", "valid": "to validate", "test": "to test"}


def list_departures(plan: Plan, origins: Sequence[str]) -> Iterator[str]:
    """List what departs from the recipe, by where it comes from: class weights balanced, stage 2 train last:3."""
    for key, item in plan.values.items():
        if item.origin in origins and not key.startswith(NOT_TOLD):
            if key == "ordered":
                yield "grades in order" if item.value else "codes, not grades"
                continue
            if key.startswith("stage."):
                if item.value in (None, [], ()):
                    continue
                words = [str(int(word) + 1) if word.isdigit() else word for word in key.split(".")]
                name = " ".join(words)  # stage 1 join 2 after
            else:
                name = key.removeprefix("model.").partition(".")[2] or key
            value = item.value if isinstance(item.value, str) else show_value(item.value)
            yield f"{name.replace('_', ' ')} {value.replace('_', ' ') if key == 'training.metric' else value}"


def describe_training(recipe: Recipe, is_solved: bool = False) -> str:
    """Say what trains, for how long: the head for 3 epochs, then the last two of eight stages for 3 epochs, at ….

    Where the head `is_solved`, a first stage of it alone has no epochs.
    """
    total = STAGES.get(recipe.model.backbone)
    steps = []
    for place, stage in enumerate(recipe.stage):
        if is_solved and place == 0 and stage.train == HEAD and not stage.join and not recipe.model.head.hidden:
            steps.append("the head, solved for its least loss")
            continue
        many = f"{stage.epochs:,} epoch{'s' * (stage.epochs != 1)}"
        slower = describe_rate(stage.rate, stage.train)
        later = [f"joined after {one.after:,} by {name_part(one, total)}" for one in stage.join]
        steps.append(", ".join([f"{name_part(stage, total)} for {many}", *([slower] if slower else []), *later]))
    only = "; the network itself stays as it is" if all(stage.train == HEAD for stage in recipe.stage) else ""
    return ", then ".join(steps) + only


def stages_must_pay(plan: Plan) -> bool:
    """Tell whether stages that bring nothing are left out or ended: not with --full, nor from random weights."""
    return plan.recipe.model.weights != SCRATCH and "full" not in plan.values


def describe_judgement(plan: Plan) -> str:
    """Say that a stage which trains layers must pay; empty where none does, or all train in full."""
    if not stages_must_pay(plan) or all(stage.train in (HEAD, "all", SCRATCH) for stage in plan.recipe.stage):
        return ""
    return "a stage that trains layers, if it does not pay on training images left out of it; --full prevents it"


def name_part(stage: TrainingStage | Joining, total: int | None = None) -> str:
    """Name what a stage trains: the head, the last two of eight stages, the whole network."""
    train = stage.train
    if not isinstance(train, str):
        return ", ".join(train)
    kind, _, count = train.partition(":")
    if count.endswith("%"):
        return f"the last {count} of the layers"
    if kind in ("last", "last-blocks"):
        noun = "stage" if kind == "last" else "block"
        of = f" of {spell(total)}" if total and kind == "last" else ""
        return f"the last {f'{spell(int(count))}{of} {noun}s' if int(count) > 1 else noun}"
    whole = {"all": "the whole network", SCRATCH: "the whole network from random weights"}
    return whole.get(train, "the head")


def describe_rate(rate: Rate, train: str | tuple[str, ...]) -> str:
    """Say how the rates of a stage compare: at a tenth of the head's rate; empty where there is one for all."""
    if isinstance(rate, Mapping):
        if "decay" in rate:
            return f"each stage at {rate['decay']:g} times the rate of the next"
        if set(rate) == {HEAD, "backbone"} and train != HEAD:
            return f"at {name_share(rate['backbone'] / rate[HEAD])} the head's rate"
        return "the parts at rates of their own" if len(set(rate.values())) > 1 else ""
    if isinstance(rate, tuple) and rate[0] < rate[1]:
        return "the earliest layers at the lowest rate"
    return ""


def name_share(share: float) -> str:
    """Name a share of a rate: "a tenth of", "0.3 times", "exactly" for all of it."""
    parts = round(1 / share) if share > 0 else 0
    if parts in SHARES and abs(share * parts - 1) < 1e-6:
        return f"{SHARES[parts]} of"
    return f"{share:g} times"


def spell(number: int) -> str:
    """Spell a small number."""
    return NUMBERS[number] if number < len(NUMBERS) else f"{number:,}"


def describe_network(recipe: Recipe, start: str = "") -> str:
    """Say which network reads the images, from which weights (by default as the recipe says), and at which size."""
    network, image = recipe.model, recipe.image
    origin = {"imagenet": "pretrained on photographs (ImageNet)", "file": "from your weights"}
    start = start or origin.get(network.weights, "from random weights")
    grey = ", in grey" if network.grey else ""
    *others, name = network.backbone.split(BESIDE)
    name = f"{', '.join(others)} and {name} side by side" if others else name
    return f"{name}, {start}; reads the images at {image.size_px} px, {FITS[image.fit]}{grey}"


def describe_views(recipe: Recipe) -> str:
    """Say how the training images are varied: how many views, and what a view may change."""
    profile, views = PROFILES[recipe.image.profile], recipe.training.views
    if any(stage.train in ("all", SCRATCH) for stage in recipe.stage):
        count = "augmented afresh in every epoch"
    elif views == 1:
        return "each training image as it is"
    else:
        count = f"each training image as it is, and {spell(views - 1)} augmented view{'s' * (views > 2)}"
    off = "".join(f"; {CHANGES[name].off}" for name in recipe.image.off or ())
    return f"{count}; profile {profile.name}: {profile.meaning}{off}"


def name_train_loss(recipe: Recipe) -> str:
    """Name what the loss of training is measured with and that of valid is not; empty if nothing."""
    training = recipe.training
    named = {
        "class weights": training.class_weights == "balanced",
        "label smoothing": training.label_smoothing > 0,
        "augmented views": training.views > 1 or any(stage.train in ("all", SCRATCH) for stage in recipe.stage),
        "dropout": recipe.model.head.dropout > 0,
    }
    return ", ".join(name for name, is_so in named.items() if is_so)
