"""People at a Request Tracker and at its vendors, the real daemon between them, killed and faulted.

Every comment, title and file carries a word of its own. Afterwards the systems themselves are read,
by nothing of syncd: each word that was to cross stands once on the other side, none came back, none
stands there twice, and none of a private comment or file stands at a vendor.
"""

import asyncio
import hashlib
import random
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syncd.demo.daemon import Pulse
from tests.conformance.world import EFFECTS
from tests.crash.process import Process
from tests.rt.server import _free_port
from tests.support.nursed import Nursed
from tests.support.nursery import nursery

LOOK_S = 0.5
LATE_POLLS = 5
"""Complete polls of everything that must bring no news before what is wrong is believed."""
STUCK_LOOKS = 360
"""Looks at a daemon that has something to do and gets nowhere before it is given up."""
RATES = {"lost_answer": 0.04, "error_before": 0.03, "error_after": 0.03, "reset_before": 0.03}
"""What requests meet while people work."""
BLIND = "add_attachment"
BLIND_AT = "dlr"
"""Digital Realty's upload: nothing tells whether one happened that was cut off by a kill. No answer
is lost there; what a kill leaves in doubt waits for a person, and the daemon says so."""

Tickets = list[dict[str, Any]]


@dataclass
class System:
    """One of the systems: who acts, and what is in it.

    Attributes:
        name: for messages.
        sandbox: acts of people, faults.
        whole: reads all tickets: id, title, comments (text), attachments (sha256).
    """

    name: str
    sandbox: Any
    whole: Callable[[], Tickets]


@dataclass
class Word:
    """Something said or sent, once.

    Attributes:
        token: the word, or a file's digest.
        origin, target: names of systems; target empty: it must not leave.
        is_file: it is a file's digest.
    """

    token: str
    origin: str
    target: str
    is_file: bool = False


@dataclass
class Story:
    """What happens, and what must come of it.

    Attributes:
        name: in each of its words: a system may hold what other stories left in it.
    """

    name: str
    systems: Mapping[str, System]
    process: Process
    chance: random.Random
    words: list[Word] = field(default_factory=list)
    titles: list[Word] = field(default_factory=list)
    serial: int = 0

    def token(self, what: str) -> str:
        self.serial += 1
        return f"{what}{self.name}x{self.serial:04d}z"

    # --- acts ------------------------------------------------------------------------------------

    def opens(self, origin: str, target: str, fields: Mapping[str, Any], title: str) -> str:
        """Open a ticket whose title holds a word."""
        word = self.token("t")
        self.titles.append(Word(word, origin, target))
        made = self.systems[origin].sandbox.person_creates({**fields, title: f"{word} Link down"})
        return str(made)

    def says(self, origin: str, target: str, ticket: str, **how: Any) -> None:
        word = self.token("c")
        self.words.append(Word(word, origin, target))
        self.systems[origin].sandbox.person_comments(ticket, f"{word} said here", **how)

    def sends(self, origin: str, target: str, ticket: str, **how: Any) -> None:
        """Add a file of its own bytes."""
        self.serial += 1
        content = self.chance.randbytes(self.chance.choice((10, 3000, 400_000)))
        digest = hashlib.sha256(content).hexdigest()
        self.words.append(Word(digest, origin, target, is_file=True))
        name = f"bild {self.serial} æ.bin"
        self.systems[origin].sandbox.person_attaches(ticket, name, content, **how)

    async def killed(self) -> None:
        """Kill the daemon in the middle of whatever it does, and start it again."""
        await self.process.kill()
        await self.process.start()

    # --- the end ---------------------------------------------------------------------------------

    async def settles(self) -> list[str]:
        """End all faults, wait until the daemon has nothing to do; give what is wrong.

        What is wrong while it works may be under way, and what comes back comes late: only what
        several polls of everything did not change is believed. No time limit: it waits for as
        long as anything moves.
        """
        for system in self.systems.values():
            system.sandbox.faults.clear()
        last: object = None
        looks = polls = 0
        loop = asyncio.get_running_loop()
        mark_s = loop.time()
        while looks < STUCK_LOOKS:
            await asyncio.sleep(LOOK_S)
            assert self.process.is_alive, self.process.said(20)
            pulse = await self.process.daemon.pulse()
            now = (pulse, sum(map(effects, self.systems.values())))
            looks = looks + 1 if now == last else 0
            if now != last or pulse is None or pulse.open or pulse.inbox:
                last, polls, mark_s = now, 0, loop.time()
            elif pulse.polled_s < loop.time() - mark_s:
                polls, mark_s = polls + 1, loop.time()
            if polls == LATE_POLLS:
                return self.excused(await asyncio.to_thread(self.wrong), pulse)
        return [f"it gets nowhere: {last}", *await asyncio.to_thread(self.wrong)]

    def excused(self, wrong: list[str], pulse: Pulse | None) -> list[str]:
        """Take out the files of which nobody can tell, and which the daemon shows as in doubt."""
        doubtful = pulse.in_doubt if pulse is not None else 0
        blind = [one for one in wrong if one.startswith("lost") and f"at {BLIND_AT}," in one]
        return [one for one in wrong if one not in blind[:doubtful]]

    def wrong(self) -> list[str]:
        """Say of every word where it stands too often, or not."""
        told = {name: Counts.of(system.whole()) for name, system in self.systems.items()}
        found: list[str] = []
        for word in (*self.titles, *self.words):
            for name, counts in told.items():
                due = int(name in (word.origin, word.target))
                there = counts.count(word, is_title=word in self.titles)
                if there != due:
                    what = "lost" if there < due else "doubled" if due else "leaked"
                    found.append(f"{what}: {word} stands {there} times at {name}, not {due}")
        return found


def effects(system: System) -> int:
    """Count what was done to a system."""
    return len(system.sandbox.record.of(*EFFECTS))


@dataclass
class Counts:
    """How often words and files stand in a system."""

    titles: list[str]
    texts: list[str]
    files: Counter[str]

    @classmethod
    def of(cls, tickets: Tickets) -> "Counts":
        return cls(
            titles=[str(one["title"]) for one in tickets],
            texts=[str(each["text"]) for one in tickets for each in one["comments"]],
            files=Counter(each["sha256"] for one in tickets for each in one["attachments"]),
        )

    def count(self, word: Word, *, is_title: bool) -> int:
        if word.is_file:
            return self.files[word.token]
        return sum(word.token in text for text in (self.titles if is_title else self.texts))


def plain(title: str) -> Callable[[Any], Callable[[], Tickets]]:
    """Read a sandbox's tickets; `title` is the field that holds one."""

    def reader(sandbox: Any) -> Callable[[], Tickets]:
        return lambda: [{**one, "title": one["fields"].get(title, "")} for one in sandbox.tickets()]

    return reader


def faulty(story: Story, scale: float = 1.0) -> None:
    """Let requests meet what goes wrong, at every system."""
    rates = {kind: rate * scale for kind, rate in RATES.items()}
    for system in story.systems.values():
        operations = [one for one in system.sandbox.operations if one != BLIND]
        system.sandbox.set_faults(rates, [one for one in operations if one != "token"])


@asynccontextmanager
async def running(
    folder: Path,
    systems: Sequence[System],
    config: str,
    mappings: Mapping[str, str],
    seed: int,
) -> AsyncIterator[Story]:
    """Run the daemon with a configuration of its own; `$port` and `$folder` are filled in."""
    port = _free_port()
    (folder / "mappings").mkdir(parents=True)
    filled = config.replace("$port", str(port)).replace("$folder", str(folder))
    (folder / "syncd.yaml").write_text(filled, encoding="utf-8")
    for name, text in mappings.items():
        (folder / "mappings" / f"{name}.yaml").write_text(text, encoding="utf-8")
    async with nursery() as born:
        daemon = Nursed(
            config=folder / "syncd.yaml",
            port=port,
            secrets={"STORE_KEY": secrets.token_urlsafe(32), **SECRETS},
            log=folder / "daemon.log",
            nursery=born,
        )
        process = Process(daemon=daemon)
        await process.start()
        try:
            await process.ready()
            name = "".join(one.name[0] for one in systems) + str(seed) + "s"
            story = Story(
                name=name,
                systems={one.name: one for one in systems},
                process=process,
                chance=random.Random(name),
            )
            yield story
            assert not daemon.crashes()
        finally:
            await process.kill()
            await daemon.stop()


SECRETS = {
    "TELENOR_SECRET": "telenor-secret",
    "TELENOR_PASSWORD": "telenor-password",
    "DLR_SECRET": "dlr-secret",
}
