"""A connection's own keys are checked, and secrets never print."""

import pytest
from pydantic import ValidationError

from syncd.app.secrets import secrets_in
from syncd.model.secret import Secret
from syncd.model.ticket import CommentKind, Visibility
from syncd.providers.smartops.client import FetchMethod
from syncd.providers.smartops.settings import SmartOpsSettings
from syncd.providers.smartops.wire import NoteList

TOKEN_URL = "https://sso.example.com/realms/acme/protocol/openid-connect/token"
OFFLINE = {"token_url": TOKEN_URL, "client_id": "syncd", "offline_token": Secret("s3cr3t-offline")}


def load(**keys: object) -> SmartOpsSettings:
    return SmartOpsSettings.model_validate({"auth": OFFLINE, **keys})


def test_the_example_of_the_format_loads():
    settings = load(
        mode="call",
        fields={
            "site": {"key": "u_site", "access": "read"},
            "vendor_ref": {"key": "u_vendor_ref", "access": "read_write", "max": "40"},
        },
        writes={"comment": "comments", "work_note": "workNotes", "closure_note": "closeNotes"},
        visibility={"comments": "public", "workNotes": "private", "closureNotes": "private"},
    )
    assert settings.auth.grant == "refresh_token"
    assert settings.template.visibilities[NoteList.COMMENTS] is Visibility.PUBLIC
    assert settings.template.fields["vendor_ref"].max_chars == 40


def test_what_is_not_said_has_cautious_defaults():
    settings = load()
    assert set(settings.template.visibilities.values()) == {Visibility.PRIVATE}
    assert settings.fetch_method is FetchMethod.GET
    assert settings.template.note_keys[CommentKind.CLOSURE_NOTE] == "closeNotes"


def test_text_is_typed_by_the_schema():
    settings = load(
        pace={"requests_per_s": "2.5", "concurrency": "3"}, settle={"update_s": "2m", "read_s": "0"}
    )
    assert (settings.pace.requests_per_s, settings.settle.update_s) == (2.5, 120.0)


def test_secrets_are_known_and_never_shown():
    settings = load(connection_details={"user": "syncd", "password": Secret("hunter22")})
    assert tuple(secrets_in(settings)) == (Secret("s3cr3t-offline"), Secret("hunter22"))
    assert "hunter22" not in f"{settings!r} {settings.calls!r}"


@pytest.mark.parametrize(
    ("auth", "grant"),
    [
        (OFFLINE, "refresh_token"),
        (OFFLINE | {"client_secret": Secret("x")}, "refresh_token"),
        (
            {"token_url": TOKEN_URL, "client_id": "c", "client_secret": Secret("x")},
            "client_credentials",
        ),
        ({"access_token": Secret("x")}, "access_token"),
    ],
)
def test_the_grant_follows_from_what_is_given(auth: dict[str, object], grant: str):
    assert load(auth=auth).auth.grant == grant


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"mode": "serve"}, "mode serve needs `serve`"),
        ({"auth": {}}, "one of offline_token"),
        ({"auth": OFFLINE | {"access_token": Secret("x")}}, "stands alone"),
        ({"auth": OFFLINE | {"token_url": "sso.example.com"}}, "token endpoint"),
        ({"auth": OFFLINE | {"client_id": ""}}, "client_id"),
        ({"auth": OFFLINE | {"offline_token": "in plain sight"}}, "Secret"),
        ({"paths": {"create": "no/slash"}}, "paths"),
        ({"paths": {"create": "/a/../b"}}, "dot segments"),
        ({"paths": {"create": "/a?b=c"}}, "paths"),
        ({"fetch_method": "PUT"}, "fetch_method"),
        ({"time_zone_offset": "Oslo"}, "time_zone_offset"),
        ({"fields": {"number": {"key": "n"}}}, "only be read"),
        ({"fields": {"title": {"key": "n"}}}, "access: write"),
        ({"fields": {"work_note": {"key": "n"}}}, "writes"),
        ({"fields": {"mine": {"key": "urgency"}}}, "own 25"),
        ({"fields": {"a": {"key": "x"}, "b": {"key": "x"}}}, "one key for two"),
        ({"fields": {"Not Snake": {"key": "x"}}}, "fields"),
        ({"settle": {"read_s": "soon"}}, "duration"),
        ({"writes": {"comment": ""}}, "writes"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_work_is_refused_with_a_reason(keys: dict[str, object], told: str):
    with pytest.raises(ValidationError, match=told):
        load(**keys)


def test_a_kind_of_comment_without_a_key_cannot_be_written():
    settings = load(writes={"closure_note": None})
    assert CommentKind.CLOSURE_NOTE not in settings.template.note_keys
