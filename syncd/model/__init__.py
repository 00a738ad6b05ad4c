"""The nouns of syncd: frozen values without behaviour that touches the world.

Flow: providers make `Ticket` values, the core compares them with baselines and plans
`Operation` values, delivery carries those out and the store keeps all of them.

Invariants: nothing in here reads a clock, a file, the network or the environment; every value
is immutable; `MISSING` (the source does not say) differs from None (it says "empty").
"""
