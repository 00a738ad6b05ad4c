"""Lets `python -m syncd` do what the `syncd` command does."""

from syncd.cli import main

if __name__ == "__main__":
    main()
