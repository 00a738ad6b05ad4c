"""Python's garbage collector, set for a process that lives long and works in short bursts."""

import gc

YOUNG_MAX = 10_000
"""Objects made and not freed again before the young ones are looked at; Python's own is 700.

A burst of deliveries has thousands of objects alive that are all freed a moment later by their
counts: to look at them forty times over found nothing and took a seventh of the processor's time.
"""
ROUNDS = 20
"""Looks at one generation before the next older one is looked at as well."""


def calm() -> None:
    """Leave what the start made out of every later collection, and collect more rarely.

    To be called once everything is imported and the configuration is read: next to nothing of that
    is garbage, and walking over it stops the process for a tenth of a second each time. Whoever
    starts the process may have the collector off until here.
    """
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, ROUNDS, ROUNDS)
    gc.enable()
