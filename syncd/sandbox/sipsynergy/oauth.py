"""A token endpoint such as the company runs elsewhere (section 8: Hydra, client credentials)."""

import base64
import binascii
from urllib.parse import parse_qsl, unquote_plus

from syncd.sandbox.calls import Answer, Call, json_answer
from syncd.sandbox.sipsynergy.settings import SipSynergySandboxSettings
from syncd.sandbox.tokens import TokenBook


class TokenCalls:
    """Give out access tokens."""

    def __init__(self, settings: SipSynergySandboxSettings, tokens: TokenBook) -> None:
        self._settings = settings
        self._tokens = tokens

    async def token(self, call: Call) -> Answer:
        """`POST /oauth2/token`, the client by HTTP Basic or in the form."""
        form = dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))
        given = _basic(call.request.headers.get("Authorization", "")) or (
            form.get("client_id"),
            form.get("client_secret"),
        )
        settings = self._settings
        if self._tokens.is_locked or given != (settings.client_id, settings.client_secret):
            return json_answer({"error": "invalid_client"}, 401)
        if form.get("grant_type") != "client_credentials":
            return json_answer({"error": "unsupported_grant_type"}, 400)
        return json_answer(
            {
                "access_token": self._tokens.issue(),
                "token_type": "bearer",
                "expires_in": int(settings.token_lifetime_s),
            },
            headers={"Cache-Control": "no-store"},
        )


def _basic(header: str) -> tuple[str | None, str | None] | None:
    scheme, _, coded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(coded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return ("", "")
    return unquote_plus(name), unquote_plus(secret)
