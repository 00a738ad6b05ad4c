"""What adapters hand to the transport and get back."""

import dataclasses
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

from syncd.core import loose_json
from syncd.model.secret import Secret
from syncd.ports.errors import OddAnswer, RemoteContext
from syncd.transport.redact import scrub


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """The file of a multipart request; the bytes come in chunks and are never held whole.

    Attributes:
        field: name of the form field.
        name: file name sent.
        content_type: MIME type sent.
        size_bytes: exact length.
        open: starts reading from the first byte.
        others: further text fields of the form.
    """

    field: str
    name: str
    content_type: str
    size_bytes: int
    open: Callable[[], AsyncIterator[bytes]]
    others: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call to a vendor.

    Attributes:
        operation: short name for logs, metrics and errors, such as `create_incident`.
        method: HTTP method.
        path: path below the connection's base URL, starting with `/`, already percent-encoded;
            empty: the base URL itself.
        query: pairs in order; repeated names allowed.
        headers: beside those of the connection; never Authorization.
        json: body to send as JSON; None for none.
        form: body to send form-encoded.
        file: body to send as multipart.
        body_bytes_max: largest answer accepted; None takes the connection's limit.
    """

    operation: str
    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    json: object | None = None
    form: Mapping[str, str] | None = None
    file: FilePart | None = None
    body_bytes_max: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer with a status below 400 (others are raised as errors).

    Attributes:
        status: HTTP status, 200-299.
        headers: lower-case names.
        body: whole body, at most the limit.
        context: for errors raised about this answer.
        secrets: of the connection; what is told of an answer's words goes through `said`.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    context: RemoteContext
    secrets: tuple[Secret, ...] = ()

    def said(self, text: str) -> str:
        """Give words of this answer as they may be told: a vendor may quote a secret."""
        return scrub(text, self.secrets)

    def json(self) -> object:
        """Parse the body; an odd letter in it does not hide the rest.

        Raises:
            OddAnswer: it is not JSON.
        """
        try:
            return loose_json.loads(self.body)
        except ValueError as err:
            raise OddAnswer("the answer is not JSON", self.context) from err


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedAnswer:
    """A successful answer whose body is read in chunks."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]
