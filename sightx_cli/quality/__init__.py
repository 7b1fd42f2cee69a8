"""What is wrong with the images or their labels, and how far they lie from everyday photographs."""
