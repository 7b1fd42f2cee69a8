"""What a recipe does, in plain words: for people who do not train networks for a living."""

from __future__ import annotations

from sightx_cli.recipe.recipe import Recipe


def name_train_loss(recipe: Recipe) -> str:
    """Name what the loss of training is measured with and that of valid is not; empty if nothing."""
    training = recipe.training
    named = {
        "class weights": training.class_weights == "balanced",
        "label smoothing": training.label_smoothing > 0,
        "augmented views": training.views > 1 or any(stage.train == "all" for stage in recipe.stage),
        "dropout": recipe.model.head.dropout > 0,
    }
    return ", ".join(name for name, is_so in named.items() if is_so)
