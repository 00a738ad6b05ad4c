"""Shows the whole daemon at work between two simulated systems, and proves what it did.

Flow: `world` writes a configuration into a temporary folder, starts both sandboxes in this process
and the daemon as a child; `people` act on both sides, and `automation` raises tickets through the
daemon's own gateway, with tokens of `realm`, while faults and kills fall; `clerk` settles
what is in doubt as an operator would; `judge` counts from the sandboxes' records alone; `show` and
`report` tell it.

Invariants: the daemon is met only through its commands and its HTTP; the judge sees no store;
secrets reach the child by its environment; standard output carries one JSON object with `--json`.
"""

from syncd.demo.options import DemoOptions
from syncd.demo.run import run_demo

__all__ = ["DemoOptions", "run_demo"]
