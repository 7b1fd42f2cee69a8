"""Training: the stages of a recipe as fastai learners, over kept prefix outputs where there is a frozen part."""
