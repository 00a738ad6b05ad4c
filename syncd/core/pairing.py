"""Which tickets that exist on both sides already belong together, told by their references. Pure.

A ticket names its partner in the field that `references:` gives it, or carries a key of ours.
Either is enough, both must not contradict; a number in a text is a hint for a person, no more.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from syncd.model.ids import ConnectionName, LinkRow, MappingName, Side, TicketId


class Opens(StrEnum):
    """Whether the mapping would open a partner for a ticket, its age apart."""

    NO = "no"
    YES = "yes"
    LACKS = "lacks"


@dataclass(frozen=True, slots=True)
class Who:
    """A ticket of a connection, by its technical id."""

    connection: ConnectionName
    id: TicketId


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What pairing must know of one ticket.

    Attributes:
        who: which it is.
        number, title: for people, and the number for finding it.
        names: what its reference fields hold: numbers or ids of its partner.
        owners: ITSM tickets whose link wrote the key it carries.
        mentions: words of its texts that may be a partner's number.
        account: the vendor connection its own fields choose; empty where nothing is chosen.
        opens: whether it would get a partner; `lacks` says what it lacks for that.
        created_at: the provider's time.
    """

    who: Who
    number: str
    title: str = ""
    names: tuple[str, ...] = ()
    owners: tuple[Who, ...] = ()
    mentions: frozenset[str] = frozenset()
    account: str = ""
    opens: Opens = Opens.NO
    lacks: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """A link there is, or was: its tickets, and whether a person parted them."""

    link_id: LinkRow
    mapping: MappingName
    itsm: Who | None
    vendor: Who | None
    is_removed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Two tickets that belong together, and what says so."""

    itsm: Known
    vendor: Known
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """What a person must look at: one ticket or two, and why."""

    itsm: Known | None = None
    vendor: Known | None = None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """What came of comparing both sides.

    Attributes:
        matches: unambiguous, not linked yet.
        doubtful: several candidates, contradictions, links elsewhere, mere mentions.
        unmatched: tickets no reference leads to or from, by side; linked ones are not among them.
        linked: pairs of this mapping that are linked already.
    """

    matches: tuple[Match, ...] = ()
    doubtful: tuple[Doubt, ...] = ()
    unmatched: Mapping[Side, tuple[Known, ...]] = field(default_factory=dict)
    linked: int = 0


@dataclass(slots=True)
class _Web:
    """Tickets by what names them, and the edges between the sides."""

    mapping: MappingName
    sides: Mapping[Side, Mapping[Who, Known]]
    by_word: Mapping[Side, Mapping[str, list[Who]]]
    edges: dict[tuple[Who, Who], list[str]] = field(default_factory=dict)
    lost: dict[Who, list[str]] = field(default_factory=dict)
    partners: dict[Who, set[Who]] = field(default_factory=dict)
    live: dict[Who, list[Paired]] = field(default_factory=dict)
    parted: dict[tuple[Who, Who], Paired] = field(default_factory=dict)

    def find(self, side: Side, word: str) -> list[Who]:
        """Find the tickets of a side that a word names: by id exactly, by number in any case."""
        exact = self.by_word[side].get(word, [])
        return exact or self.by_word[side].get(word.casefold(), [])

    def join(self, itsm: Who, vendor: Who, why: str) -> None:
        """Note that something says these two belong together."""
        self.edges.setdefault((itsm, vendor), []).append(why)
        self.partners.setdefault(itsm, set()).add(vendor)
        self.partners.setdefault(vendor, set()).add(itsm)


def pair(
    mapping: MappingName,
    itsm: Sequence[Known],
    vendor: Sequence[Known],
    links: Iterable[Paired] = (),
) -> Pairing:
    """Say which tickets belong together.

    Args:
        mapping: the mapping that would keep them in step.
        itsm: every ticket known of its ITSM connection and kind.
        vendor: every ticket known of its vendor connections and kind.
        links: links of this mapping and of these vendor tickets, removed ones too.
    """
    web = _web(mapping, itsm, vendor, links)
    _follow_names(web)
    matches, doubtful = _judge(web)
    doubtful += _leads_nowhere(web)
    hinted = _hints(web)
    settled = set(web.partners) | set(web.lost) | set(web.live)
    settled |= {each.who for hint in hinted for each in (hint.itsm, hint.vendor) if each}
    unmatched = {
        side: tuple(each for who, each in web.sides[side].items() if who not in settled)
        for side in Side
    }
    mine = {one.link_id for found in web.live.values() for one in found if one.mapping == mapping}
    return Pairing(
        matches=tuple(matches),
        doubtful=(*doubtful, *hinted),
        unmatched=unmatched,
        linked=len(mine),
    )


def _web(
    mapping: MappingName, itsm: Sequence[Known], vendor: Sequence[Known], links: Iterable[Paired]
) -> _Web:
    sides = {
        Side.ITSM: {each.who: each for each in itsm},
        Side.VENDOR: {each.who: each for each in vendor},
    }
    web = _Web(
        mapping=mapping,
        sides=sides,
        by_word={side: _by_word(known.values()) for side, known in sides.items()},
    )
    for link in links:
        if not link.is_removed:
            # An ITSM ticket may have partners by other mappings; a vendor's ticket has one link.
            if link.itsm is not None and link.mapping == mapping:
                web.live.setdefault(link.itsm, []).append(link)
            if link.vendor is not None:
                web.live.setdefault(link.vendor, []).append(link)
        elif link.itsm is not None and link.vendor is not None and link.mapping == mapping:
            web.parted[link.itsm, link.vendor] = link
    return web


def _by_word(known: Iterable[Known]) -> dict[str, list[Who]]:
    found: dict[str, list[Who]] = {}
    for each in known:
        for word in {str(each.who.id), each.number.casefold()} - {""}:
            found.setdefault(word, []).append(each.who)
    return found


def _follow_names(web: _Web) -> None:
    for side in Side:
        for who, each in web.sides[side].items():
            for word in each.names:
                found = _narrowed(web.find(side.other, word), each.account)
                for partner in found:
                    itsm, vendor = (who, partner) if side is Side.ITSM else (partner, who)
                    web.join(itsm, vendor, f"{each.number} names {word}")
                if not found:
                    web.lost.setdefault(who, []).append(word)
    for who, each in web.sides[Side.VENDOR].items():
        for owner in each.owners:
            if owner in web.sides[Side.ITSM]:
                web.join(owner, who, f"{each.number} carries a key of {_number(web, owner)}")


def _narrowed(found: list[Who], account: str) -> list[Who]:
    """Leave of several tickets with one number those at the account that is chosen."""
    if len(found) < 2 or not account:
        return found
    return [one for one in found if one.connection == account] or found


def _number(web: _Web, who: Who) -> str:
    for known in web.sides.values():
        if who in known:
            return known[who].number or str(who.id)
    return str(who.id)


def _judge(web: _Web) -> tuple[list[Match], list[Doubt]]:
    matches: list[Match] = []
    doubtful: list[Doubt] = []
    for (itsm, vendor), why in web.edges.items():
        if any(link.itsm == itsm for link in web.live.get(vendor, ()) if _is_mine(web, link)):
            continue
        one, other = web.sides[Side.ITSM][itsm], web.sides[Side.VENDOR][vendor]
        against = _against(web, itsm, vendor)
        if against:
            said = f"{', '.join(dict.fromkeys(why))}; but {'; '.join(against)}"
            doubtful.append(Doubt(itsm=one, vendor=other, why=said))
        else:
            matches.append(Match(itsm=one, vendor=other, why=tuple(dict.fromkeys(why))))
    return matches, doubtful


def _is_mine(web: _Web, link: Paired) -> bool:
    return link.mapping == web.mapping


def _against(web: _Web, itsm: Who, vendor: Who) -> list[str]:
    """List what speaks against a pair."""
    against: list[str] = []
    for who, partner in ((itsm, vendor), (vendor, itsm)):
        number = _number(web, who)
        others = sorted(_number(web, each) for each in web.partners[who] - {partner})
        if others:
            against.append(f"{number} may also belong to {', '.join(others)}")
        if who in web.lost:
            against.append(f"{number} names {', '.join(web.lost[who])}, which is not there")
        against += [
            f"{number} is in link {link.link_id} of {link.mapping}"
            for link in web.live.get(who, ())
        ]
    account = web.sides[Side.ITSM][itsm].account
    if account and account != vendor.connection:
        against.append(f"the mapping chooses {account} for it, not {vendor.connection}")
    parted = web.parted.get((itsm, vendor))
    if parted is not None:
        against.append(f"their link {parted.link_id} was removed")
    return against


def _leads_nowhere(web: _Web) -> list[Doubt]:
    """Tell of references to tickets that are not there; their tickets get no other partner."""
    made = []
    for who, words in web.lost.items():
        if who in web.partners or who in web.live:
            continue
        each = web.sides[Side.ITSM].get(who)
        other = web.sides[Side.VENDOR].get(who)
        why = f"names {', '.join(words)}, which was not found"
        made.append(Doubt(itsm=each, vendor=other, why=why))
    return made


def _hints(web: _Web) -> list[Doubt]:
    """Tell of vendor tickets whose text mentions a ticket, where nothing better is known."""
    busy = set(web.partners) | set(web.live)
    made = []
    for who, each in web.sides[Side.VENDOR].items():
        if who in busy or who in web.lost:
            continue
        found = {
            one for word in each.mentions for one in web.by_word[Side.ITSM].get(word, ())
        } - busy
        for one in sorted(found, key=lambda each: each.id):
            itsm = web.sides[Side.ITSM][one]
            made.append(Doubt(itsm=itsm, vendor=each, why=f"only its text mentions {itsm.number}"))
    return made
