"""The frozen prefix's features of images: computed once per image and view, cached, used everywhere."""
