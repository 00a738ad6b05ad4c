"""The daemon as a process of its own, killed and starved between two simulated systems.

`place` builds the world, `process` runs the daemon, `mortal` is how it dies at its n-th commit
without being changed, `chain` kills it at n = 1, 2, 3 … and judges from the systems' records alone.
`proxy` stands before PostgreSQL, ends the daemon at a commit and cuts its connections; `disk` takes
its room away. `make crash` does all of it to the end, `make crash ARGS="--only commit"` a part.
"""
