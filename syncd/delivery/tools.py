"""What every part of delivery is handed: the ways to the outside, bundled once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from syncd.core.active import Question
from syncd.core.precondition import Normalise
from syncd.delivery.files import Files
from syncd.delivery.lanes import Lanes
from syncd.delivery.ledger import Ledger
from syncd.delivery.options import Options
from syncd.delivery.outcomes import BLIND, Terms
from syncd.delivery.standstill import Standstill
from syncd.delivery.steps import ClockSteps
from syncd.model.ids import ConnectionName
from syncd.model.outbox import ClaimedOperation
from syncd.model.ticket import Value
from syncd.ports.adapter import Adapter
from syncd.ports.clock import Clock, IdSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The ways to the outside.

    Attributes:
        ledger: the store.
        adapters: connection -> adapter; read at each use, so a reload may change it.
        files: spool and downloads.
        lanes: slots of each connection.
        clock: time.
        ids: randomness.
        options: bounds.
        steps: how far the clock was set while writes are unsettled.
        standstill: whether this process stood still.
        question: what is to be looked for before a create is sent.
        normalise: N with the spellings the settings add; None: the adapter's alone.
    """

    ledger: Ledger
    adapters: Mapping[ConnectionName, Adapter]
    files: Files
    lanes: Lanes
    clock: Clock
    ids: IdSource
    options: Options
    steps: ClockSteps
    standstill: Standstill
    question: Callable[[ClaimedOperation], Question | None] = lambda _: None
    normalise: Callable[[ConnectionName, str, Value], Value] | None = None

    def normaliser(self, connection: ConnectionName) -> Normalise:
        """Return N of a connection, as baselines are kept."""
        if self.normalise is None:
            return self.adapters[connection].normalise
        return partial(self.normalise, connection)

    def terms(self, op: ClaimedOperation) -> Terms:
        """Say what an outcome of this operation, ending now, depends on."""
        adapter = self.adapters.get(op.connection)
        kind = op.write.ticket_kind
        writes = adapter.features.of(kind).writes if adapter is not None else {}
        return Terms(
            feature=writes.get(op.write.kind, BLIND),
            policy=self.options.retry,
            jitter=self.ids.jitter(),
            now=self.clock.now(),
        )
