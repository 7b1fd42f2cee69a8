"""Training: the stages of a recipe as fastai learners, over kept prefix outputs where there is a frozen part."""

import warnings

# timm and fastai script functions with torch.jit when they are imported, which torch 2.14 calls deprecated each time;
# no user of SightX can act on it.
warnings.filterwarnings("ignore", message=r"`torch\.jit\.\w+` is deprecated", category=FutureWarning)
