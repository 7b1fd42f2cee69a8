"""How good a finished model is: the figures of a part of a fit, or of images labelled later."""
