"""timm backbones as ordered stages, their weights, the head, and the groups whose rates a recipe promises."""
