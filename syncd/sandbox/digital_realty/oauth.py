"""The Access Token API (section 8): client credentials in a form, `expires_in` as text."""

from urllib.parse import parse_qsl

from syncd.sandbox.calls import Answer, Call, json_answer
from syncd.sandbox.digital_realty.settings import DigitalRealtySandboxSettings
from syncd.sandbox.tokens import TokenBook

FORM = "application/x-www-form-urlencoded"


class TokenCalls:
    """Give out access tokens."""

    def __init__(self, settings: DigitalRealtySandboxSettings, tokens: TokenBook) -> None:
        self._settings = settings
        self._tokens = tokens

    async def token(self, call: Call) -> Answer:
        """`POST /v2/auth/token`."""
        settings = self._settings
        if call.request.content_type != FORM:
            return _refused(400, "invalid_request", "the body is not a form")
        form = dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))
        if form.get("grant_type") != "client_credentials":
            return _refused(400, "unsupported_grant_type", f"{form.get('grant_type')}")
        given = (form.get("client_id"), form.get("client_secret"))
        if self._tokens.is_locked or given != (settings.client_id, settings.client_secret):
            return _refused(401, "invalid_client", "client id or secret is wrong")
        return json_answer(
            {
                "access_token": self._tokens.issue(),
                "token_type": "BearerToken",
                "expires_in": f"{int(settings.token_lifetime_s) - 1}",
                "scope": "playground_api",
            },
            headers={"Cache-Control": "no-store"},
        )


def _refused(status: int, error: str, description: str) -> Answer:
    return json_answer({"error": error, "error_description": description}, status)
