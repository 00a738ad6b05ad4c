"""The vendor's refusals; the document shows neither codes nor bodies (section 7, D18).

With oddities on, the bodies come in five shapes by turns.
"""

from typing import Any

from syncd.sandbox import calls
from syncd.sandbox.calls import Answer, json_answer


class Refusal(calls.Refusal):
    """A call is refused with an HTTP status."""

    def __init__(self, status: int, detail: str, rule: str | None = None) -> None:
        super().__init__(f"{status}", detail, rule)
        self.status = status

    def answer(self, shape: int) -> Answer:
        return error_answer(self.status, self.detail, shape)


def error_answer(status: int, detail: str, shape: int = 0) -> Answer:
    """Answer a failure in one of five shapes."""
    bodies: list[dict[str, Any]] = [
        {"message": detail},
        {"error": "invalid_request", "error_description": detail},
        {"errors": [{"code": str(status), "message": detail}]},
        {"fault": {"faultstring": detail, "detail": {"errorcode": f"messaging.{status}"}}},
        {"status": status, "detail": detail},
    ]
    return json_answer(bodies[shape % len(bodies)], status)
