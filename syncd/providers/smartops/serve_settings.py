"""The block `serve:` of a `smartops` connection in mode `serve`."""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from syncd.model.secret import Secret
from syncd.model.texts import Seconds, no_dots
from syncd.ports.offer import OfferLimits, OfflineTokens, Realm

_SYMMETRIC = re.compile(r"none|HS\d+", re.IGNORECASE)


def _address(value: str) -> str:
    if value == "":
        return value
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("not a web address; accepted: https://host/realms/NAME")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError("keys that come in the clear can be anybody's; accepted: https")
    return value.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _prefix(value: str) -> str:
    if value.startswith(("/-", "/metrics", "/notify")):
        raise ValueError("syncd answers there itself")
    return no_dots(value)


def _asymmetric(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if _SYMMETRIC.fullmatch(name):
            raise ValueError(f"{name}: whoever can check such a token can make one")
    return names


Address = Annotated[str, AfterValidator(_address)]
Prefix = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._~-]+)+$"), AfterValidator(_prefix)]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class SmartOpsRealm(_Frozen):
    """A Keycloak realm whose tokens let callers in.

    Spec: §7.1 (endpoints), §7.3 (issuer, audience or azp, algorithms), §7.4 (offline tokens).
    """

    issuer: Address = Field(description="https://host/realms/NAME, as the tokens' `iss` says it")
    audience: str = Field(default="", description="that tokens must name in `aud`")
    azp: tuple[str, ...] = Field(default=(), description="clients whose tokens are accepted")
    role: str = Field(default="", description="a realm role, or client:role")
    algorithms: tuple[Algorithm, ...] = ("RS256", "PS256", "ES256")
    leeway: Seconds = Field(default=30.0, le=60, description="by which clocks may differ")
    client_id: str = Field(default="", description="syncd's own client there")
    client_secret: Secret | None = None
    offline_tokens: OfflineTokens | None = Field(
        default=None, description="redeem where a client_id is given, else refuse"
    )
    introspect: bool = Field(default=False, description="ask Keycloak about every token as well")
    keys_url: Address = Field(default="", description="where not Keycloak's own path")
    token_url: Address = Field(default="", description="where not Keycloak's own path")
    introspection_url: Address = Field(default="", description="where not Keycloak's own path")

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if not self.issuer:
            raise ValueError("issuer is needed")
        if not self.audience and not self.azp:
            raise ValueError("one of audience and azp is needed: else any client's token would do")
        asks = self.introspect or self._offline is OfflineTokens.INTROSPECT
        if asks and self.client_secret is None:
            raise ValueError("introspection needs client_id and client_secret")
        if self._offline is not OfflineTokens.REFUSE and not self.client_id:
            raise ValueError("offline tokens need a client_id to redeem or introspect them with")
        if self._offline is OfflineTokens.INTROSPECT and not self.azp:
            raise ValueError("an introspected offline token names no audience: azp is needed")
        return self

    @property
    def _offline(self) -> OfflineTokens:
        if self.offline_tokens is not None:
            return self.offline_tokens
        return OfflineTokens.REDEEM if self.client_id else OfflineTokens.REFUSE

    def value(self) -> Realm:
        """Give what the gateway acts on."""
        below = f"{self.issuer}/protocol/openid-connect"
        return Realm(
            issuer=self.issuer,
            keys_url=self.keys_url or f"{below}/certs",
            token_url=self.token_url or f"{below}/token",
            introspection_url=self.introspection_url or f"{below}/token/introspect",
            audience=self.audience,
            clients=frozenset(self.azp),
            role=self.role,
            algorithms=_asymmetric(tuple(self.algorithms)),
            leeway_s=self.leeway,
            client_id=self.client_id,
            client_secret=self.client_secret,
            offline_tokens=self._offline,
            introspects=self.introspect,
        )


class SmartOpsBind(_Frozen):
    """Wait for the vendor's number, so that callers are told it instead of ours."""

    field: str = Field(description="one of `fields:`, where the mapping writes the vendor's number")
    wait: Seconds = Field(default=20.0, le=120, description="then our own number is answered")


class SmartOpsServeLimits(_Frozen):
    """What one caller may ask for; beyond it, it is told no."""

    body_bytes: int = Field(default=1024 * 1024, ge=1024, le=64 * 1024 * 1024)
    text_chars: int = Field(default=64 * 1024, ge=256)
    keys: int = Field(default=200, ge=25, le=5000)
    notes: int = Field(default=50, ge=1)
    file_bytes: int = Field(default=25 * 1024 * 1024, ge=1024)
    files: int = Field(default=100, ge=1)
    requests_per_s: float = Field(default=300.0, gt=0)
    burst: int = Field(default=1000, ge=1)
    request: Seconds = Field(default=20.0, gt=0, le=120)

    def value(self) -> OfferLimits:
        """Give what the gateway acts on."""
        return OfferLimits(
            body_bytes=self.body_bytes,
            text_chars=self.text_chars,
            keys=self.keys,
            notes=self.notes,
            file_bytes=self.file_bytes,
            files=self.files,
            requests_per_s=self.requests_per_s,
            burst=self.burst,
            request_s=self.request,
        )


class SmartOpsServe(_Frozen):
    """How the contract is offered.

    Spec: §5 O2 (paths), O3 (`mirror_status`), O8 (`unknown_keys`), O15 (`duplicate_window`); §7.
    """

    realms: tuple[SmartOpsRealm, ...] = Field(min_length=1, description="who may call")
    prefix: Prefix | None = Field(default=None, description="/smartops/CONNECTION where not said")
    number_prefix: str = Field(default="SYN", pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,15}$")
    duplicate_window: Seconds = Field(
        default=0.0, le=86400, description="equal creates without a key within it are one; 0: never"
    )
    unknown_keys: Literal["ignore", "reject"] = "ignore"
    mirror_status: bool = Field(default=False, description="HTTP status as statusCode says")
    bind: SmartOpsBind | None = None
    targets: Mapping[str, Seconds] = Field(
        default_factory=dict, description="priority: time within which it should be resolved"
    )
    limits: SmartOpsServeLimits = SmartOpsServeLimits()


__all__ = ["SmartOpsBind", "SmartOpsRealm", "SmartOpsServe", "SmartOpsServeLimits"]
