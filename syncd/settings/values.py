"""What settings hand out: frozen values, whole and checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from syncd.core.pacing import WatchPace
from syncd.core.rules import MappingRules, Place
from syncd.model.ids import ConnectionName, MappingName
from syncd.model.secret import Secret
from syncd.settings.mapping_tests import NOWHERE, MappingTest
from syncd.transport.options import Timeouts

POLL_EVERY_S = 60.0
"""Seconds between polls where a connection does not say."""
POLL_JITTER = 0.1
"""Random part of the time between polls where a connection does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Where syncd keeps what it knows.

    Attributes:
        url: SQLAlchemy-like address: `sqlite:////var/lib/syncd/syncd.db` or `postgresql://host/name`.
        key: encrypts stored credentials.
        password: of PostgreSQL; None: none is needed.
        spool: folder for attachment bodies on their way.
        lease_s: how long what a daemon was sending when it died is its own: longer than any request
            takes, for it may still be on its way. PostgreSQL; elsewhere nobody else is there.
    """

    url: str
    key: Secret
    password: Secret | None = None
    spool: Path = Path("/var/lib/syncd/spool")
    lease_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """How long the store keeps what is over, in seconds.

    Attributes:
        journal_s: lines of the journal.
        attempts_s: what was sent and answered, of operations that are settled.
        operations_s: operations since they were settled; their keys stay for ever.
        served_s: tickets that live here, resolved or closed, since they were last changed.
    """

    journal_s: float = 400 * 86_400.0
    attempts_s: float = 90 * 86_400.0
    operations_s: float = 90 * 86_400.0
    served_s: float = 400 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """Where the daemon listens."""

    host: str = "127.0.0.1"
    port: int = 8470


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """What is logged; format `auto` is JSON unless on a terminal."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class PollSettings:
    """How often a connection is read: every `every_s`, give or take up to `jitter_s`.

    Attributes:
        every_s, jitter_s: between two polls of a feed or list, or two reads of a hot ticket.
        pace: how tickets are watched where there is no feed and no list.
    """

    every_s: float = POLL_EVERY_S
    jitter_s: float = POLL_EVERY_S * POLL_JITTER
    pace: WatchPace = field(default_factory=WatchPace)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectNews:
    """Silence longer than `every_s` within the span of the day is an alarm.

    Attributes:
        every_s: longest silence.
        between: start and end of the span, wall time in `zone`; start after end spans midnight;
            None: all day.
        zone: time zone of `between`.
    """

    every_s: float
    between: tuple[time, time] | None = None
    zone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """One configured account on a provider.

    Attributes:
        name: its name.
        provider: its provider's name in `syncd.registry`.
        base_url: without a slash at its end; empty where the provider needs none.
        options: the provider's own keys, as its settings model.
        poll: how often it is read.
        notify_token: what callers of `POST /notify/NAME` must show; None: nobody may call.
        values: field -> canonical label -> other spellings.
        phases: phase -> status labels.
        spellings: field -> labels as phases, statuses, `values` and mappings write them.
        expect_news: silence that is an alarm; None: none is.
        support: what `explain` shows when a person must call.
        ca_file: the only authorities trusted; None: the system's.
        timeouts: of one exchange.
        like: the connection whose login and rate budget it shares; None: its own.
        was: a former name (R13).
        place: where it stands.
    """

    name: ConnectionName
    provider: str
    base_url: str
    options: BaseModel
    poll: PollSettings = PollSettings()
    notify_token: Secret | None = None
    values: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    phases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    spellings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    expect_news: ExpectNews | None = None
    support: str = ""
    ca_file: Path | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    like: ConnectionName | None = None
    was: ConnectionName | None = None
    place: Place = NOWHERE

    @property
    def login(self) -> ConnectionName:
        """The connection whose login and rate budget this one uses."""
        return self.like or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole configuration.

    Attributes:
        environment: `prod`, `test` …; pinned in the store.
        store, http, log: as their blocks say.
        connections: by name.
        mappings: by name.
        tests: each mapping's `tests:`, for `syncd check`.
        revision: digest of every file, in hex; stands in every journal line.
        files: every file read, syncd.yaml first.
        retention: as its block says.
        remarks: what is accepted and yet unwise, a sentence each.
        errors: every problem of connections, mappings and tables, where settings are read to look
            only: then there are no `mappings`, only the whole ones of `connections`, and what needs
            the others cannot be told.
    """

    environment: str
    store: StoreSettings
    http: HttpSettings
    log: LogSettings
    connections: Mapping[ConnectionName, ConnectionSettings]
    mappings: Mapping[MappingName, MappingRules]
    tests: Mapping[MappingName, tuple[MappingTest, ...]]
    revision: str
    files: tuple[Path, ...]
    retention: RetentionSettings = RetentionSettings()
    remarks: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
