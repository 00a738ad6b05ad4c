"""What `sandbox` says when it serves: where, with which logins, and how to play a person."""

from collections.abc import Mapping

from rich.text import Text

from syncd.cli.show.lines import columns, heading, line

LOGINS = (
    "api_id",
    "api_key",
    "client_id",
    "client_secret",
    "username",
    "password",
    "offline_token",
    "integration_user",
    "token",
    "client_user",
)
TOKEN_PATHS = {
    "digital_realty": "/v2/auth/token",
    "sipsynergy": "/oauth2/token",
    "smartops": "/realms/acme/protocol/openid-connect/token",
    "telenor": "/oauth/v2/token",
}
ACTS: Mapping[str, tuple[str, ...]] = {
    "digital_realty": (
        '{"do": "create", "fields": {"title": "Cooling alarm", "site": "AMS011",'
        ' "requestType": "Facilities Request", "category": "Cooling - Datacenter",'
        ' "description": "Room 01 is at 31 degrees"}, "by": "Dana", "account": "A1"}',
        '{"do": "status", "ticket": "WO…", "status": "In Progress", "by": "Dana"}',
    ),
    "b612": (
        '{"do": "create", "fields": {"todo": "Reboot server 12", "name": "LHR1"}, "by": "Amiram"}',
        '{"do": "log_hours", "ticket": "B-612-R…", "business": "1.5", "by": "Amiram"}',
        '{"do": "status", "ticket": "B-612-R…", "status": "Closed", "by": "Amiram"}',
    ),
    "rt": (
        '{"do": "create", "fields": {"Subject": "Link down", "Content": "Since noon",'
        ' "Requestor": "kari@acme.example"}, "by": "anna"}',
        '{"do": "comment", "ticket": "7…", "text": "Any news?", "by": "anna"}',
        '{"do": "status", "ticket": "7…", "status": "resolved", "by": "anna"}',
    ),
    "sipsynergy": (
        '{"do": "create", "fields": {"title": "No calls out", "description": "Since 08:00",'
        ' "priority": "P2 - Priority 2"}, "by": "Sam"}',
        '{"do": "status", "ticket": "INC-…", "status": "Resolved", "by": "Sam"}',
    ),
    "smartops": (
        '{"do": "create", "fields": {"shortDescription": "Link down Fornebu",'
        ' "assignedGroup": "Telenor NOC"}, "by": "Kari"}',
        '{"do": "comment", "ticket": "INC…", "text": "Any news?", "by": "Kari"}',
    ),
    "telenor": (
        '{"do": "create", "fields": {"subject": "Link down Fornebu",'
        ' "description": "No traffic"}, "by": "Ola"}',
        '{"do": "status", "ticket": "Case-…", "status": "Solved", "text": "Done", "by": "Ola"}',
    ),
}


def document(provider: str, base_url: str, settings: object) -> dict[str, object]:
    """Gather what one needs to use a sandbox."""
    logins = {name: getattr(settings, name) for name in LOGINS if hasattr(settings, name)}
    if getattr(settings, "auth", "api_key") != "api_key":
        logins.pop("api_key", None)
    for number, account in enumerate(getattr(settings, "accounts", ()), start=1):
        logins[f"account {number}"] = f"{account.master_account_id} / {account.account_id}"
    token_path = TOKEN_PATHS.get(provider)
    return {
        "provider": provider,
        "base_url": base_url
        + getattr(settings, "webhook_path", "")
        + getattr(settings, "prefix", ""),
        **({} if token_path is None else {"token_url": base_url + token_path}),
        "logins": logins,
        "control": f"{base_url}/_control/",
        "acts": list(ACTS.get(provider, ())),
    }


def lines(told: Mapping[str, object]) -> list[Text]:
    """Say it to people."""
    logins = told["logins"]
    acts = told["acts"]
    rows = [(name, str(told[name])) for name in ("base_url", "token_url") if name in told]
    if isinstance(logins, Mapping):
        rows += [(str(name), str(value)) for name, value in logins.items()]
    made = [
        line("a sandbox of ", (str(told["provider"]), "bold"), " is served; Ctrl-C ends it"),
        line(),
    ]
    made += columns(rows, indent=2)
    made += [line(), heading("play a person")]
    made += [
        line(f"curl -s {told['control']}act -d '{act}'", indent=2)
        for act in (acts if isinstance(acts, list) else [])
    ]
    made += [line(), heading("see what it received")]
    made.append(line(f"curl -s {told['control']}record", indent=2))
    made.append(line(f"curl -s {told['control']}violations", indent=2))
    return made
