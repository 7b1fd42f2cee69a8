"""From a file to upright 8-bit RGB pixels, a reader for each kind of file."""
