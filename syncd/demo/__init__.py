"""Shows the whole daemon at work between simulated systems, and proves what it did.

Flow: `world` writes a configuration into a temporary folder, starts the sandboxes of the ITSM and
its vendors in this process and the daemon as a child; `people` act on all sides (`staff` at the
desk, `telenor_staff` and `other_staff` at the vendors), and `automation` raises tickets through the
daemon's own gateway, with tokens of `realm`, while faults and kills fall; `clerk` settles what is
in doubt as an operator would; `court` lets `judge` count each vendor's part from the sandboxes'
records alone, by what its `pairing` promises; `show` and `report` tell it.

Invariants: the daemon is met only through its commands and its HTTP; the judge sees no store;
secrets reach the child by its environment; standard output carries one JSON object with `--json`.
"""

from syncd.demo.options import DemoOptions
from syncd.demo.run import run_demo

__all__ = ["DemoOptions", "run_demo"]
