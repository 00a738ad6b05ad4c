"""Reading one incident whole, and making sure that it is the one that was asked for."""

from syncd.model.ticket import Ticket
from syncd.ports.adapter import TicketRef
from syncd.ports.errors import NotFound, OddAnswer, RemoteContext
from syncd.providers.telenor import mapping
from syncd.providers.telenor.client import TelenorClient, paging
from syncd.providers.telenor.settings import TelenorSettings
from syncd.providers.telenor.wire import CommentItem, Incident

_SHORT_ID_CHARS = 15
_MATCHES_MAX = 10


class IncidentReader:
    """Reads incidents by id or number."""

    def __init__(self, client: TelenorClient, settings: TelenorSettings) -> None:
        self._client = client
        self._settings = settings

    async def ticket(self, ref: TicketRef) -> Ticket:
        """Read a ticket: detail, comments, attachments.

        Raises:
            NotFound: it is not there. OddAnswer: the answer is unreadable or another ticket's.

        Spec: Service Ticket API, section 6, I6, I10, I14; section 10, change detection.
        """
        incident = await self.incident(ref)
        comments = await self._comments(incident.id)
        files = incident.attachments
        if files is None:
            files = await self._client.list_attachments(incident.id)
        return mapping.ticket(incident, comments, files, self._settings.unknown_author)

    async def incident(self, ref: TicketRef) -> Incident:
        """Read the whole form by id, or find the id by number first.

        Raises:
            NotFound: it is not there. OddAnswer: the answer is another ticket's (DESIGN R8).

        Spec: Service Ticket API, section 6, I1 and I6.
        """
        asked = ref.id or await self._id_of(ref.number)
        incident = await self._client.get_incident(asked)
        if not is_same_id(asked, incident.id):
            raise OddAnswer(f"asked for incident {asked}, answered with {incident.id}")
        return incident

    async def _id_of(self, number: str) -> str:
        if not number.strip():
            raise NotFound("neither an id nor a case number to read by", RemoteContext())
        query = [("caseNumber", number.strip()), *paging(0, _MATCHES_MAX)]
        page = await self._client.list_incidents(query)
        # The filter is not trusted: what it gives must bear the number (T9).
        wanted = number.strip().casefold()
        ids = {one.id for one in page.items if one.case_number.strip().casefold() == wanted}
        if len(ids) > 1:
            raise OddAnswer(f"{len(ids)} incidents have the number {number}")
        if not ids:
            raise NotFound(f"no incident has the number {number}", RemoteContext())
        return ids.pop()

    async def _comments(self, incident_id: str) -> tuple[CommentItem, ...]:
        """Read comments; of an incident that was just read, 404 says that there are none."""
        try:
            return await self._client.list_comments(incident_id)
        except NotFound:
            return ()


def is_same_id(asked: str, told: str) -> bool:
    """Compare ids verbatim; 15 characters are the short form of 18. Spec: section 9, Salesforce."""
    if len(asked) == _SHORT_ID_CHARS or len(told) == _SHORT_ID_CHARS:
        return asked[:_SHORT_ID_CHARS] == told[:_SHORT_ID_CHARS]
    return asked == told
