"""`python -m sightx_cli` is `sightx`."""

from __future__ import annotations

from sightx_cli.app import main

if __name__ == "__main__":
    main()
