"""The realm's token endpoint (section 7.1): client credentials and offline tokens."""

import base64
import binascii
from urllib.parse import parse_qsl

from syncd.sandbox.calls import Answer, Call, json_answer
from syncd.sandbox.chance import Chance
from syncd.sandbox.smartops.settings import SmartOpsSandboxSettings
from syncd.sandbox.tokens import TokenBook

FORM = "application/x-www-form-urlencoded"
WRONG_CLIENT = "Invalid client or Invalid client credentials"


class KeycloakCalls:
    """Give out access tokens.

    Attributes:
        offline_tokens: those that can be redeemed now; a rotated one leaves this set.
    """

    def __init__(self, settings: SmartOpsSandboxSettings, tokens: TokenBook) -> None:
        self._settings = settings
        self._tokens = tokens
        self._chance = Chance(settings.seed, "offline")
        self.offline_tokens = {settings.offline_token}

    async def token(self, call: Call) -> Answer:
        """`POST /realms/{realm}/protocol/openid-connect/token`."""
        if call.params["realm"] != self._settings.realm:
            return json_answer({"error": "Realm does not exist"}, 404)
        if call.request.content_type != FORM:
            return _refused("invalid_request", "the body is not a form")
        form = dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))
        client_id, secret = _client(call, form)
        grant = form.get("grant_type")
        if client_id != self._settings.client_id or self._tokens.is_locked:
            return _refused("invalid_client", WRONG_CLIENT, 401)
        # A public client redeems its offline token without a secret.
        is_public = grant == "refresh_token" and secret is None
        if secret != self._settings.client_secret and not is_public:
            return _refused("unauthorized_client", WRONG_CLIENT, 401)
        if grant == "client_credentials":
            return self._issued(None)
        if grant == "refresh_token":
            return self._redeemed(form.get("refresh_token", ""))
        return _refused("unsupported_grant_type", "Unsupported grant_type")

    def _redeemed(self, offline_token: str) -> Answer:
        if offline_token not in self.offline_tokens:
            return _refused("invalid_grant", "Offline user session not found")
        if not self._settings.rotates_offline_token:
            return self._issued(offline_token)
        self.offline_tokens.discard(offline_token)
        replacement = f"offline-{self._chance.hex(32)}"
        self.offline_tokens.add(replacement)
        return self._issued(replacement)

    def _issued(self, offline_token: str | None) -> Answer:
        answer: dict[str, str | int] = {
            "access_token": self._tokens.issue(),
            "expires_in": int(self._settings.token_lifetime_s),
            "refresh_expires_in": 0,
            "token_type": "Bearer",
            "not-before-policy": 0,
            "scope": "profile email",
        }
        if offline_token is not None:
            answer |= {"refresh_token": offline_token, "scope": "profile offline_access email"}
        return json_answer(answer, headers={"Cache-Control": "no-store"})


def _refused(error: str, description: str, status: int = 400) -> Answer:
    return json_answer({"error": error, "error_description": description}, status)


def _client(call: Call, form: dict[str, str]) -> tuple[str | None, str | None]:
    """Read the client from HTTP Basic or from the form."""
    scheme, _, coded = call.request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id"), form.get("client_secret")
    try:
        name, _, secret = base64.b64decode(coded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None, None
    return name, secret
