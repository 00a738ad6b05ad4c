"""Pure decisions: what changed, what it means for the other side, what to write.

Flow: a snapshot of a ticket and the link it belongs to become a `LinkState`; `plan` compares it
with the baselines, merges per slot, applies the mapping's rules and yields a `Plan` of values that
the store commits in one transaction. Nothing in here does I/O, reads a clock or draws randomness.
"""
