"""One package per remote product; they do not know one another, only the registry knows them.

Beside its code each has two pages that tests keep true: `quality.toml` (rule by rule, what is done
and how) and `ENDPOINTS.md`, one row for each call of the vendor's document:

    | id | method | path | operation | used by | sends |
    |---|---|---|---|---|---|
    | I2 | POST | /service-tickets/v2/incidents | create_incident | write create | body subject, … |

- *id*: as the vendor's page in this project's documentation numbers it, or any short name.
- *path*: as on the wire, `{name}` for one segment.
- *operation*: the sandbox's name of the call.
- *used by*: what makes it, as the conformance kit will do it. One of `login`, `read`, `poll`,
  `check`, `download`, `write KIND [field=value …]`, `probe KIND` (a write of that kind whose answer
  was lost is looked for) or `call NAME [argument=value …]`. `order: ` before it names the kind of
  ticket where the provider has several. `{ticket}`, `{number}` and what the provider's fixture adds
  stand for values of the ticket at hand; a value with spaces is quoted. `not used: why` excuses a
  call that nothing makes.
- *sends*: `header NAME, …; query NAME, …; body NAME, …`, each part optional: the names of headers,
  query parameters and the body's outermost keys. All of them are sent; those that end in `?` may
  be; no other query parameter or key is. `body multipart` stands for a form with a file.
  `header NAME=value` also tells the value.
"""
