"""What is shown: all systems side by side while it goes on, and the proof in the end."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from syncd.demo.daemon import Pulse
from syncd.demo.pairing import Side
from syncd.demo.world import World

ROWS_MAX = 12
"""Pairs of tickets shown at once, the newest."""
EVENTS_MAX = 9
"""Lines of what happened last."""
TITLE_CHARS = 26
TITLES = ("shortDescription", "subject", "title", "todo")
"""The systems' names of what a ticket is known by."""
REFRESHES_PER_S = 4

STYLES = {
    "New": "yellow",
    "In Progress": "cyan",
    "On Hold": "magenta",
    "Solved": "green",
    "Resolved": "green",
    "Customer Accepted": "bright_black",
    "Closed": "bright_black",
    "Cancelled": "bright_black",
}


@dataclass(slots=True)
class Stage:
    """Shows a world: live on a terminal, else a line now and then.

    Attributes:
        console: where to.
        world: what is shown.
        doing: what goes on, in a few words.
        pulse: what the daemon said last; None while it is down.
    """

    console: Console
    world: World
    is_live: bool
    doing: str = "starting"
    pulse: Pulse | None = None
    _live: Live | None = None
    _told: list[str] = field(default_factory=list)

    def __enter__(self) -> "Stage":
        if self.is_live:
            self._live = Live(
                console=self.console,
                get_renderable=self._picture,
                refresh_per_second=REFRESHES_PER_S,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def says(self, doing: str) -> None:
        """Say what goes on from now on."""
        self.doing = doing
        if not self.is_live:
            self.console.print(Text(doing), soft_wrap=True)

    def tick(self) -> None:
        """Say how far it is, where nothing is shown live."""
        if not self.is_live:
            self.console.print(Text(f"  {self._counts()}"), soft_wrap=True)

    # --- below -----------------------------------------------------------------------------------

    def _picture(self) -> RenderableType:
        return Group(
            Text(f"syncd demo: {self.doing}", style="bold"),
            self._pairs(),
            Panel(Group(*self._events()), title="what happened last", title_align="left"),
            Text(self._counts(), style="bright_black"),
        )

    def _pairs(self) -> Table:
        table = Table(expand=True, title_justify="left")
        for name in ("service desk (SmartOps contract)", "vendors"):
            table.add_column(name, ratio=1, no_wrap=True)
        for ours, theirs in list(pairs(self.world))[-ROWS_MAX:]:
            table.add_row(_ticket(ours, Side.ITSM), _ticket(theirs, Side.VENDOR))
        return table

    def _events(self) -> list[Text]:
        found: list[tuple[str, Text]] = []
        for name, record in {"desk": self.world.desk.record, **self.world.vendor_records}.items():
            for event in record[-60:]:
                line = _event(name, event)
                if line is not None:
                    found.append((str(event["at"]), line))
        found.sort(key=lambda each: each[0])
        return [line for _, line in found[-EVENTS_MAX:]] or [Text("nothing yet")]

    def _counts(self) -> str:
        pulse = self.pulse
        said = "daemon down"
        if pulse is not None:
            said = f"open {pulse.open}, in doubt {pulse.in_doubt}, parked {pulse.parked}"
            said += f", conflicts {pulse.conflicts}"
            said += "".join(f", {name} paused" for name in pulse.paused)
        requests = sum(len(system.record.requests()) for system in self.world.systems)
        return f"{said}; requests {requests}"


def pairs(world: World) -> Iterator[tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]]:
    """Lay the tickets of all systems side by side, by the number the desk's ticket names."""
    theirs = {
        str(each["number"]): each for vendor in world.vendors.values() for each in vendor.tickets()
    }
    used = set()
    for each in world.desk.tickets():
        number = str(each["fields"].get("u_vendor_ref", ""))
        used.add(number)
        yield each, theirs.get(number)
    for number, each in theirs.items():
        if number not in used:
            yield None, each


def _ticket(ticket: Mapping[str, Any] | None, side: Side) -> Text:
    if ticket is None:
        return Text("–", style="bright_black")
    fields = ticket["fields"]
    title = str(next((fields[name] for name in TITLES if name in fields), ""))
    priority = fields.get("ticketPriority" if side is Side.ITSM else "priority", "")
    status = str(ticket["status"])
    line = Text(f"{ticket['number']} ")
    line.append(f"{status} ", style=STYLES.get(status, ""))
    line.append(f"{priority} ", style="bold")
    line.append(f"{title[:TITLE_CHARS]} ")
    line.append(f"{len(ticket['comments'])}✉ {len(ticket['attachments'])}📎", style="bright_black")
    return line


def _event(name: str, event: Mapping[str, Any]) -> Text | None:
    what = str(event["what"])
    if what not in _SHOWN_EVENTS:
        return None
    is_person = event.get("actor") == "person"
    detail = str(event.get("new") or event.get("text") or event.get("name") or "")
    first = (detail.splitlines() or [""])[0]
    line = Text(f"{str(event['at'])[11:19]} {name} ", style="bright_black")
    line.append(f"{event['number']} ", style="bold")
    line.append(str(event["by"]) if is_person else "syncd", style="cyan" if is_person else "green")
    line.append(f" {what.replace('_', ' ')} ")
    line.append(first[:60])
    return line


_SHOWN_EVENTS: Sequence[str] = (
    "ticket_created",
    "field_changed",
    "status_changed",
    "comment_added",
    "attachment_added",
)
