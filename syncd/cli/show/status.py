"""`status` on one screen: needs first, then what is late, then every part's line."""

from datetime import datetime

from rich.text import Text

from syncd.cli.facts.status import Standing, last_read_at, mode_in_words, state_in_words
from syncd.cli.show.lines import Part, columns, line
from syncd.cli.text import ago, count, span
from syncd.store.reports import ConnectionStatus, MappingStatus

LATE_MAX = 5
"""Late things named each; the rest is counted."""


def document(standing: Standing) -> dict[str, object]:
    """Give it for programs."""
    return {
        "environment": standing.settings.environment,
        "revision": standing.settings.revision,
        "daemon": standing.daemon,
        "needs": standing.needs,
        "late": standing.late,
        "connections": standing.stored.connections,
        "rests_on": standing.rests_on,
        "mappings": standing.stored.mappings,
        "parked": standing.stored.parked_count,
        "conflicts": len(standing.stored.conflicts),
        "in_flight": standing.stored.in_flight,
        "latency": standing.stored.latency,
        "restart_is_safe": standing.is_restart_safe,
        "configuration_errors": standing.settings.errors,
    }


def lines(standing: Standing) -> list[Text]:
    """Say it to people."""
    made = [_head(standing), line()]
    made += _needs(standing) + _late(standing)
    made += _connections(standing) + _mappings(standing)
    return [*made, *_traffic(standing), _restart(standing)]


def _head(standing: Standing) -> Text:
    daemon = standing.daemon
    text: Part = ("no daemon", "bold red")
    if daemon is not None:
        started = datetime.fromisoformat(str(daemon.get("started_at")))
        text = f"syncd {daemon.get('version')} running for {_for(started, standing.now)}"
        if not daemon.get("ready"):
            text += f", not ready: {'; '.join(map(str, daemon.get('reasons') or ['starting']))}"
    elif not standing.can_ask:
        text = "daemons share a PostgreSQL store"
    return line((standing.settings.environment, "bold"), "  ", text)


def _for(since: datetime, now: datetime) -> str:
    return span((now - since).total_seconds())


def _needs(standing: Standing) -> list[Text]:
    if not standing.needs:
        return [line(("nothing needs a person", "green"))]
    rows = [(each.what, (each.command, "cyan")) for each in standing.needs]
    return [line((f"NEEDS A PERSON ({len(rows)})", "bold red")), *columns(rows, indent=2)]


def _late(standing: Standing) -> list[Text]:
    if not standing.late:
        return [line(("nothing is late", "green")), line()]
    made = [line((f"LATE ({len(standing.late)})", "bold yellow"))]
    made += [line(each, indent=2) for each in standing.late[:LATE_MAX]]
    if len(standing.late) > LATE_MAX:
        made.append(line(f"and {len(standing.late) - LATE_MAX} more", indent=2))
    return [*made, line()]


def _connections(standing: Standing) -> list[Text]:
    rows = [_connection(each, standing) for each in standing.stored.connections]
    head = ("CONNECTION", "STATE", "READ", "WRITTEN", "TICKETS", "BUDGET")
    made = columns(rows, head=head) or [line("no connection was used yet")]
    made += [line((f"{name}: {said}", "dim")) for name, said in standing.rests_on.items()]
    return [*made, line()]


def _connection(each: ConnectionStatus, standing: Standing) -> list[Part]:
    state = state_in_words(each)
    style = "green" if state == "up" else "yellow" if state.startswith("not used") else "bold red"
    if standing.daemon is None and standing.can_ask and each.record.health_at is not None:
        state, style = f"{state}, as last known", "dim"
    return [
        str(each.record.pin.name),
        (state, style),
        ago(last_read_at(each, standing.daemon), standing.now),
        ago(each.record.last_write_at, standing.now),
        f"{each.tickets.known:,}",
        standing.budget(each.record.pin.name),
    ]


def _mappings(standing: Standing) -> list[Text]:
    rows = [_mapping(each, standing.now) for each in standing.stored.mappings]
    head = ("MAPPING", "MODE", "LINKS OPEN/ALL", "WAITING", "OLDEST", "PARKED")
    return [*(columns(rows, head=head) or [line("no mapping was loaded yet")]), line()]


def _mapping(each: MappingStatus, now: datetime) -> list[Part]:
    oldest = "-" if each.oldest_at is None else span((now - each.oldest_at).total_seconds())
    mode = mode_in_words(each)
    return [
        str(each.record.name),
        (mode, "" if mode == "live" else "yellow"),
        f"{each.links_open:,}/{each.links_all:,}",
        f"{each.waiting:,}",
        oldest,
        (str(each.parked), "bold red" if each.parked else ""),
    ]


def _traffic(standing: Standing) -> list[Text]:
    latency = standing.stored.latency
    if not latency.count:
        return []
    text = (
        f"from seen to delivered: half within {latency.p50_s:.1f}s, 99% within {latency.p99_s:.1f}s"
    )
    return [line((text, "dim"))]


def _restart(standing: Standing) -> Text:
    if standing.is_restart_safe:
        return line("restart: ", ("safe now", "green"))
    sending = standing.stored.in_flight
    if standing.daemon is not None:
        sending = int(standing.daemon.get("sending") or sending)
    text = (
        f"better wait: {count(sending, 'write')} being sent (what is cut off is probed afterwards)"
    )
    return line("restart: ", (text, "yellow"))
