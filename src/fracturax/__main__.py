"""`python -m fracturax` is the command `fracturax`."""

from fracturax.cli import main

if __name__ == "__main__":
    main()
