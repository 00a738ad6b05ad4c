"""What a provider can do: declared by its adapter, never guessed from a name."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from syncd.model.operation import WriteKind
from syncd.model.ticket import CommentKind


class Reading(StrEnum):
    """How changes become known (DESIGN section 6)."""

    FEED = "feed"
    SCAN = "scan"
    WATCH = "watch"


class Absence(StrEnum):
    """What it means when a probe does not find a write after the settle time and all looks."""

    RESEND = "resend"
    PARK = "park"


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteFeature:
    """How one kind of write behaves when its answer is lost (DESIGN R3).

    Attributes:
        can_probe: False: no read can tell whether it happened; `sending` is committed before the
            first byte and a lost answer parks the operation in doubt.
        settle_s: seconds from closing the socket until absence may be believed.
        looks: probes that must agree on absence.
        absence: what absence after that means.
        returns_id: the answer names what was made (comment id, attachment id).
        marker: the key travels in the write and is read back.
    """

    can_probe: bool = True
    settle_s: float = 60.0
    looks: int = 2
    absence: Absence = Absence.RESEND
    returns_id: bool = True
    marker: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the provider allows.

    Attributes:
        requests_per_s: sustained rate of one connection.
        concurrency: requests in flight of one connection.
        page_size: items asked for in one page.
        pages_max: pages read in one poll before the rest is left as a gap for the next.
        body_bytes: largest answer read into memory.
        attachment_bytes: largest attachment accepted.
        attachment_bytes_min: smallest one accepted: 1 where empty files are refused.
        refused_types: file name extensions never accepted, in lower case, without dot.
        comment_bytes: longest comment in UTF-8 bytes, marker included; None where unknown.
    """

    requests_per_s: float = 2.0
    concurrency: int = 4
    page_size: int = 100
    pages_max: int = 50
    body_bytes: int = 16 * 1024 * 1024
    attachment_bytes: int = 25 * 1024 * 1024
    attachment_bytes_min: int = 0
    refused_types: frozenset[str] = frozenset()
    comment_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveFirst:
    """A vendor's rule: what concerns a ticket of `kind` that is still active is said there.

    Attributes:
        kind: the kind of ticket that is looked for.
        match: what tells that it is concerned: names that mappings may give values for.
    """

    kind: str
    match: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """Everything the rest of syncd may ask about a provider's abilities.

    Attributes:
        reading: how changes become known.
        kinds: kinds of ticket it has.
        writes: the writes it can do; a kind not listed raises `Unsupported`.
        active_first: kind of ticket -> the rule that stands before its creation; its adapter is a
            `ports.adapter.FindsActive`.
        lacks: kind of ticket -> writes that it, unlike others here, cannot take; see `of`.
        comment_kinds: kinds of comment that can be written.
        attachments: its tickets can have attachments that we can read.
        settle_s: after one of our writes, a read may show the state before it for this long (R1).
        field_times: it tells when each field was changed (needed by the policy `newest`).
        limits: rates and sizes.
        statuses: labels its document or settings list; status tables must name them all.
        cancelled_status: the label that a cancelled ticket shows; empty: it cannot be cancelled.
        cancel_reasons: accepted values of `cancel_reason`; empty: it takes none.
    """

    reading: Reading
    kinds: frozenset[str]
    writes: Mapping[WriteKind, WriteFeature]
    comment_kinds: frozenset[CommentKind] = frozenset({CommentKind.COMMENT})
    attachments: bool = False
    settle_s: float = 0.0
    field_times: bool = False
    limits: Limits = field(default_factory=Limits)
    statuses: tuple[str, ...] = ()
    cancelled_status: str = ""
    cancel_reasons: tuple[str, ...] = ()
    active_first: Mapping[str, ActiveFirst] = field(default_factory=dict)
    lacks: Mapping[str, frozenset[WriteKind]] = field(default_factory=dict)

    def of(self, ticket_kind: str) -> "Features":
        """Give what can be done with tickets of one kind."""
        missing = self.lacks.get(ticket_kind)
        if not missing:
            return self
        writes = {kind: how for kind, how in self.writes.items() if kind not in missing}
        return replace(self, writes=writes)
