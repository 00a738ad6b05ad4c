"""Several daemons on one PostgreSQL between the simulated systems, killed and stopped at work.

`fleet` stands where the demo has its daemon; `base` is their database, seen from outside;
`__main__` lets the demo's people act, disturbs one daemon after the other, and lets the demo's
judge count from what both simulated systems recorded. `throughput` compares one delivering process
with several. README.md says what is done and what was played.
"""
