"""timm backbones as ordered stages, their weights, the head, and the groups whose rates a recipe promises."""

import warnings

# timm and fastai script functions with torch.jit when they are imported, which torch 2.14 calls deprecated each time;
# no user of SightX can act on it.
warnings.filterwarnings("ignore", message=r"`torch\.jit\.\w+` is deprecated", category=FutureWarning)
