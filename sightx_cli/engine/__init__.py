"""The compiled forward: uint8 images in, named float outputs out, by OpenVINO or torch behind one interface."""
