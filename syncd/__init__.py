"""syncd keeps tickets in step between a customer's ITSM and its vendors, both ways.

The flow of one change: a provider is read (intake, gateway), what changed is decided from values
alone (core), the intended writes are stored in one transaction with what was seen (store), and each
is carried out exactly once (delivery). The parts meet in the store and never call one another.

Four promises hold whatever happens in between: nothing is lost, nothing is doubled, nothing comes
back, and anyone can see why.
"""

__version__ = "0.1.0"
