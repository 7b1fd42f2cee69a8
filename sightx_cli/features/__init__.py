"""What the frozen prefix says of the images: computed once per image and view, kept, used everywhere."""
