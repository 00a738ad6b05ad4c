"""House rules that a machine can hold: sizes, docstrings, names."""
