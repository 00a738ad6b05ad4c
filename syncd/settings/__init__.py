"""Reads config/, names every problem at once, hands out frozen values (MAPPING.md).

Flow: `yaml_nodes` reads text with the place of every node; `validate` holds it against pydantic
models and gives each complaint its line and column; `connections`, `tables` and the `mapping_*`
modules check what only the whole can tell and build values of `core.rules`; `load` joins them.

Invariants: a file is never half accepted: `load` returns whole `Settings` or raises one
`SettingsError` with all problems of all files (to look only, it may leave all mappings out);
nothing outside this package reads configuration
or the environment; no problem's text ever holds a secret.
"""
