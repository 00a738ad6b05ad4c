"""Error answers: one shape is documented (section 3), others the company uses elsewhere (8)."""

from typing import Any

from syncd.sandbox import calls
from syncd.sandbox.calls import Answer, json_answer

TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Payload Too Large",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
INVALID = "This resource could not be updated due to invalid arguments being passed."


class Refusal(calls.Refusal):
    """A call is refused with an HTTP status."""

    def __init__(self, status: int, detail: str, rule: str | None = None) -> None:
        super().__init__(f"{status}", detail, rule)
        self.status = status

    def answer(self, shape: int) -> Answer:
        return error(self.status, self.detail, shape)


def error(status: int, detail: str = "", shape: int = 0) -> Answer:
    """Answer an error in one of four shapes; shape 0 is the documented one."""
    title = TITLES.get(status, "Error")
    said = INVALID if status == 422 and not detail else (detail or title)
    bodies: list[dict[str, Any]] = [
        {"title": title, "message": said},
        {"message": said},
        {"id": "tickets", "code": status, "detail": said, "status": title},
        {"errors": [{"message": said}]},
    ]
    return json_answer(bodies[shape % len(bodies)], status)
