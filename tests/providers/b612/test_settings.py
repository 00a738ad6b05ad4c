"""What a connection may say, and what is told where it says something else."""

import pytest
from pydantic import ValidationError

from syncd.model.ids import ConnectionName
from syncd.model.operation import WriteKind
from syncd.model.secret import Secret
from syncd.providers.b612.adapter import declare, describe, login
from syncd.transport.login import Login
from tests.providers.b612.desk import Connecting, settings_of

URL = "https://d0v6as.apps.connect.claris.com/api/webhook/v1/ticket/catch"
KEY_ONLY = {"api_key": Secret("key")}


async def test_the_api_id_is_the_hosts_first_label_where_not_said(
    connecting: Connecting,
) -> None:
    settings = settings_of(URL, auth={**KEY_ONLY, "send": "user_header"})
    asked = Login(name=ConnectionName("b612"), pool=connecting.pool, clock=connecting.clock)
    grant = await login(settings, asked).grant()
    assert {name: value.reveal() for name, value in grant.headers.items()} == {"user": "d0v6as:key"}
    assert settings_of(URL, auth={**KEY_ONLY, "api_id": "other1"}).api_id == "other1"


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"auth": {"api_key": Secret("k"), "api_id": "a:b"}}, "api_id"),
        ({"comments_in": "todo", "marker": "none"}, "needs marker"),
        ({"paths": {"get": "ticket"}}, "paths.get"),
        ({"paths": {"get": "/a/../b"}}, "dot segments"),
        ({"required": ["status"]}, "cannot be written: status"),
        ({"statuses": ["Open", "open"]}, "listed twice"),
        ({"settle": {"update_s": "soon"}}, "'soon' is not a duration"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_key_is_told(keys: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        settings_of(URL, **keys)


def test_what_a_connection_can_do_follows_from_its_settings() -> None:
    plain, chatty = declare(settings_of(URL)), declare(settings_of(URL, comments_in="todo"))
    assert set(plain.writes) == {WriteKind.CREATE, WriteKind.UPDATE}
    assert set(chatty.writes) == {*plain.writes, WriteKind.COMMENT}
    assert chatty.writes[WriteKind.COMMENT].marker
    assert not declare(settings_of(URL, marker="none")).writes[WriteKind.CREATE].marker
    assert describe(settings_of(URL), "order") == ()
    assert settings_of(URL, settle={"read_s": "1m"}).settle.read_s == 60
