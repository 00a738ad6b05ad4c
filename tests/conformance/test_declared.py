"""What an adapter says of itself is true: Features, fields, checks, calls, N."""

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.model.features import Absence, Reading
from syncd.model.ids import AttachmentId
from syncd.model.operation import WriteKind
from syncd.model.ticket import CommentKind, FieldInfo, Value
from syncd.ports.adapter import Expectation
from syncd.ports.errors import Refused, Unsupported
from syncd.registry import PROVIDERS
from tests.conformance.fixture import Fixture
from tests.conformance.world import World, error_of, needs_remote, world_of

FIELD_WRITES = (WriteKind.CREATE, WriteKind.UPDATE, WriteKind.STATUS)


class TestFeatures:
    """What is declared can be done, and what is not raises Unsupported without a request."""

    async def test_what_is_not_declared_is_unsupported(self, world: World) -> None:
        ref = world.person_opens()
        since = world.mark
        for kind in WriteKind:
            if not world.can(kind):
                told = await error_of(world.send(world.write_of(kind, ref)))
                assert isinstance(told, Unsupported), (kind, told)
        if world.can(WriteKind.COMMENT):
            for comment_kind in set(CommentKind) - world.features.comment_kinds:
                write = world.write_of(
                    WriteKind.COMMENT, ref, comment=world.comment("x", comment_kind)
                )
                assert isinstance(await error_of(world.send(write)), Unsupported), comment_kind
        if not world.features.attachments:
            with pytest.raises(Unsupported):
                async with world.adapter.download(ref, AttachmentId("a")):
                    pass
        assert not world.requests(since)

    async def test_another_kind_of_ticket_is_unsupported(self, world: World) -> None:
        ref = replace(world.person_opens(), kind="nonsense")
        since = world.mark
        assert isinstance(await error_of(world.read(ref)), Unsupported)
        assert isinstance(await error_of(world.adapter.poll("nonsense", None)), Unsupported)
        with pytest.raises(Unsupported):
            world.adapter.fields("nonsense")
        assert not world.requests(since)

    async def test_features_agree_with_themselves_and_the_registry(self, world: World) -> None:
        features = world.features
        assert features == world.provider.features(world.own).of(world.fixture.kind)
        assert world.fixture.kind in features.kinds
        for kind, feature in features.writes.items():
            assert feature.settle_s >= 0, kind
            assert feature.looks >= 1, kind
            assert feature.can_probe or feature.absence is Absence.PARK, "nobody may guess"
        if WriteKind.ATTACHMENT in features.writes:
            assert features.limits.attachment_bytes > 0
        assert features.reading in Reading
        assert bool(world.fixture.status) is (WriteKind.STATUS in features.writes)


class TestFields:
    """`fields()` is true: what it calls writable is accepted, up to the length it tells."""

    def writable(self, world: World, kind: WriteKind) -> dict[str, FieldInfo]:
        infos = world.adapter.fields(world.fixture.kind)
        return {info.name: info for info in infos if str(kind) in info.writable}

    async def test_each_field_is_told_once_and_readable_ones_are_read(self, world: World) -> None:
        infos = world.adapter.fields(world.fixture.kind)
        names = [info.name for info in infos]
        assert len(set(names)) == len(names)
        assert tuple(infos) == tuple(world.provider.fields(world.own, world.fixture.kind))
        assert all(info.source for info in infos), "each names its section"
        ticket = await world.read(await world.opened())
        strange = set(ticket.fields) - {info.name for info in infos if info.readable}
        assert not strange, f"read and not told of: {strange}"

    async def test_the_fixture_leaves_no_writable_field_out(self, world: World) -> None:
        samples = {WriteKind.CREATE: world.fixture.create, WriteKind.UPDATE: world.fixture.change}
        for kind, sample in samples.items():
            if world.can(kind):
                names = set(self.writable(world, kind)) - set(world.fixture.unsampled)
                assert names == set(sample), f"{kind}: {names ^ set(sample)}"

    async def test_a_field_that_is_not_writable_is_refused_unsent(self, world: World) -> None:
        for kind in (WriteKind.CREATE, WriteKind.UPDATE):
            if not world.can(kind):
                continue
            names = {info.name for info in world.adapter.fields(world.fixture.kind)}
            for name in sorted((names | {"no_such_field"}) - set(self.writable(world, kind))):
                ref = None if kind is WriteKind.CREATE else world.person_opens()
                fields = {**self.sample(world, kind), name: "x"}
                since = world.mark
                told = await error_of(world.send(world.write_of(kind, ref, fields=fields)))
                assert isinstance(told, Refused), (kind, name, told)
                assert not world.sends(since), (kind, name)

    async def test_the_longest_text_is_taken_and_one_more_refused_unsent(
        self, world: World
    ) -> None:
        for kind in (WriteKind.CREATE, WriteKind.UPDATE):
            for name, info in self.writable(world, kind).items() if world.can(kind) else ():
                if info.max_chars is None or info.kind != "text" or info.values:
                    continue
                ref = None if kind is WriteKind.CREATE else await world.opened()
                longest = "x" * info.max_chars
                fields = {**self.sample(world, kind), name: longest}
                receipt = await world.send(world.write_of(kind, ref, fields=fields))
                ticket = await world.read(world.ref(receipt.ticket_id, receipt.ticket_number))
                world.assert_told(ticket, {name: longest})
                since = world.mark
                # A marker of the adapter's own may have left room: far beyond is always too much.
                fields = {**fields, name: "x" * (info.max_chars + 100)}
                told = await error_of(world.send(world.write_of(kind, ref, fields=fields)))
                assert isinstance(told, Refused), (kind, name, told)
                assert not world.sends(since)

    async def test_every_listed_value_is_taken_and_another_is_refused(self, world: World) -> None:
        for kind in FIELD_WRITES:
            for name, info in self.writable(world, kind).items() if world.can(kind) else ():
                if not info.values or name in world.fixture.unsampled:
                    continue
                ref = None if kind is WriteKind.CREATE else await world.opened()
                since = world.mark
                fields = {**self.sample(world, kind), name: "no such value"}
                told = await error_of(world.send(world.write_of(kind, ref, fields=fields)))
                assert isinstance(told, Refused), (kind, name, told)
                assert not world.sends(since), (kind, name)

    def sample(self, world: World, kind: WriteKind) -> dict[str, Value]:
        samples = {
            WriteKind.CREATE: world.fixture.create,
            WriteKind.UPDATE: world.fixture.change,
            WriteKind.STATUS: world.fixture.status,
        }
        return dict(samples[kind])


class TestCheckAndCalls:
    """`check` reads only; `calls` lists what `call` takes."""

    async def test_a_check_reads_only_and_finds_what_is_wrong(self, world: World) -> None:
        ref = await world.opened()
        before = world.sandbox.tickets()
        since = world.mark
        statuses = frozenset({*world.features.statuses, "Sleeping"})
        expectation = Expectation(values={"no_such_field": frozenset({"x"})}, statuses=statuses)
        findings = await world.adapter.check(expectation)
        assert findings[0].ok, findings
        assert all(one.what for one in findings)
        assert not world.sends(since)
        assert (world.done(since), world.sandbox.tickets()) == (0, before)
        await world.read(ref)

    async def test_a_check_tells_that_the_login_is_refused(self, world: World) -> None:
        needs_remote(world)
        world.person("locks_login")
        findings = await world.adapter.check(Expectation())
        assert findings
        assert not all(one.ok for one in findings), findings

    async def test_a_call_nobody_offers_is_unsupported(self, world: World) -> None:
        since = world.mark
        assert isinstance(await error_of(world.adapter.call("no_such_call", {})), Unsupported)
        for name, text in world.adapter.calls().items():
            assert text, name
            told = await error_of(world.adapter.call(name, {"no_such_argument": "x"}))
            assert isinstance(told, Refused), (name, told)
        assert not world.requests(since)


VALUES = st.one_of(
    st.text(),
    st.text(alphabet="ab \t\r\n\x00\u2028[ref:acme-0123456789abcdef]éÅÅ", max_size=80),
    st.sampled_from(["", " ", "\r\n", "[ref:acme-0123456789abcdef]", "2026-03-01T12:00:00Z"]),
    st.none(),
    st.booleans(),
    st.integers(),
    st.dictionaries(st.sampled_from(["name", "email", "phone"]), st.text(max_size=30)),
)


def assert_n(normalise: Callable[[str, Value], Value], name: str, value: Value) -> None:
    """Assert that N is pure and idempotent for one value."""
    before = copy.deepcopy(value)
    once = normalise(name, value)
    assert normalise(name, once) == once, (name, value, once)
    assert normalise(name, value) == once
    assert value == before


class TestNormalise:
    """N is pure, idempotent and gives values of the model."""

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_n_twice_is_n_and_changes_nothing(self, data: st.DataObject, provider: Fixture) -> None:
        normalise, names = normaliser(provider)
        name, value = data.draw(st.sampled_from(names)), data.draw(VALUES)
        assert_n(normalise, name, value)

    async def test_the_adapter_and_the_registry_have_one_n(self, provider: Fixture) -> None:
        normalise, names = normaliser(provider)
        async with world_of(provider) as world:
            for name in names:
                for value in ("  A\r\nb ", None, "", "2026-03-01T12:00:00Z"):
                    assert world.adapter.normalise(name, value) == normalise(name, value)


def normaliser(fixture: Fixture) -> tuple[Callable[[str, Value], Value], list[str]]:
    """Give a connection's N and the names to try it with."""
    one = PROVIDERS[fixture.provider]
    own = one.settings_model.model_validate(fixture.settings("https://vendor.example"))
    names = [info.name for info in one.fields(own, fixture.kind)]
    return one.normalise(own), [*names, "comment", "no_such_field"]
