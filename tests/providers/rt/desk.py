"""An RT with staff and a connection to it, for the tests of this folder."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from syncd.model.operation import Write, WriteKind
from syncd.model.ticket import CommentKind
from tests.conformance.fixtures.rt import TICKETS
from tests.conformance.world import World, world_of

PLAIN = replace(TICKETS, kit={**TICKETS.kit, "transaction_field": ""}, name="rt_plain")
"""A connection whose queues have no custom field for our keys."""


@contextlib.asynccontextmanager
async def desk(sandbox: dict[str, Any] | None = None, **kit: object) -> AsyncIterator[World]:
    """Open an RT and a connection with more keys than the kit's."""
    fixture = replace(TICKETS, kit={**TICKETS.kit, **kit})
    async with world_of(fixture, sandbox=sandbox) as world:
        yield world


def rt_of(world: World) -> Any:
    """Give the sandbox with all that only it has."""
    return world.sandbox


def says(world: World, ref: Any, body: str, kind: CommentKind = CommentKind.COMMENT) -> Write:
    return world.write_of(WriteKind.COMMENT, ref, comment=world.comment(body, kind))
