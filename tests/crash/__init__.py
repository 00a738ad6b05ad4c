"""The daemon as a process of its own, killed and starved between two simulated systems.

`place` builds the world, `process` runs the daemon, `mortal` is how it dies at its n-th commit
without being changed, `chain` kills it at n = 1, 2, 3 … and judges from the systems' records alone.
"""
