"""What a served connection offers to callers of the gateway, and whom it lets in.

Made by the provider from its settings; the gateway acts on it and knows no settings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from syncd.model.secret import Secret
from syncd.model.ticket import CommentKind
from syncd.ports.served import ServedRules


class OfflineTokens(StrEnum):
    """What is done with a token that only its issuer can verify."""

    REFUSE = "refuse"
    REDEEM = "redeem"
    INTROSPECT = "introspect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Realm:
    """An issuer whose tokens let callers in.

    Attributes:
        issuer: equal, character for character, to the tokens' `iss`.
        keys_url, token_url, introspection_url: of this issuer, from the settings alone.
        audience: that a token must name; empty: `clients` decide.
        clients: accepted `azp`; empty: any that `audience` covers.
        role: a realm role, or `client:role`; empty: none is needed.
        algorithms: accepted for signatures; never symmetric ones.
        leeway_s: by which clocks may differ.
        client_id, client_secret: ours there, for redeeming and introspecting.
        offline_tokens: what is done with them.
        introspects: the issuer is asked about every access token as well.
        ca_file: PEM file of the only authorities trusted; None for the system's.
    """

    issuer: str
    keys_url: str
    token_url: str
    introspection_url: str
    audience: str = ""
    clients: frozenset[str] = frozenset()
    role: str = ""
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256")
    leeway_s: float = 30.0
    client_id: str = ""
    client_secret: Secret | None = None
    offline_tokens: OfflineTokens = OfflineTokens.REFUSE
    introspects: bool = False
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedKey:
    """A key that callers may write in `ticketJSON`.

    Attributes:
        target: the name it is kept under.
        max_chars: longest text; None: only the limit of all texts.
        is_time: an instant, which may lack a zone.
        is_clearable: an empty text empties it instead of leaving it unchanged.
    """

    target: str
    max_chars: int | None = None
    is_time: bool = False
    is_clearable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferLimits:
    """What one caller may ask for.

    Attributes:
        body_bytes: largest request.
        text_chars: longest text.
        keys: most keys of `ticketJSON`, and most names of `ticketFields`.
        notes: most notes added by one request.
        file_bytes: largest file.
        files: most files of one ticket.
        requests_per_s, burst: of one caller.
        request_s: seconds a request may take, waiting for a vendor's number apart.
    """

    body_bytes: int = 1024 * 1024
    text_chars: int = 64 * 1024
    keys: int = 200
    notes: int = 50
    file_bytes: int = 25 * 1024 * 1024
    files: int = 100
    requests_per_s: float = 300.0
    burst: int = 1000
    request_s: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One served connection.

    Attributes:
        prefix: path its calls lie below, without a slash at its end.
        create_path, update_path, details_path: below the prefix.
        realms: who may call.
        keys: what callers may write, by its name in `ticketJSON`.
        readable: further names answered, beside the contract's 25 and `keys`.
        note_keys: the kind of note that a key of `ticketJSON` adds.
        rejects_unknown: a key that is not among these refuses the request.
        duplicate_window_s: without an Idempotency-Key, equal creates within it are one; 0: never.
        bind_key: name the vendor's number is kept under; empty: callers are told our number.
        bind_wait_s: longest wait for it.
        mirror_status: the HTTP status repeats `statusCode`.
        targets_s: priority -> seconds until it should be resolved.
        limits: what one caller may ask for.
        rules: what the settings say about its tickets.
    """

    prefix: str
    create_path: str
    update_path: str
    details_path: str
    realms: tuple[Realm, ...]
    keys: Mapping[str, OfferedKey]
    readable: frozenset[str] = frozenset()
    note_keys: Mapping[str, CommentKind] = field(default_factory=dict)
    rejects_unknown: bool = False
    duplicate_window_s: float = 0.0
    bind_key: str = ""
    bind_wait_s: float = 0.0
    mirror_status: bool = False
    targets_s: Mapping[str, float] = field(default_factory=dict)
    limits: OfferLimits = field(default_factory=OfferLimits)
    rules: ServedRules = field(default_factory=ServedRules)
