"""The realms whose callers a served connection lets in, asked live."""

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncd.model.ids import ConnectionName
    from syncd.ports.adapter import CheckFinding
    from syncd.settings.values import Settings


async def asked(settings: "Settings", name: "ConnectionName") -> "list[CheckFinding]":
    """Ask each realm of a connection; nothing for one that is not served."""
    from syncd.app.assembly import offers_of
    from syncd.gateway.served.checking import check_realm
    from syncd.transport.pool import ClientPool

    alone = replace(settings, connections={name: settings.connections[name]})
    offer = offers_of(alone).get(name)
    if offer is None:
        return []
    async with ClientPool() as pool:
        return [each for realm in offer.realms for each in await check_realm(realm, pool)]
