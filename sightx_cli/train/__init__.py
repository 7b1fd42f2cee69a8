"""Training: the stages of a recipe as fastai learners, on cached features where there is a frozen part."""
