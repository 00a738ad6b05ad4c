"""Logins that end while we work (DESIGN R11)."""

from syncd.model.operation import Receipt, WriteKind
from syncd.ports.errors import CredentialsRejected, TokenRejected
from tests.conformance.world import World, error_of, needs_remote, one_field


def has_tokens(world: World) -> bool:
    return "token" in world.sandbox.operations


def logins(world: World, since: int) -> int:
    return sum(one["operation"] == "token" for one in world.requests(since))


async def a_write(world: World) -> object:
    """Send the first kind of write the provider has, to a ticket of a person's."""
    kind = min(world.features.writes)
    ref = None if kind is WriteKind.CREATE else world.person_opens()
    return await error_of(world.send(one_field(world, world.write_of(kind, ref))))


class TestLogin:
    """A read renews its token and goes on; a write goes back; refused credentials are told."""

    async def test_one_login_serves_many_calls(self, world: World) -> None:
        ref = world.person_opens()
        since = world.mark
        for _ in range(3):
            await world.read(ref)
        assert logins(world, since) == int(has_tokens(world))

    async def test_a_read_with_an_expired_token_repeats_once_with_a_fresh_one(
        self, world: World
    ) -> None:
        ref = world.person_opens()
        before = await world.read(ref)
        world.sandbox.tokens.expire_all()
        since = world.mark
        assert await world.read(ref) == before
        refused = [one for one in world.requests(since) if one["status"] == 401]
        assert len(refused) == logins(world, since) == int(has_tokens(world))

    async def test_a_write_with_an_expired_token_goes_back_unsent_and_then_works(
        self, world: World
    ) -> None:
        await world.read(world.person_opens())
        world.sandbox.tokens.expire_all()
        since = world.mark
        told = await a_write(world)
        if not has_tokens(world):
            assert isinstance(told, Receipt), told
            return
        # Where a write reads first, that read has renewed the token already.
        if isinstance(told, Receipt):
            assert logins(world, since) == 1
            assert world.requests(since)[0]["status"] == 401
            assert world.is_read(world.requests(since)[0]["operation"])
            return
        assert isinstance(told, TokenRejected), told
        assert (len(world.sends(since)), world.done(since)) == (1, 0)
        assert isinstance(await a_write(world), Receipt)
        assert world.done(since) == 1

    async def test_credentials_that_are_refused_are_told_by_reads_and_writes(
        self, world: World
    ) -> None:
        needs_remote(world)
        ref = world.person_opens()
        await world.read(ref)
        world.person("locks_login")
        since = world.mark
        told = await error_of(world.read(ref))
        assert isinstance(told, CredentialsRejected), told
        told = await a_write(world)
        assert isinstance(told, CredentialsRejected), told
        assert world.done(since) == 0
        world.person("locks_login", False)

    async def test_a_second_refusal_of_a_fresh_token_ends_it(self, world: World) -> None:
        if not has_tokens(world):
            return
        ref = world.person_opens()
        world.sandbox.faults.next("expired_token", count=20)
        since = world.mark
        told = await error_of(world.read(ref))
        assert isinstance(told, CredentialsRejected), told
        assert len(world.requests(since)) <= 4, "two logins, two reads"
