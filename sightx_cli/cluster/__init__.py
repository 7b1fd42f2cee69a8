"""Work on many machines, on Ray: predictions of images and features of frozen layers."""
