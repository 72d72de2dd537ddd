"""The command line: parsing, progress, exit codes, nothing else."""

from __future__ import annotations


def main() -> None:
    """Run the command `fracturax`."""
    from fracturax.cli.app import run

    run()
