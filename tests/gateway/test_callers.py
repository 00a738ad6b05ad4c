"""Who is let in: tokens of every kind, and what is done to forge, steal or wear them out."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
import structlog.testing
from joserfc.jwk import ECKey

from syncd.gateway.served.checking import check_realm
from syncd.ports.offer import OfflineTokens
from syncd.store import credentials
from syncd.transport.pool import ClientPool
from tests.gateway.fakes import FakeClock
from tests.gateway.served import DETAILS, NAME, Office, office, realm_of
from tests.support.issuer import Issuer, new_key, running
from tests.support.stores import sqlite_store


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path) as opened:
        yield opened


async def knock(desk: Office, token: str | None, **headers: str) -> tuple[int, str]:
    """Fetch a ticket that is not there; give the status and the challenge."""
    login = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with desk.http.post(
        DETAILS, json={"ticketNumber": "none"}, headers=login | headers
    ) as answer:
        told = await answer.json()
        code = "404" if answer.status == 200 else str(answer.status)
        assert (told["statusCode"], told["ticketDetails"]) == (code, {})
        return answer.status, answer.headers.get("WWW-Authenticate", "")


async def test_a_token_of_the_realm_lets_its_holder_in(desk: Office) -> None:
    assert await knock(desk, desk.issuer.token()) == (200, "")
    assert await knock(desk, desk.issuer.token(aud=["account", "syncd"])) == (200, "")
    assert await knock(desk, desk.issuer.token(typ=None, header={"typ": "at+jwt"})) == (200, "")
    assert desk.issuer.asked == {"certs": 1}


async def test_without_a_token_one_is_asked_for(desk: Office) -> None:
    assert await knock(desk, None) == (401, 'Bearer realm="syncd"')
    assert (await knock(desk, None, Authorization="Basic eDp5"))[0] == 401
    assert (await knock(desk, ""))[0] == 401


def _unsigned(issuer: Issuer) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()

    return f"{part({'alg': 'none', 'kid': 'k1'})}.{part(issuer.claims())}."


def _altered(issuer: Issuer) -> str:
    head, claims, signature = issuer.token().split(".")
    other = issuer.token(sub="root").split(".")[1]
    assert other != claims
    return f"{head}.{other}.{signature}"


def _by_another_algorithm(issuer: Issuer) -> str:
    issuer.keys.append(new_key("k512", alg="RS512"))
    return issuer.token(key=issuer.keys[-1], header={"alg": "RS512"})


FORGED: dict[str, Callable[[Issuer], str]] = {
    "no signature": _unsigned,
    "the public key as a secret": lambda issuer: issuer.signed_with_the_public_key(),
    "other claims": _altered,
    "another's key": lambda issuer: issuer.token(key=new_key("k1")),
    "a key nobody published": lambda issuer: issuer.token(key=new_key("k9")),
    "the key for encryption": lambda issuer: issuer.token(header={"kid": "enc"}),
    "no key id": lambda issuer: issuer.token(header={"kid": ""}),
    "a key id without end": lambda issuer: issuer.token(header={"kid": "k" * 300}),
    "an algorithm not accepted": _by_another_algorithm,
    "its own key along": lambda issuer: issuer.token(
        key=new_key("x"), header={"jwk": new_key("x").as_dict(private=False)}
    ),
    "another realm": lambda issuer: issuer.token(iss=f"{issuer.url}/realms/other"),
    "a realm like it": lambda issuer: issuer.token(iss=f"{issuer.iss}/"),
    "another audience": lambda issuer: issuer.token(aud="account"),
    "no audience": lambda issuer: issuer.token(aud=None),
    "an id token": lambda issuer: issuer.token(typ="ID"),
    "a refresh token signed alike": lambda issuer: issuer.token(typ="Refresh"),
    "no kind": lambda issuer: issuer.token(typ=None),
    "expired": lambda issuer: issuer.token(exp=int(issuer.now().timestamp()) - 31),
    "no end": lambda issuer: issuer.token(exp=None),
    "an end that is a text": lambda issuer: issuer.token(exp="2099"),
    "not valid yet": lambda issuer: issuer.token(nbf=int(issuer.now().timestamp()) + 60),
    "made tomorrow": lambda issuer: issuer.token(iat=int(issuer.now().timestamp()) + 86400),
    "of nobody": lambda issuer: issuer.token(sub=None, azp=None),
    "half": lambda issuer: issuer.token()[:60] + "..",
    "five parts": lambda issuer: "a.b.c.d.e",
    "no base64": lambda issuer: "ø.ø.ø".encode("latin-1").decode("latin-1"),
    "too long": lambda issuer: issuer.token(filling="x" * 11_000),
}


@pytest.mark.parametrize("how", FORGED)
async def test_a_token_that_is_not_good_lets_nobody_in(desk: Office, how: str) -> None:
    status, challenge = await knock(desk, FORGED[how](desk.issuer))
    assert (status, challenge) == (401, 'Bearer realm="syncd", error="invalid_token"')


async def test_clocks_may_differ_by_a_little(desk: Office) -> None:
    now = int(desk.clock.now().timestamp())
    assert (await knock(desk, desk.issuer.token(exp=now - 20)))[0] == 200
    assert (await knock(desk, desk.issuer.token(nbf=now + 20)))[0] == 200


async def test_who_lacks_the_role_may_not_call(desk: Office) -> None:
    for access in ({"roles": ["other"]}, {"roles": "raise-tickets"}, None, []):
        status, challenge = await knock(desk, desk.issuer.token(realm_access=access))
        if access == {"roles": "raise-tickets"}:
            assert status == 403
        assert (status, "insufficient_scope" in challenge) == (403, True)


async def test_a_role_may_be_a_clients(tmp_path: Path) -> None:
    async with office(tmp_path, role="syncd:raise") as desk:
        role = {"syncd": {"roles": ["raise"]}, "other": {"roles": []}}
        assert (await knock(desk, desk.issuer.token(resource_access=role)))[0] == 200
        assert (await knock(desk, desk.issuer.token(resource_access={"other": role["syncd"]})))[
            0
        ] == 403


async def test_a_realm_may_name_clients_instead_of_an_audience(tmp_path: Path) -> None:
    async with office(tmp_path, audience="", clients=frozenset({"itops"})) as desk:
        assert (await knock(desk, desk.issuer.token(aud=None)))[0] == 200
        assert (await knock(desk, desk.issuer.token(aud=None, azp="other")))[0] == 401


async def test_new_keys_are_found_and_old_ones_forgotten(desk: Office) -> None:
    old = desk.issuer.token(exp=int(desk.clock.now().timestamp()) + 9999)
    assert (await knock(desk, old))[0] == 200
    desk.clock.seconds += 11
    desk.issuer.keys = [new_key("k2"), *desk.issuer.keys]
    assert (await knock(desk, desk.issuer.token()))[0] == 200
    assert (await knock(desk, old))[0] == 200
    desk.issuer.keys = desk.issuer.keys[:1]
    desk.clock.seconds += 601
    assert (await knock(desk, old))[0] == 401
    assert desk.issuer.asked["certs"] == 3


async def test_unknown_keys_by_the_hundred_cost_the_issuer_one_request(desk: Office) -> None:
    forger = new_key("x0")
    tokens = [desk.issuer.token(key=forger, header={"kid": f"x{n}"}) for n in range(30)]
    assert {(await knock(desk, token))[0] for token in tokens} == {401}
    assert desk.issuer.asked["certs"] == 1


async def test_keys_outlast_an_issuer_that_is_away_but_nothing_is_believed_without_any(
    desk: Office,
) -> None:
    desk.issuer.is_down = True
    assert (await knock(desk, desk.issuer.token()))[0] == 503
    desk.issuer.is_down = False
    desk.clock.seconds += 11
    assert (await knock(desk, desk.issuer.token()))[0] == 200
    desk.issuer.is_down = True
    desk.clock.seconds += 3600
    assert (await knock(desk, desk.issuer.token()))[0] == 200
    desk.clock.seconds += 24 * 3600
    assert (await knock(desk, desk.issuer.token()))[0] == 503


async def test_other_curves_serve_where_they_are_accepted(desk: Office) -> None:
    key = ECKey.generate_key("P-256", {"kid": "ec", "use": "sig", "alg": "ES256"})
    desk.issuer.keys.append(key)  # type: ignore[arg-type]
    token = desk.issuer.token(key=key, header={"alg": "ES256"})  # type: ignore[arg-type]
    assert (await knock(desk, token))[0] == 200


async def test_two_realms_keys_do_not_mix(desk: Office) -> None:
    async with running(Issuer(now=desk.clock.now, keys=[new_key("k1")])) as other:
        assert (await knock(desk, other.token()))[0] == 401
        assert (await knock(desk, other.token(iss=desk.issuer.iss)))[0] == 401


async def test_introspection_turns_away_what_was_revoked_within_a_minute(tmp_path: Path) -> None:
    async with office(tmp_path, introspects=True) as desk:
        token = desk.issuer.token(exp=int(desk.clock.now().timestamp()) + 9999)
        assert [(await knock(desk, token))[0] for _ in range(3)] == [200] * 3
        assert desk.issuer.asked["introspect"] == 1
        desk.issuer.revoked.add(token)
        desk.clock.seconds += 61
        assert (await knock(desk, token))[0] == 401
        desk.clock.seconds += 11
        desk.issuer.is_down = True
        assert (await knock(desk, token))[0] == 503


async def test_an_offline_token_is_redeemed_once_and_kept_nowhere_in_clear(desk: Office) -> None:
    offline = desk.issuer.offline_token()
    with structlog.testing.capture_logs() as logs:
        assert [(await knock(desk, offline))[0] for _ in range(3)] == [200] * 3
        assert desk.issuer.asked["token"] == 1
        desk.clock.seconds += 301
        assert (await knock(desk, offline))[0] == 200
        desk.issuer.offline.clear()
        desk.clock.seconds += 301
        assert (await knock(desk, offline))[0] == 401
    assert offline not in str(logs)
    assert await desk.database.read(credentials.names) == []


async def test_a_rotated_offline_token_is_committed_before_it_is_used_and_never_spent_twice(
    tmp_path: Path,
) -> None:
    url = sqlite_store(tmp_path / "store.db")
    async with office(tmp_path, database_url=url) as desk:
        desk.issuer.rotates = True
        offline = desk.issuer.offline_token()
        statuses = await asyncio.gather(*(knock(desk, offline) for _ in range(8)))
        assert {status for status, _ in statuses} == {200}
        assert desk.issuer.used_offline == [offline]
        desk.clock.seconds += 301
        assert (await knock(desk, offline))[0] == 200
        used = desk.issuer.used_offline
        assert len(used) == len(set(used)) == 2
        (name,) = await desk.database.read(credentials.names)
        assert offline not in name
        rows = await desk.database.read(
            lambda tx: str(tx.connection.exec_driver_sql("SELECT * FROM credential").all())
        )
        assert not any(token in rows for token in (*used, *desk.issuer.offline))


async def test_a_rotated_offline_token_outlives_a_restart(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        desk.issuer.rotates = True
        offline = desk.issuer.offline_token()
        assert (await knock(desk, offline))[0] == 200
        # Another process's gateway on the same store knows nothing but what was committed.
        desk.gateway.reload({}, frozenset(), {})
        desk.gateway.reload({}, frozenset(), {NAME: desk.offer})
        assert (await knock(desk, offline))[0] == 200
        assert len(set(desk.issuer.used_offline)) == 2


async def test_offline_tokens_may_be_introspected_or_refused(tmp_path: Path) -> None:
    async with office(
        tmp_path, offline_tokens=OfflineTokens.INTROSPECT, clients=frozenset({"itops"})
    ) as desk:
        offline = desk.issuer.offline_token()
        assert (await knock(desk, offline))[0] == 200
        desk.issuer.offline.clear()
        desk.clock.seconds += 61
        assert (await knock(desk, offline))[0] == 401
        assert "token" not in desk.issuer.asked
    (tmp_path / "b").mkdir()
    async with office(tmp_path / "b", offline_tokens=OfflineTokens.REFUSE) as desk:
        assert (await knock(desk, desk.issuer.offline_token()))[0] == 401
        assert desk.issuer.asked == {}


async def test_an_offline_token_of_another_realm_is_sent_nowhere(desk: Office) -> None:
    async with running(Issuer(now=desk.clock.now, realm="other")) as other:
        assert (await knock(desk, other.offline_token()))[0] == 401
    assert desk.issuer.asked == {}


async def test_strangers_tokens_by_the_hundred_do_not_wear_out_the_issuer(desk: Office) -> None:
    statuses = [(await knock(desk, f"opaque-{n}"))[0] for n in range(60)]
    assert set(statuses) == {401, 429}
    assert desk.issuer.asked["token"] <= 31
    assert (await knock(desk, desk.issuer.token()))[0] == 200


async def test_one_header_is_enough(desk: Office) -> None:
    login = [("Authorization", f"Bearer {desk.issuer.token()}")] * 2
    async with desk.http.post(DETAILS, json={}, headers=login) as answer:
        assert answer.status == 400


async def test_who_is_not_let_in_makes_nobody_read_a_body(desk: Office) -> None:
    waiting = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        await waiting.wait()

    headers = {"Content-Type": "application/json"}
    async with desk.http.post(DETAILS, data=body(), headers=headers) as answer:
        assert answer.status == 401
    waiting.set()


async def test_each_of_several_realms_lets_its_own_callers_in_and_is_asked_about_no_others(
    desk: Office,
) -> None:
    async with running(Issuer(now=desk.clock.now, realm="second")) as second:
        both = replace(desk.offer, realms=(*desk.offer.realms, realm_of(second)))
        desk.gateway.reload({}, frozenset(), {NAME: both})
        assert (await knock(desk, desk.issuer.token()))[0] == 200
        assert (await knock(desk, second.token()))[0] == 200
        assert (await knock(desk, second.token(iss=desk.issuer.iss)))[0] == 401
        assert (await knock(desk, second.offline_token()))[0] == 200
        assert "token" not in desk.issuer.asked


async def test_a_live_check_tells_what_of_a_realm_does_not_work() -> None:
    clock = FakeClock()
    async with running(Issuer(now=clock.now)) as issuer, ClientPool() as pool:
        realm = realm_of(issuer, introspects=True)
        fine = await check_realm(realm, pool)
        assert [each.ok for each in fine] == [True, True, True], fine
        assert "publishes 1 signing keys" in fine[0].what
        (keys, *_) = await check_realm(replace(realm, algorithms=("ES256",)), pool)
        assert not keys.ok
        issuer.is_down = True
        assert not any(each.ok for each in await check_realm(realm, pool))
        quiet = replace(realm, offline_tokens=OfflineTokens.REFUSE, introspects=False)
        assert len(await check_realm(quiet, pool)) == 1
