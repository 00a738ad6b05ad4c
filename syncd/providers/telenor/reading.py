"""Reading one ticket whole, and making sure that it is the one that was asked for."""

from syncd.model.ids import TicketId
from syncd.model.ticket import Ticket
from syncd.ports.adapter import TicketRef
from syncd.ports.errors import NotFound, OddAnswer, RemoteContext
from syncd.providers.telenor import mapping
from syncd.providers.telenor.client import TelenorClient, paging
from syncd.providers.telenor.settings import TelenorSettings
from syncd.providers.telenor.wire import Case, CommentItem, FileInfo

_SHORT_ID_CHARS = 15
_ID_CHARS = 18
_MATCHES_MAX = 10


class CaseReader:
    """Reads the tickets of one tree by id or number."""

    def __init__(self, client: TelenorClient, settings: TelenorSettings) -> None:
        self.tree = client.tree
        self.client = client
        self._settings = settings

    async def ticket(self, ref: TicketRef) -> Ticket:
        """Read a ticket: detail, comments, attachments.

        Raises:
            NotFound: it is not there. OddAnswer: the answer is unreadable or another ticket's.

        Spec: Service Ticket API, section 6, I6, I10, I14; section 10, change detection.
        """
        case = await self.case(ref)
        comments = await self._comments(case.id)
        files = case.attachments
        if files is None:
            files = await self.client.list_attachments(case.id)
        return mapping.ticket(case, self.tree, comments, files, self._settings.unknown_author)

    async def case(self, ref: TicketRef) -> Case:
        """Read the whole form by id, or find the id by number first.

        Raises:
            NotFound: it is not there. OddAnswer: the answer is another ticket's (DESIGN R8).

        Spec: Service Ticket API, section 6, I1 and I6.
        """
        asked = ref.id or await self._id_of(ref.number)
        case = await self.client.get_case(asked)
        if not is_same_id(asked, case.id):
            raise OddAnswer(f"asked for {self.tree.kind} {asked}, answered with {case.id}")
        return case

    async def files(self, case_id: str) -> tuple[FileInfo, ...]:
        """List a ticket's attachments, by the call that needs no headers we have not (T1).

        Raises:
            OddAnswer: the whole form has no list: a hole would look like absence.

        Spec: Service Ticket API, section 6, I10; section 7, O6 and O10.
        """
        if not self.tree.guards_attachments or self._settings.saml_token is not None:
            return await self.client.list_attachments(case_id)
        case = await self.case(TicketRef(kind=self.tree.kind, id=TicketId(case_id)))
        if case.attachments is None:
            raise OddAnswer(f"{self.tree.kind} {case_id} was answered without its attachments")
        return case.attachments

    async def _id_of(self, number: str) -> str:
        if not number.strip():
            raise NotFound("neither an id nor a case number to read by", RemoteContext())
        query = [("caseNumber", number.strip()), *paging(0, _MATCHES_MAX)]
        page = await self.client.list_cases(query)
        # The filter is not trusted: what it gives must bear the number (T9).
        wanted = number.strip().casefold()
        ids = {one.id for one in page.items if one.case_number.strip().casefold() == wanted}
        if len(ids) > 1:
            raise OddAnswer(f"{len(ids)} {self.tree.plural} have the number {number}")
        if not ids and _is_id(number.strip()):
            return number.strip()  # A person may have given the id itself.
        if not ids:
            raise NotFound(f"no {self.tree.kind} has the number {number}", RemoteContext())
        return ids.pop()

    async def _comments(self, case_id: str) -> tuple[CommentItem, ...]:
        """Read comments; of a ticket that was just read, 404 says that there are none."""
        try:
            return await self.client.list_comments(case_id)
        except NotFound:
            return ()


def _is_id(word: str) -> bool:
    """Say whether a word looks like an id. Spec: section 9, Salesforce."""
    return len(word) in (_SHORT_ID_CHARS, _ID_CHARS) and word.isascii() and word.isalnum()


def is_same_id(asked: str, told: str) -> bool:
    """Compare ids verbatim; 15 characters are the short form of 18. Spec: section 9, Salesforce."""
    if len(asked) == _SHORT_ID_CHARS or len(told) == _SHORT_ID_CHARS:
        return asked[:_SHORT_ID_CHARS] == told[:_SHORT_ID_CHARS]
    return asked == told
