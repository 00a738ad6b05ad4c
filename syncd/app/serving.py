"""What the daemon offers to callers, and the tickets they raise, as the store keeps them."""

from collections.abc import Mapping

from syncd.app.assembly import offers_of
from syncd.model.ids import ConnectionName
from syncd.ports.clock import Clock, IdSource
from syncd.ports.offer import Offer
from syncd.ports.served import ServedRules
from syncd.settings.values import Settings
from syncd.store.database import Database
from syncd.store.serving import StoredTickets
from syncd.store.spool import Spool


class Offers:
    """The offers of the configuration that counts now; a reload swaps them."""

    def __init__(self, settings: Settings) -> None:
        """Take those of a configuration."""
        self._offers: Mapping[ConnectionName, Offer] = offers_of(settings)

    def swap(self, offers: Mapping[ConnectionName, Offer]) -> None:
        """Take others from now on."""
        self._offers = offers

    def rules(self, connection: ConnectionName) -> ServedRules:
        """Say what the settings say about a connection's tickets."""
        offer = self._offers.get(connection)
        return ServedRules() if offer is None else offer.rules


def served_tickets(
    db: Database, spool: Spool, offers: Offers, *, clock: Clock, ids: IdSource
) -> StoredTickets:
    """Give the served tickets of a store.

    Args:
        db: the store.
        spool: bodies of their files.
        offers: for the rules of each connection.
        clock: when things happen.
        ids: makes sysIds.
    """
    return StoredTickets(db, spool, clock=clock, ids=ids, rules=offers.rules)
