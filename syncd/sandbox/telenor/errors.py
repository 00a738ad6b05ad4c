"""The vendor's refusals: documented codes (section 3) and the gateway's own (section 9).

The document does not show the shape of an error body. With oddities on, the service's errors
come in four shapes by turns; the gateway's are Apigee's.
"""

from typing import Any

from syncd.sandbox import calls
from syncd.sandbox.calls import Answer, json_answer

MEANINGS = {
    "400001": "Missing mandatory inputs",
    "400002": "Invalid inputs",
    "401001": "Invalid resource",
    "401002": "Not authorized",
    "401003": "Invalid or expired token",
    "403001": "Forbidden",
    "404001": "Path or method not found",
    "404002": "Data or entity not found",
    "500001": "Internal server error",
    "503001": "External server error",
    "40102": "Missing authorization header",
    "40107": "Invalid basic authorization",
    "42901": "Rate limit quota violation",
    "42902": "Spike arrest violation",
    "50001": "Internal error",
}


class Refusal(calls.Refusal):
    """A call is refused with a documented code: six digits, the first three the HTTP status."""

    def __init__(self, code: str, detail: str, rule: str | None = None) -> None:
        super().__init__(code, detail, rule)
        self.code = code

    def answer(self, shape: int) -> Answer:
        return service_error(self.code, self.detail, shape)


def service_error(code: str, detail: str = "", shape: int = 0) -> Answer:
    """Answer one of the six-digit codes in one of four shapes."""
    message = f"{MEANINGS[code]}: {detail}" if detail else MEANINGS[code]
    bodies: list[dict[str, Any]] = [
        {"code": code, "message": message},
        {"errorCode": int(code), "errorMessage": message},
        {"error": {"code": code, "message": message}},
        {"errors": [{"code": code, "message": message}]},
    ]
    return json_answer(bodies[shape % len(bodies)], int(code[:3]))


def gateway_error(code: str) -> Answer:
    """Answer one of the gateway's five-digit codes in Apigee's shape."""
    body = {"fault": {"faultstring": MEANINGS[code], "detail": {"errorcode": code}}}
    return json_answer(body, int(code[:3]))
