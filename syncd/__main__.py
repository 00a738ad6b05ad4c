"""Lets `python -m syncd` do what the `syncd` command does."""

import sys

from syncd.cli import main

if __name__ == "__main__":
    sys.exit(main())
