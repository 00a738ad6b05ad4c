"""Where a daemon with some settings keeps things; light enough for every command."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

if TYPE_CHECKING:
    from syncd.settings.values import Settings, StoreSettings

_SQLITE = "sqlite:///"


def store_url(store: "StoreSettings") -> str:
    """Give the store's address as the store takes it: with its driver and its password."""
    parts = urlsplit(store.url)
    if parts.scheme != "postgresql":
        return store.url
    host = parts.netloc
    if store.password is not None:
        user, at, rest = host.rpartition("@")
        host = f"{user}:{quote(store.password.reveal(), safe='')}@{rest}" if at else host
    return urlunsplit(parts._replace(scheme="postgresql+asyncpg", netloc=host))


def socket_path(settings: "Settings") -> Path | None:
    """Say where the operators' socket of a daemon is; None on PostgreSQL, which takes commands."""
    if not settings.store.url.startswith(_SQLITE):
        return None
    path = Path(settings.store.url.removeprefix(_SQLITE))
    return path.with_name(f"{path.name}.sock")
