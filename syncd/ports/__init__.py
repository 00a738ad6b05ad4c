"""What syncd asks of the outside: adapters, a clock, ids; and the tree of remote errors.

Everything here is a Protocol or a value. Implementations are handed in by `syncd.app`, so that a
test can hand in others: a fake clock, seeded ids, an adapter in memory.
"""
