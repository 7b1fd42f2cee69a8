"""The journal of a run: what a fit has decided and trained so far, on disk, so that it can go on after anything."""
