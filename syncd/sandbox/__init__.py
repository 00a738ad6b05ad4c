"""Simulators of the vendors' HTTP, written from their documents and from no adapter.

They import nothing of syncd, keep their own time, answer a request that breaks the document as
the document says (and list it under `violations`), and record everything.

In a program::

    sandbox = await serve("telenor", port=8081, seed=7)       # or TelenorSandbox(settings)
    sandbox.base_url                                          # "http://127.0.0.1:8081"
    ticket = sandbox.person_creates({"subject": "Link down"}, "Kari")
    sandbox.faults.next("lost_answer", operation="create_incident")
    await sandbox.stop()                                      # or: async with TelenorSandbox(…)

**Every sandbox** (`server.Sandbox`): `start(host, port) -> base_url`, `stop()`, `app`, `base_url`,
`clock`, `record`, `violations`, `faults`, `set_faults(rates, only)`, `tokens` (`issue()`,
`expire(token)`, `expire_all()`), `operations`, `acts`, `tickets()`. Settings: `SandboxSettings`.

**People** act by plain methods that never wait. A ticket is named by id or number; `by` is who.
Every sandbox: `person_creates(fields, by) -> id`, `person_updates(ticket, fields, by)`,
`person_comments(ticket, text, by, internal=…) -> id`, `person_attaches(ticket, name, content,
content_type, by)`, `person_sets_status(ticket, status, by, text)`, `person_removes(ticket, by)`,
`person_locks_login(is_locked)`. Telenor: `internal` is an agent (else a customer), a Path as
content is served where it lies, and there is `person_deletes_attachment(ticket, id, by)`.
Its orders are the second tree: `person_creates(…, kind="order")`, everything else finds a ticket in
either. SmartOps: `internal` is a work note, `kind` any of the three lists; an attachment is
recorded and never seen; `person_notifies(ticket)`, `person_revokes_token()`,
`notify_to(url, token, loss)`, `await settle_notifies()`, `unheard` (number to what became of its
last ring). Digital Realty: `account` of `person_creates` is an account id (None: the first
account); comments look alike whoever is `internal`; an attachment is recorded and no call shows it.
RT: `internal` is a private comment, else a reply (`html` as its editor writes it);
`person_merges(ticket, target)`.
B-612: `person_comments` writes into `todo`, there are no attachments, and there are
`person_suggests(ticket, date, time, by)` and `person_logs_hours(ticket, business, non_business,
expenses, by)`; `webhook_url` is the complete address. SIP Synergy:
a ticket's fields may be the report's (`priority`, `assigned`, …); a status shows in the reports
alone, its `text` becomes a comment; `internal` says nothing; an attachment is recorded and never
seen.

**Record**: a list of dicts with `seq`, `at`, `what`. Changes also have `actor` ("person" or
"client"), `by`, `request` (number of the HTTP request that made it, None for people), `ticket`,
`number` (Telenor: `tree`, "incident" or "order") and:

- ticket_created: status, fields; ticket_removed (Digital Realty: all with account)
- field_changed, field_unchanged: field, old, new (unchanged: written with the value it had)
- status_changed: old, new (Telenor: text; Digital Realty: text, why it was cancelled);
  status_unchanged
- comment_added: comment (id), kind, text (kind is "comment"; SmartOps: the list's name; RT:
  correspond or comment)
- attachment_added: attachment (id), name, content_type, size, sha256 (SmartOps: is_visible False)
- attachment_deleted: attachment, name
- ticket_merged: into (RT)
- notify_sent, notify_failed, notify_lost: number (attempt, problem)
- mail_sent: event (SIP Synergy); user_created, user_updated, user_removed: user
- request: request, operation, method, path, query, headers (secrets as ***), body_bytes,
  body_sha256, body_names (outermost keys of JSON or form fields), status (None when no answer was
  sent), fault; it follows what it caused
- violation: request, operation, rule (section), detail

`record.since(seq)`, `record.of(*what)` and `record.requests(operation)` pick from it.

**Faults** (`faults.FaultKind`, fields in `faults.Fault`): error_before, error_after, lost_answer,
reset_before, slow, rate_limited, expired_token, stale_read, search_lag, page_drift, garbage; and
for SmartOps, which has no lists to lag or drift, envelope_before and envelope_after.
`faults.next(kind, operation=None, method=None, path=None, count=1, skip=0, **fields)`,
`faults.add(Fault(…))`, `faults.rates({kind: probability}, only=None, **fields)`,
`faults.clear()`. Token calls meet only faults that name them.

**Operations**: Telenor `token logout list_incidents create_incident list_activities count_incidents
product_categories get_incident update_incident list_incident_activities get_activity
list_attachments add_attachment get_attachment delete_attachment list_comments add_comment
set_contact set_local_contact delete_local_contact set_status`, and of orders the same with `order`
for `incident`, or `order_` before it (`create_order`, `order_add_comment`), save `set_status`,
which they have not; SmartOps `token create_ticket update_ticket get_ticket`; Digital Realty `token
list_tickets create_ticket categories get_ticket update_ticket cancel_ticket add_comment
add_attachment accounts sites locations notifications`; B-612 `get_ticket create_ticket
update_ticket`; RT `version list_queues get_queue list_tickets create_ticket get_ticket
update_ticket history attachments add_correspond add_comment download`; SIP Synergy `token
list_tickets create_ticket get_ticket update_ticket delete_ticket create_comment list_comments
create_comment_below list_attributes get_user list_agents create_user update_user delete_user
list_groups get_group list_states list_states_slash confirm_contacts get_confirmation report
report_csv`.

**Over HTTP**, JSON, under `/_control/` and not in the record:

- `POST act` `{"do": …, …}`: a person acts; the other keys are the method's arguments, attachments
  as `content_base64` or `size`. All: create update comment attach status remove lock_login;
  Telenor: delete_attachment; RT: merge; SmartOps: notify notify_to revoke_token; B-612: suggest
  log_hours, and no attach. Answers `{"result": …}`.
- `GET record?since=SEQ`, `GET tickets`, `GET violations`
- `GET faults`; `POST faults` `{"clear": true, "next": [{"kind": …, …}], "rates": {…}, "only": […],
  "options": {…}}`, each part optional
- `GET clock`; `POST clock` `{"freeze": true or an instant, "advance": seconds, "resume": true}`
"""

from collections.abc import Callable
from typing import Any

from syncd.sandbox.b612 import B612Sandbox, B612SandboxSettings
from syncd.sandbox.clock import SandboxClock
from syncd.sandbox.digital_realty import DigitalRealtySandbox, DigitalRealtySandboxSettings
from syncd.sandbox.faults import Fault, FaultKind
from syncd.sandbox.rt import RtSandbox, RtSandboxSettings
from syncd.sandbox.server import Sandbox, SandboxSettings
from syncd.sandbox.sipsynergy import SipSynergySandbox, SipSynergySandboxSettings
from syncd.sandbox.smartops import SmartOpsSandbox, SmartOpsSandboxSettings
from syncd.sandbox.telenor import TelenorSandbox, TelenorSandboxSettings

__all__ = [
    "SANDBOXES",
    "B612Sandbox",
    "B612SandboxSettings",
    "DigitalRealtySandbox",
    "DigitalRealtySandboxSettings",
    "Fault",
    "FaultKind",
    "RtSandbox",
    "RtSandboxSettings",
    "Sandbox",
    "SandboxClock",
    "SandboxSettings",
    "SipSynergySandbox",
    "SipSynergySandboxSettings",
    "SmartOpsSandbox",
    "SmartOpsSandboxSettings",
    "TelenorSandbox",
    "TelenorSandboxSettings",
    "serve",
]


def _b612(**options: Any) -> Sandbox:
    return B612Sandbox(B612SandboxSettings(**options))


def _digital_realty(**options: Any) -> Sandbox:
    return DigitalRealtySandbox(DigitalRealtySandboxSettings(**options))


def _rt(**options: Any) -> Sandbox:
    return RtSandbox(RtSandboxSettings(**options))


def _sipsynergy(**options: Any) -> Sandbox:
    return SipSynergySandbox(SipSynergySandboxSettings(**options))


def _smartops(**options: Any) -> Sandbox:
    return SmartOpsSandbox(SmartOpsSandboxSettings(**options))


def _telenor(**options: Any) -> Sandbox:
    return TelenorSandbox(TelenorSandboxSettings(**options))


SANDBOXES: dict[str, Callable[..., Sandbox]] = {
    "b612": _b612,
    "digital_realty": _digital_realty,
    "rt": _rt,
    "sipsynergy": _sipsynergy,
    "smartops": _smartops,
    "telenor": _telenor,
}
"""Provider name to a factory taking the fields of its settings as keywords."""


async def serve(name: str, host: str = "127.0.0.1", port: int = 0, **options: Any) -> Sandbox:
    """Start the sandbox of a provider and return it running; `base_url` says where.

    Args:
        name: a key of `SANDBOXES`.
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        options: fields of the sandbox's settings.

    Raises:
        LookupError: there is no sandbox of that name.
    """
    if name not in SANDBOXES:
        raise LookupError(f"no sandbox {name}; there is: {', '.join(sorted(SANDBOXES))}")
    sandbox = SANDBOXES[name](**options)
    await sandbox.start(host, port)
    return sandbox
