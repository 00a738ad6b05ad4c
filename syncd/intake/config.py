"""What intake works with: swapped as a whole when the configuration is reloaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from syncd.core.opening import at_account
from syncd.core.pacing import WatchPace
from syncd.core.rules import MappingRules
from syncd.core.state import SideTraits
from syncd.model.features import Reading
from syncd.model.ids import ConnectionName, MappingName, Side
from syncd.model.ticket import Ticket
from syncd.ports.adapter import Adapter
from syncd.store.records import LinkRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeOptions:
    """Limits of intake, each with its unit.

    Attributes:
        reads_per_round: tickets read of one connection in one round.
        decisions_per_round: tickets decided about in one round.
        rounds_max: rounds one `drain` makes before it lets others work.
        inbox_per_round: pushed messages taken in one round.
        retry_s: first pause after a failed read; doubles up to `retry_max_s`.
        retry_max_s: longest pause after failed reads.
        gone_after: reads in a row answered "not found" that make a ticket gone (R8).
        gone_first_s: first pause before such a ticket is looked for again; each is as long as it
            has been gone.
        gone_most_s: longest such pause.
        gone_for_s: one gone for longer is looked for only when something names it.
        round_s: reading what is due of one connection takes a round no longer than about this:
            what is asked for meanwhile waits for the next.
        reads_min: tickets read in one round however slow the connection is.
        idle_s: longest pause between two drains without a wake-up.
    """

    reads_per_round: int = 64
    decisions_per_round: int = 256
    rounds_max: int = 20
    inbox_per_round: int = 100
    retry_s: float = 5.0
    retry_max_s: float = 900.0
    gone_after: int = 3
    gone_first_s: float = 900.0
    gone_most_s: float = 7 * 86_400.0
    gone_for_s: float = 90 * 86_400.0
    round_s: float = 5.0
    reads_min: int = 8
    idle_s: float = 1.0


_PACE = WatchPace()


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeConfig:
    """The configuration as intake sees it.

    Attributes:
        mappings: rules by name.
        adapters: by connection.
        traits: by connection, over all its kinds of ticket.
        kind_traits: by connection and kind, where kinds differ; absent: as the connection.
        paces: by connection: how its tickets are watched.
        revision: of the configuration.
    """

    mappings: Mapping[MappingName, MappingRules]
    adapters: Mapping[ConnectionName, Adapter]
    traits: Mapping[ConnectionName, SideTraits]
    kind_traits: Mapping[tuple[ConnectionName, str], SideTraits] = field(default_factory=dict)
    paces: Mapping[ConnectionName, WatchPace] = field(default_factory=dict)
    revision: str = ""

    def is_watched(self, connection: ConnectionName) -> bool:
        """Whether a connection's tickets are read one by one, each in its turn."""
        traits = self.traits.get(connection)
        return traits is not None and traits.features.reading is Reading.WATCH

    def pace(self, connection: ConnectionName) -> WatchPace:
        """Give how a connection's tickets are watched."""
        return self.paces.get(connection, _PACE)

    def sides(self, connection: ConnectionName, kind: str) -> list[tuple[MappingRules, Side]]:
        """List the mappings that have this connection and kind of ticket on a side."""
        return [
            (rules if side is Side.ITSM else rules.at(connection), side)
            for rules in self.mappings.values()
            for side in Side
            if connection in rules.connections(side) and rules.kind(side) == kind
        ]

    def kinds(self, connection: ConnectionName) -> tuple[str, ...]:
        """List the kinds of ticket that any mapping uses of a connection."""
        return tuple(
            sorted(
                {
                    rules.kind(side)
                    for rules in self.mappings.values()
                    for side in Side
                    if connection in rules.connections(side)
                }
            )
        )

    def traits_of(self, rules: MappingRules) -> Mapping[Side, SideTraits]:
        """Return both sides' traits of a mapping."""
        return {side: self.traits_for(rules.connection(side), rules.kind(side)) for side in Side}

    def traits_for(self, connection: ConnectionName, kind: str) -> SideTraits:
        """Return the traits of a connection's tickets of one kind."""
        return self.kind_traits.get((connection, kind)) or self.traits[connection]

    def opening_rules(self, rules: MappingRules, ticket: Ticket, source: Side) -> MappingRules:
        """Return the rules for the vendor connection that a ticket's partner belongs to."""
        if source is Side.VENDOR:
            return rules
        return at_account(rules, ticket, self.traits_for(rules.itsm, rules.itsm_kind))

    def link_rules(self, link: LinkRecord) -> MappingRules | None:
        """Return the rules of a link, for the vendor connection it was opened on."""
        rules = self.mappings.get(link.mapping)
        return rules if rules is None else rules.at(link.vendor)
