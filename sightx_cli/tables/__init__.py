"""A table of the user's as its file holds it: its cells as text, what its columns are called, the files it names."""
