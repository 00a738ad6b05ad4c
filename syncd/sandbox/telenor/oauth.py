"""The portal's token endpoint (section 9): password and client_credentials grants."""

import base64
import binascii
from urllib.parse import parse_qsl

from syncd.sandbox.calls import Answer, Call, json_answer
from syncd.sandbox.telenor.errors import gateway_error
from syncd.sandbox.telenor.settings import TelenorSandboxSettings
from syncd.sandbox.tokens import TokenBook

FORM = "application/x-www-form-urlencoded"


class TokenCalls:
    """Give out and end access tokens."""

    def __init__(self, settings: TelenorSandboxSettings, tokens: TokenBook) -> None:
        self._settings = settings
        self._tokens = tokens

    async def token(self, call: Call) -> Answer:
        """`POST /oauth/v2/token`, the client in HTTP Basic, the grant in a form."""
        settings = self._settings
        given = _basic(call.request.headers.get("Authorization", ""))
        if given is None:
            return gateway_error("40102")
        if given != (settings.client_id, settings.client_secret):
            return gateway_error("40107")
        form = dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))
        if call.request.content_type != FORM:
            return _refused("invalid_request", "the body is not a form")
        grant = form.get("grant_type")
        if grant not in ("password", "client_credentials"):
            return _refused("unsupported_grant_type", f"{grant}")
        user = (form.get("username"), form.get("password"))
        is_wrong = grant == "password" and user != (settings.username, settings.password)
        if is_wrong or self._tokens.is_locked:
            return _refused("invalid_grant", "wrong user name or password")
        return json_answer(
            {
                "access_token": self._tokens.issue(),
                "token_type": "Bearer",
                "expires_in": int(settings.token_lifetime_s),
            },
            headers={"Cache-Control": "no-store"},
        )

    async def logout(self, call: Call) -> Answer:
        """`GET /oauth/v2/logout` ends the bearer token and answers `OK!`."""
        token = call.request.headers.get("Authorization", "").partition(" ")[2].strip()
        self._tokens.expire(token)
        answer = json_answer({})
        answer.text = "OK!"
        return answer


def _refused(error: str, description: str) -> Answer:
    return json_answer({"error": error, "error_description": description}, 400)


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, coded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(coded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return ("", "")
    return name, secret
