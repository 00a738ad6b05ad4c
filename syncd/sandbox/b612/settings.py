"""What the B-612 sandbox can be told, and the document's field names (b612.md)."""

from dataclasses import dataclass

from syncd.sandbox.server import SandboxSettings

LOCATION = ("address", "city", "data_center", "name", "postcode")
"""The five elements of `location` (section 3)."""

CLIENT_DETAILS = (
    "owner_email",
    "owner_name",
    "priority",
    "shipment_courier",
    "shipment_tracking",
    "ticket_number",
    "todo",
    "rack",
)
"""The eight elements of `client_details` (section 3); `ticket_number` is the customer's own."""

DETAILS = (
    "b612_engineer",
    "b612_engineer_email",
    "date_created",
    "date_suggested",
    "b612_ticket_number",
    "type",
    "status",
    "time_suggested",
)
"""The eight elements of `b612_details`, all read-only (section 3)."""

HOURS_LOG = ("total_business_hours", "total_non_business_hours", "total_expenses")
"""The three elements of `hours_log`, all read-only (section 3)."""

WRITABLE = (*LOCATION, *CLIENT_DETAILS)
"""What POST and PUT may carry: thirteen elements."""

WEBHOOK_PATH = "/api/webhook/v1/ticket/catch"


@dataclass(frozen=True, slots=True, kw_only=True)
class B612SandboxSettings(SandboxSettings):
    """Settings of the B-612 sandbox; B numbers are those of section 7 of b612.md.

    Args:
        webhook_path: path of the customer's webhook, the same for the three methods (B5).
        api_id, api_key: the login (section 2).
        takes_basic, takes_user_header: the two ways to show it (B3); a wrong one is refused even
            beside a right one.
        put_number_keys: names in `b612_details` under which PUT looks for the ticket (B1).
        put_replaces: an element left out of a PUT is emptied; else it stays (B17: not said).
        keeps_lines: `todo` keeps its line breaks; else each becomes the run of white space that
            the document's example shows (B16).
        answers: what POST and PUT answer: `ticket` as GET does, `number` alone, or `ok`, the text
            that a flow without a synchronous answer gives (section 9).
        number_key: the name of B-612's number in answers (B1).
        is_wrapped: answers stand in `ticket` (B7).
        numeric_amounts: hours and expenses are JSON numbers instead of strings (B14).
        unknown_ticket: GET of an unknown number: `404`, `empty` (200, nothing filled in) or `ok`
            (200 and the text) (B18).
        first_status, closed_status: labels of a new and of a finished ticket (B12).
        first_type: the category B-612 gives a new ticket.
        zone: the wall time that `date_created` is shown in; no answer names it (B13).
    """

    webhook_path: str = WEBHOOK_PATH
    api_id: str = "d0v6as"
    api_key: str = "b612-api-key"
    takes_basic: bool = True
    takes_user_header: bool = True
    put_number_keys: tuple[str, ...] = ("b612_ticket_number", "ticket_number")
    put_replaces: bool = True
    keeps_lines: bool = False
    answers: str = "ticket"
    number_key: str = "b612_ticket_number"
    is_wrapped: bool = False
    numeric_amounts: bool = False
    unknown_ticket: str = "404"
    first_status: str = "Open"
    closed_status: str = "Closed"
    first_type: str = "Deployment"
    zone: str = "Europe/London"
