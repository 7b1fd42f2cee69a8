"""The user's images: one manifest for every layout, decoding that keeps range, checks, splits, fingerprint."""
