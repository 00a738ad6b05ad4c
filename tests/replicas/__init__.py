"""Several daemons on one PostgreSQL between the simulated systems, killed and paused as they work.

`fleet` stands where the demo has its daemon; `__main__` lets the demo's people act, ends one daemon
with SIGKILL every second, pauses one for longer than leases last, and lets the demo's judge count
from what both simulated systems recorded. What a killed daemon had claimed waits for its lease,
two minutes: so a run takes that much longer than people act. `throughput` compares one delivering
process with several; its ratio means something only where there is a core for each of them.
"""
