"""What touches private parts of other libraries for a quick start."""
