"""The blocks of syncd.yaml, as models."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from syncd.core.pacing import WatchPace
from syncd.model.secret import Secret
from syncd.model.texts import Duration, Pause, Zone
from syncd.settings.types import (
    AbsolutePath,
    Listen,
    SpanOfDay,
    Text,
    Texts,
    Word,
)
from syncd.settings.values import (
    POLL_JITTER,
    HttpSettings,
    LogSettings,
    PollSettings,
    RetentionSettings,
    StoreSettings,
)


class Block(BaseModel):
    """A block of a configuration file: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


def known_store(url: str) -> str:
    """Accept a store's address.

    Raises:
        ValueError: it is none, or a password stands in it.
    """
    if url.startswith("sqlite:"):
        if not re.fullmatch(r"sqlite:////[^?#]+", url):
            raise ValueError("a relative path; accepted: sqlite:////absolute/path.db")
        return url
    if not re.fullmatch(r"postgresql://[^\s/]+/[^\s/?]+(\?\S*)?", url):
        raise ValueError(
            "not a store's address; accepted: sqlite:////absolute/path.db,"
            " postgresql://user@host/database"
        )
    if urlsplit(url).password is not None:
        raise ValueError("a password does not stand in a file; name it as store.password")
    return url


class StoreBlock(Block):
    """`store:`."""

    url: Text = Field(description="sqlite:////absolute/path.db or postgresql://user@host/database")
    key: Secret = Field(description="encrypts stored credentials")
    password: Secret | None = Field(default=None, description="of PostgreSQL")
    spool: AbsolutePath | None = Field(default=None, description="attachments on their way")
    lease: Duration | None = Field(
        default=None,
        description="PostgreSQL: how long a write stays with a daemon that died while sending it",
    )

    @field_validator("url")
    @classmethod
    def _known(cls, url: str) -> str:
        return known_store(url)

    def value(self) -> StoreSettings:
        """Give the value handed out."""
        spool = self.spool
        if spool is None and self.url.startswith("sqlite:"):
            spool = Path(self.url.removeprefix("sqlite:///")).parent / "spool"
        made = StoreSettings(url=self.url, key=self.key, password=self.password)
        return replace(
            made,
            spool=made.spool if spool is None else spool,
            lease_s=made.lease_s if self.lease is None else self.lease,
        )


_DAY_S = 86_400.0
EXPLAINING_DAYS_MIN = 30
OVER_DAYS_MIN = 7
"""Far above any settle time, look-again time and pace (`at_most`) that decisions rest on."""


def _kept_for(days_min: int) -> AfterValidator:
    def check(seconds: float) -> float:
        if seconds < days_min * _DAY_S:
            raise ValueError(f"too short to tell what happened; accepted: {days_min}d or longer")
        return seconds

    return AfterValidator(check)


class RetentionBlock(Block):
    """`retention:`."""

    journal: Annotated[Duration, _kept_for(EXPLAINING_DAYS_MIN)] = Field(
        default=400 * _DAY_S, description="lines that `log` and `explain` show; at least 30d"
    )
    attempts: Annotated[Duration, _kept_for(OVER_DAYS_MIN)] = Field(
        default=90 * _DAY_S, description="what was sent and answered, once settled; at least 7d"
    )
    operations: Annotated[Duration, _kept_for(OVER_DAYS_MIN)] = Field(
        default=90 * _DAY_S, description="operations, once settled; at least 7d"
    )
    served: Annotated[Duration, _kept_for(EXPLAINING_DAYS_MIN)] = Field(
        default=400 * _DAY_S,
        description="tickets of `mode: serve`, once closed and left alone; at least 30d",
    )

    def value(self) -> RetentionSettings:
        """Give the value handed out."""
        return RetentionSettings(
            journal_s=self.journal,
            attempts_s=self.attempts,
            operations_s=self.operations,
            served_s=self.served,
        )


class HttpBlock(Block):
    """`http:`."""

    listen: Listen = Field(default="127.0.0.1:8470", description="address and port")

    def value(self) -> HttpSettings:
        """Give the value handed out."""
        host, _, port = self.listen.rpartition(":")
        return HttpSettings(host=host.strip("[]"), port=int(port))


class LogBlock(Block):
    """`log:`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: JSON unless on a terminal"
    )

    def value(self) -> LogSettings:
        """Give the value handed out."""
        return LogSettings(level=self.level, format=self.format)


class DaemonBlock(Block):
    """syncd.yaml; each connection is read with its provider's keys by `connections`."""

    environment: Word = Field(description="pinned in the store: a mismatch refuses to start")
    store: StoreBlock
    retention: RetentionBlock = RetentionBlock()
    http: HttpBlock = HttpBlock()
    log: LogBlock = LogBlock()
    connections: dict[str, Any] = Field(description="every account used, by a name of your own")
    mappings: Text | None = Field(default=None, description="mapping files: mappings/*.yaml")
    tables: Text | None = Field(default=None, description="table files: tables/*.csv")


class PollBlock(Block):
    """`poll:` of a connection."""

    every: Duration = Field(default=60.0, description="time between reads")
    jitter: Pause | None = Field(default=None, description="random part; a tenth where not said")
    hot: Pause = Field(
        default=1_800.0, description="so long after its last change a watched ticket is hot"
    )
    cold: Duration = Field(
        default=3_600.0, description="longest time between reads of an open watched ticket"
    )
    closed_for: Pause = Field(
        default=2 * 86_400.0, description="so long a closed ticket is watched like an open one"
    )
    closed_every: Duration = Field(
        default=43_200.0, description="time between reads of a closed ticket from then on"
    )
    closed_stop: Pause = Field(
        default=30 * 86_400.0, description="after so long without a change it is read no more"
    )

    def value(self) -> PollSettings:
        """Give the value handed out."""
        jitter_s = self.every * POLL_JITTER if self.jitter is None else self.jitter
        pace = WatchPace(
            every_s=self.every,
            hot_s=self.hot,
            cold_s=self.cold,
            closed_for_s=self.closed_for,
            closed_every_s=self.closed_every,
            closed_stop_s=self.closed_stop,
            spread=jitter_s / self.every,
        )
        return PollSettings(every_s=self.every, jitter_s=jitter_s, pace=pace)


class NotifyBlock(Block):
    """`notify:` of a connection."""

    token: Secret = Field(description="what callers of POST /notify/CONNECTION must show")


class ExpectNewsBlock(Block):
    """`expect_news:` of a connection."""

    every: Duration = Field(description="longest silence that is no alarm")
    between: SpanOfDay | None = Field(default=None, description="part of the day it is watched")
    zone: Zone = Field(default="UTC", description="time zone of `between`")


class TimeoutsBlock(Block):
    """`timeouts:` of a connection."""

    connect: Duration = 10.0
    read: Duration = 30.0
    total: Duration = 60.0
    transfer_total: Duration = Field(default=4 * 3600.0, description="for attachments")


class ConnectionBlock(Block):
    """What every connection may say, whatever its provider."""

    provider: Word = Field(description="which product it is an account on")
    like: Word | None = Field(
        default=None, description="take every key it does not have from there"
    )
    was: Word | None = Field(default=None, description="its former name")
    base_url: Text = Field(default="", description="https, below which all calls lie")
    allow_plain: bool = Field(default=False, description="accept http for other hosts than this")
    ca_file: AbsolutePath | None = Field(default=None, description="the only authorities trusted")
    poll: PollBlock = PollBlock()
    notify: NotifyBlock | None = None
    values: dict[str, dict[str, Texts]] = Field(
        default_factory=dict, description="field: {canonical label: [other spellings]}"
    )
    phases: dict[str, Texts] = Field(
        default_factory=dict, description="open, resolved, closed: [status labels]"
    )
    expect_news: ExpectNewsBlock | None = None
    support: Text = Field(default="", description="shown when a person must call")
    timeouts: TimeoutsBlock = TimeoutsBlock()


__all__ = ["Block", "ConnectionBlock", "DaemonBlock"]
