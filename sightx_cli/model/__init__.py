"""timm backbones as ordered stages, their weights, the head, and the groups whose rates a recipe promises."""

import warnings

# timm and fastai script functions with torch.jit on import, and torch 2.14 warns each time that this is deprecated;
# users of SightX can do nothing about it.
warnings.filterwarnings("ignore", message=r"`torch\.jit\.\w+` is deprecated", category=FutureWarning)
