"""How things stand: what needs a person, what is late, and every part's own line."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from syncd.app.news import overdue_since
from syncd.cli.facts.explain import judge
from syncd.cli.facts.held import held_of
from syncd.cli.facts.traits import features_of, intake_config, traits_of
from syncd.cli.text import ago, count, cut, span
from syncd.core.evaluate import phase_of
from syncd.core.rules import MappingMode
from syncd.core.slots import STATUS
from syncd.core.status import CLOSING_PHASES
from syncd.intake import IntakeConfig
from syncd.model.features import Reading
from syncd.model.ids import ConnectionName, Side
from syncd.model.operation import WriteKind
from syncd.registry import PROVIDERS
from syncd.settings.values import ConnectionSettings, Settings
from syncd.store import reports, troubled, watching
from syncd.store.database import Tx
from syncd.store.records import FeedRecord, OperationRecord, StoredTicket
from syncd.store.reports import ConnectionStatus, MappingStatus

LATE_POLLS = 3
"""A feed is late when it was not read to the end for so many of its intervals …"""
LATE_MIN_S = 120.0
"""… and for at least so many seconds."""
NAMED_MAX = 5
"""Operations or conflicts that are named each; the rest is counted."""
DETAIL_CHARS_MAX = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something a person must do: what is the matter, and the command."""

    what: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Everything `status` shows.

    Attributes:
        stored: as the store has it.
        settings: the configuration, as its files are now.
        daemon: what the running daemon says of itself; None: none answers.
        can_ask: a daemon on this store would answer here (SQLite).
        needs: what needs a person, the most urgent first.
        late: what should have happened by now.
        rests_on: connection -> what its reading rests on, where there is something to say.
        now: the instant of all this.
    """

    stored: reports.Status
    settings: Settings
    daemon: Mapping[str, Any] | None
    can_ask: bool
    needs: tuple[Need, ...]
    late: tuple[str, ...]
    now: datetime
    rests_on: Mapping[ConnectionName, str] = field(default_factory=dict)

    def budget(self, name: ConnectionName) -> str:
        """Say what a connection allows: `2 requests/s`."""
        if name not in self.settings.connections:
            return "not readable" if self.settings.errors else "not configured"
        return f"{features_of(self.settings, name).limits.requests_per_s:g} requests/s"

    @property
    def is_restart_safe(self) -> bool:
        """Whether a restart now interrupts no write."""
        if self.daemon is not None:
            return bool(self.daemon.get("safe_to_restart"))
        return self.stored.in_flight == 0


def gather(tx: Tx, settings: Settings, daemon: Mapping[str, Any] | None, now: datetime) -> Standing:
    """Gather how things stand (a unit of the store)."""
    stored = reports.status(tx, now)
    can_ask = not tx.is_postgres
    return Standing(
        stored=stored,
        settings=settings,
        daemon=daemon,
        can_ask=can_ask,
        needs=(
            *_needs(stored, settings, daemon, _Behind(tx, settings, now)),
            *_not_sent(tx, settings),
            *_without_partner(tx, settings),
        ),
        late=(*_late(stored, settings, daemon, now), *_unreadable(tx, stored, settings)),
        now=now,
        rests_on=dict(_rests_on(tx, stored, settings, now)),
    )


def _rests_on(
    tx: Tx, stored: reports.Status, settings: Settings, now: datetime
) -> Iterator[tuple[ConnectionName, str]]:
    """Say what reading rests on: a report of some age, or each ticket's own turn."""
    for each in stored.connections:
        name = each.record.pin.name
        configured = settings.connections.get(name)
        if configured is None:
            continue
        provider = PROVIDERS[configured.provider]
        for feed in each.feeds:
            basis = provider.basis(feed.cursor) if feed.cursor else None
            if basis is not None:
                yield name, f"{basis[0]}, read {ago(basis[1], now)}"
        if features_of(settings, name).reading is Reading.WATCH and each.tickets.watched:
            since = now - timedelta(seconds=configured.poll.pace.hot_s)
            found = watching.watched(tx, name, since)
            said = f"tickets read one by one: {found.hot:,} hot, {found.others:,} cooling or cold"
            yield name, f"{said}, {found.at_rest:,} at rest"


# --- what needs a person ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Behind:
    """Looks up what waits to be carried on until an operation is settled."""

    tx: Tx
    settings: Settings
    now: datetime

    @cached_property
    def _config(self) -> IntakeConfig:
        return intake_config(self.settings)

    def __call__(self, each: OperationRecord) -> str:
        if each.kind not in (WriteKind.COMMENT, WriteKind.ATTACHMENT) or each.sends == 0:
            return ""
        found = held_of(self.tx, each.link_id, self._config, self.now)
        kinds = Counter(str(one.kind) for one in found if one.operation == each.id)
        told = ", ".join(count(number, kind) for kind, number in kinds.items())
        return f"; {told} held until then" if told else ""


def _needs(
    stored: reports.Status, settings: Settings, daemon: Mapping[str, Any] | None, behind: _Behind
) -> Iterator[Need]:
    if daemon is None and not behind.tx.is_postgres:
        yield Need(what="no daemon runs on this store", command="syncd run")
    yield from _paused_by_us(stored)
    yield from _undecided(stored, behind)
    if settings.errors:
        yield _broken(settings)
    elif daemon is not None and daemon.get("revision") != settings.revision:
        what = "the configuration's files changed since the daemon read them"
        yield Need(what=what, command=f"syncd check && kill -HUP {daemon.get('pid')}")


def _broken(settings: Settings) -> Need:
    """Say that the rules cannot be read, and what is therefore not shown."""
    found = f"{count(len(settings.errors), 'error')} in the configuration's files"
    what = f"{found}: no daemon can start, one that runs goes on with its last good ones"
    return Need(what=f"{what}; what is not sent is not shown", command="syncd check")


def _paused_by_us(stored: reports.Status) -> Iterator[Need]:
    """Name what syncd itself paused: refused credentials, a mapping that opened too many."""
    for connection in stored.connections:
        pause, name = connection.record.pause, connection.record.pin.name
        if pause is not None and not pause.by.startswith("cli:"):
            what = f"{name} is paused: {cut(pause.reason, DETAIL_CHARS_MAX)}"
            yield Need(what=what, command=f"syncd resume {name}")
    for mapping in stored.mappings:
        pause, of = mapping.record.pause, mapping.record.name
        if pause is not None and not pause.by.startswith("cli:"):
            what = f"{of} is paused: {cut(pause.reason, DETAIL_CHARS_MAX)}"
            yield Need(what=what, command=f"syncd resume {of}")


def _undecided(stored: reports.Status, behind: _Behind) -> Iterator[Need]:
    for each in stored.parked[:NAMED_MAX]:
        yield Need(what=_parked(each) + behind(each), command=f"syncd ops show {each.id}")
    if stored.parked_count > NAMED_MAX:
        what = f"{stored.parked_count - NAMED_MAX} more operations are parked"
        yield Need(what=what, command="syncd ops list --parked")
    for conflict in stored.conflicts[:NAMED_MAX]:
        numbers = " ⇄ ".join(conflict.numbers.get(side, "") or "?" for side in Side)
        command = f"syncd conflicts resolve {conflict.id} --keep itsm|vendor"
        yield Need(what=f"{numbers}: both sides changed {conflict.slot}", command=command)
    if len(stored.conflicts) > NAMED_MAX:
        what = f"{len(stored.conflicts) - NAMED_MAX} more conflicts"
        yield Need(what=what, command="syncd conflicts list")


def _not_sent(tx: Tx, settings: Settings) -> Iterator[Need]:
    """Name tickets that a mapping chose and that lack what their partner needs."""
    waiting = troubled.unopened(tx)
    config = intake_config(settings) if waiting else None
    found = []
    for each in waiting:
        rules = settings.mappings.get(each.mapping)
        if config is not None and rules is not None and rules.mode is MappingMode.LIVE:
            judged = judge(rules, each.origin, each.ticket, config, None)
            found += [(each.ticket, judged.problems)] * bool(judged.problems)
    for ticket, problems in found[:NAMED_MAX]:
        what = f"{_called(ticket)} is not sent: {cut('; '.join(problems), DETAIL_CHARS_MAX)}"
        yield Need(what=what, command=f"syncd explain {_called(ticket)}")
    if len(found) > NAMED_MAX:
        what = f"{len(found) - NAMED_MAX} more tickets lack what their partner needs"
        yield Need(what=what, command="syncd link list")


def _without_partner(tx: Tx, settings: Settings) -> Iterator[Need]:
    """Name open tickets whose partner is not there any more: nobody hears what is said on them."""
    found = [
        each
        for each in troubled.bereft(tx)
        if each.left.snapshot is not None
        and each.left.connection in settings.connections
        and phase_of(each.left.snapshot.get(STATUS), traits_of(settings, each.left.connection))
        not in CLOSING_PHASES
    ]
    for each in found[:NAMED_MAX]:
        left, gone = _called(each.left), _called(each.gone)
        what = f"{left}: its partner {gone} is not at {each.gone.connection} any more"
        yield Need(what=what, command=f"syncd explain {left}")
    if len(found) > NAMED_MAX:
        what = f"{len(found) - NAMED_MAX} more open tickets lost their partner"
        yield Need(what=what, command="syncd link list")


def _called(ticket: StoredTicket) -> str:
    return ticket.number or str(ticket.external_id or "(no number)")


def _parked(each: OperationRecord) -> str:
    reason = (each.park_reason or "").replace("_", " ")
    where = each.target_number or f"{each.connection}, from {each.source_number}"
    detail = f": {cut(each.detail, DETAIL_CHARS_MAX)}" if each.detail else ""
    return f"{where}: {each.kind} {reason}{detail}"


# --- what is late ----------------------------------------------------------------------------


def _late(
    stored: reports.Status, settings: Settings, daemon: Mapping[str, Any] | None, now: datetime
) -> Iterator[str]:
    by_connection: dict[ConnectionName, list[OperationRecord]] = {}
    for each in stored.late:
        by_connection.setdefault(each.connection, []).append(each)
    for name, found in by_connection.items():
        since = span((now - min(each.planned_at for each in found)).total_seconds())
        last = next((each.detail for each in found if each.detail), "")
        why = f": {cut(last, DETAIL_CHARS_MAX)}" if last else ""
        yield f"{count(len(found), 'write')} to {name} since {since}{why}"
    for connection in stored.connections:
        configured = settings.connections.get(connection.record.pin.name)
        if configured is not None and connection.record.pause is None:
            yield from _late_reading(connection, configured, settings, now)
            yield from _silent(connection, configured, daemon, now)
    if stored.inbox and daemon is None:
        yield f"{count(stored.inbox, 'notification')} not read"


def _late_reading(
    connection: ConnectionStatus, configured: ConnectionSettings, settings: Settings, now: datetime
) -> Iterator[str]:
    name, limit_s = configured.name, max(LATE_MIN_S, LATE_POLLS * configured.poll.every_s)
    if features_of(settings, name).reading is not Reading.WATCH:
        for feed in connection.feeds:
            if _is_late(feed, now - timedelta(seconds=limit_s)):
                why = f": {cut(feed.error, DETAIL_CHARS_MAX)}" if feed.error else ""
                read = ago(feed.last_complete_at, now)
                yield f"{name}: {feed.kind} feed read to the end {read}{why}"


def _unreadable(tx: Tx, stored: reports.Status, settings: Settings) -> Iterator[str]:
    """Name tickets that cannot be read, of connections that are not paused."""
    for connection in stored.connections:
        name = connection.record.pin.name
        if name not in settings.connections or connection.record.pause is not None:
            continue
        found = troubled.failing(tx, name) if connection.tickets.failing else []
        if found:
            more = ", …" if len(found) > NAMED_MAX else ""
            named = ", ".join(label for label, _ in found[:NAMED_MAX]) + more
            why = f": {cut(found[0][1], DETAIL_CHARS_MAX)}" if found[0][1] else ""
            yield f"{name}: {count(len(found), 'ticket')} cannot be read ({named}){why}"


def _is_late(feed: FeedRecord, limit: datetime) -> bool:
    return feed.last_complete_at is None or feed.last_complete_at < limit


def _silent(
    connection: ConnectionStatus,
    configured: ConnectionSettings,
    daemon: Mapping[str, Any] | None,
    now: datetime,
) -> Iterator[str]:
    """Say that expected news stays away; only a running daemon can hear any."""
    if configured.expect_news is None or daemon is None:
        return
    since = overdue_since(
        configured.expect_news,
        last_news_at=connection.record.last_news_at,
        listening_since=datetime.fromisoformat(str(daemon["started_at"])),
        now=now,
    )
    if since is not None:
        heard = ago(connection.record.last_news_at, now)
        yield f"{configured.name}: no news (last {heard}); is its webhook set up?"


# --- the parts' own lines ------------------------------------------------------------------------


def state_in_words(connection: ConnectionStatus) -> str:
    """Say how a connection is."""
    record = connection.record
    if record.pause is not None:
        return f"paused by {record.pause.by}"
    return record.health or "not used yet"


def last_read_at(connection: ConnectionStatus, daemon: Mapping[str, Any] | None) -> datetime | None:
    """Say when something was last read of a connection; the daemon knows of reads without news."""
    told = (daemon or {}).get("read_at", {}).get(str(connection.record.pin.name))
    times = [connection.record.last_read_at, datetime.fromisoformat(told) if told else None]
    times += [feed.last_poll_at for feed in connection.feeds if not feed.failures]
    return max((at for at in times if at is not None), default=None)


def mode_in_words(mapping: MappingStatus) -> str:
    """Say whether a mapping writes."""
    pause = mapping.record.pause
    return f"{mapping.record.mode}, paused by {pause.by}" if pause else mapping.record.mode
