"""Every figure of merit, with its interval; scikit-learn underneath."""
