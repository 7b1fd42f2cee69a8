"""The part of a run that predicts: its files, and prediction from them. Never imports torch."""
