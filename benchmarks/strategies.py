"""The part that holds the ways of fine-tuning against each other: one backbone, three data sets, the same images."""

from typing import Any

from fitting import describe_fit
from measuring import Bench

BACKBONE = "tf_efficientnet_lite0"
"""In the place of the recipes' own: its ImageNet weights come with the package."""

EPOCHS = 5
"""Of the two ways in which every layer trains: an epoch of theirs costs as much as all of another's."""

SCRATCH = f'stage=[{{train="scratch",epochs={EPOCHS},rate=1e-3}}]'

STRATEGIES: dict[str, tuple[str, ...]] = {
    "features only": ("mobilenetv2-features",),
    "partial": ("mobilenetv2-partial",),
    "progressive": ("mobilenetv2-progressive",),
    "full": ("mobilenetv2-full", "--set", f"stage.0.epochs={EPOCHS}"),
    "from scratch": ("mobilenetv2-full", "--set", "model.weights=scratch", "--set", SCRATCH),
}
"""The reference recipes of the strategies, with what departs from them."""

TABLE = {"hymenoptera": "natural-small", "idrid": "medical-small", "chest_xray": "medical-medium"}
"""What the decision table says of each set."""


def compare_strategies(bench: Bench) -> dict[str, Any]:
    """Features only, partial, progressive, full, from scratch, and the decision table's own recipe, side by side."""
    quick = bench.quick
    folders = {
        "hymenoptera": bench.subset("hymenoptera", *((24, 12) if quick else (244, 153))),
        "idrid": bench.split("idrid", 0, 30 if quick else None),
        "chest_xray": bench.subset("chest_xray", *((24, 12) if quick else (2000, 782))),
    }
    found: dict[str, dict[str, Any]] = {}
    for name, folder in folders.items():
        found[name] = {}
        for strategy, (recipe, *options) in STRATEGIES.items():
            words = ["--backbone", BACKBONE, *options]
            if quick:
                words += ["--set", 'stage=[{train="head",epochs=1,rate=1e-3}]', "--set", "image.size_px=64"]
            found[name][strategy] = describe_fit(bench.run_fit(folder, recipe, *words, store=f"{name}-{strategy}"))
        found[name][TABLE[name]] = describe_fit(bench.fit(folder, TABLE[name], store=f"{name}-table"))
    return {"sets": found}
