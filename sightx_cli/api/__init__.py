"""The public Python API: one file per command, of the command's name; functions return results and print nothing.

The package itself hands them out: `from sightx_cli import fit`.
"""
