"""Errors of the store.

SyncdError
├── StoreUnavailable        the database cannot be reached, or its disk is full or failing
└── CommandRefused
    ├── StoreHeld           another process holds the store for writing
    └── SchemaMismatch      the database's schema is older or newer than this version of syncd
        └── SchemaMissing   the database has no tables of ours
"""

from syncd.model.errors import CommandRefused, SyncdError
from syncd.store.records import HolderInfo


class StoreUnavailable(SyncdError):
    """Nothing can be stored or read now; whether the last transaction was stored is unknown."""


class StoreHeld(CommandRefused):
    """Another process holds the store for writing.

    Attributes:
        holder: who it is.
    """

    def __init__(self, holder: HolderInfo) -> None:
        """Keep the holder and name it in the text."""
        self.holder = holder
        since = f", since {holder.started_at:%Y-%m-%d %H:%M:%S} UTC" if holder.started_at else ""
        super().__init__(
            f"{holder.database} is in use by {holder.what} (process {holder.pid} on "
            f"{holder.host}{since}); stop that one first"
        )


class SchemaMismatch(CommandRefused):
    """The schema in the database is not the one this version works with."""


class SchemaMissing(SchemaMismatch):
    """The database has no tables of ours."""
