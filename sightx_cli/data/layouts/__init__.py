"""How folders are laid out: which of them are parts, which are classes, and which only look like either."""
