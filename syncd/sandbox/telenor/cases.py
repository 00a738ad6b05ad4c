"""The calls I1-I19 and O1-O18 (sections 6 and 7); comments name the incident's number."""

from collections.abc import Callable
from typing import TypedDict
from urllib.parse import quote

from aiohttp import BodyPartReader, web

from syncd.sandbox.bodies import Bodies, StoredBody
from syncd.sandbox.calls import Answer, Call, Handler, Operation, empty_answer, json_answer
from syncd.sandbox.telenor import checks
from syncd.sandbox.telenor.errors import Refusal
from syncd.sandbox.telenor.model import Attachment, Case
from syncd.sandbox.telenor.query import (
    COUNT_FILTERS,
    FILTERS,
    PAGING,
    check_names,
    matching,
    page_of,
    sort_key,
)
from syncd.sandbox.telenor.settings import PREFIX, TelenorSandboxSettings
from syncd.sandbox.telenor.state import Cases
from syncd.sandbox.telenor.trees import INCIDENTS
from syncd.sandbox.telenor.views import Json, Views

PIECE_BYTES = 256 * 1024
FORM_FIELD_MAX_BYTES = 1024

FILE_NAME = frozenset({"fileName"})

Guard = Callable[[Handler], Handler]


class _Options(TypedDict, total=False):
    reads: bool
    lists: bool
    streams: bool
    query: frozenset[str]


class CaseCalls:
    """Carry out one tree's calls on the tickets kept."""

    def __init__(self, settings: TelenorSandboxSettings, cases: Cases, bodies: Bodies) -> None:
        self._settings = settings
        self._cases = cases
        self._tree = cases.tree
        self._bodies = bodies
        self._views = Views(settings, cases)

    def table(self, guard: Guard) -> list[Operation]:
        """Return the calls in look-up order; `guard` turns refusals into answers."""
        root, one = f"{PREFIX}/{self._tree.plural}", f"{PREFIX}/{self._tree.plural}/{{case_id}}"
        files, file = f"{one}/attachments", f"{one}/attachments/{{attachment_id}}"
        notes, local = f"{one}/comments", f"{one}/localcontact"
        lines, line = f"{one}/activities", f"{one}/activities/{{activity_id}}"
        read: _Options = {"reads": True}
        listed: _Options = {"reads": True, "lists": True, "query": PAGING | FILTERS}
        counted: _Options = {"reads": True, "lists": True, "query": COUNT_FILTERS}
        paged: _Options = {"reads": True, "lists": True, "query": PAGING}
        rows: list[tuple[str, str, str, Handler, _Options]] = [
            ("list_incidents", "GET", root, self.list_all, listed),
            ("create_incident", "POST", root, self.create, {}),
            ("list_activities", "GET", f"{root}/activities", self.feed, paged),
            ("count_incidents", "GET", f"{root}/count", self.count, counted),
            ("product_categories", "GET", f"{root}/productcategories", self.categories, read),
            ("get_incident", "GET", one, self.get, read),
            ("update_incident", "PUT", one, self.update, {}),
            ("list_incident_activities", "GET", lines, self.feed, paged),
            ("get_activity", "GET", line, self.activity, read),
            ("list_attachments", "GET", files, self.attachments, read),
            ("add_attachment", "POST", files, self.attach, {"streams": True}),
            ("get_attachment", "GET", file, self.download, read),
            ("delete_attachment", "DELETE", file, self.detach, {"query": FILE_NAME}),
            ("list_comments", "GET", notes, self.comments, read),
            ("add_comment", "POST", notes, self.comment, {}),
            ("set_contact", "PUT", f"{one}/contact", self.set_contact, {}),
            ("set_local_contact", "PUT", local, self.set_contact, {}),
            ("delete_local_contact", "DELETE", local, self.delete_contact, {}),
        ]
        if self._tree.sets_status:
            rows.append(("set_status", "PUT", f"{one}/status", self.set_status, {}))
        return [
            Operation(
                name=self._tree.operation(name),
                method=method,
                path=path,
                handler=guard(handler),
                **options,
            )
            for name, method, path, handler, options in rows
        ]

    # --- lists and reads -------------------------------------------------------------------------

    async def list_all(self, call: Call) -> Answer:
        """I1."""
        query = call.request.query
        page = page_of(query, self._settings.list_sort_fields)
        found = matching(self._seen(call), query, self._settings)
        if page.sort_field is not None:
            found.sort(key=sort_key(page.sort_field, self._cases.shown))
        items = [self._views.list_item(each) for each in page.cut(found)]
        return json_answer(self._listed(call, len(found), self._tree.plural, items))

    async def feed(self, call: Call) -> Answer:
        """I3, and I8 for one case."""
        case_id = call.params.get("case_id")
        fields = self._settings.activity_sort_fields
        if case_id is not None:
            self._case(call)
            fields = (*fields, *self._settings.list_sort_fields)
        page = page_of(call.request.query, fields)
        activities = self._cases.feed(case_id, call.seen_at)
        if page.sort_field == "caseId":
            activities = sorted(activities, key=lambda each: (each.case_id, each.id))
        elif page.sort_field in ("id", "activityId"):
            activities = sorted(activities, key=lambda each: each.id)
        items = [
            self._views.activity(each, case)
            for each in page.cut(activities)
            if (case := self._cases.get(each.case_id, call.seen_at)) is not None
        ]
        return json_answer(self._listed(call, len(activities), "activities", items))

    async def count(self, call: Call) -> Answer:
        """I4."""
        found = matching(self._seen(call), call.request.query, self._settings)
        return json_answer({"count": len(found)})

    async def categories(self, call: Call) -> Answer:
        """I5."""
        categories = enumerate(self._settings.categories)
        return json_answer([self._views.category(each, place) for place, each in categories])

    async def get(self, call: Call) -> Answer:
        """I6."""
        return json_answer(self._views.detail(self._case(call), call.seen_at))

    async def activity(self, call: Call) -> Answer:
        """I9."""
        case = self._case(call)
        for each in self._cases.feed(case.id, call.seen_at):
            if each.id == call.params["activity_id"]:
                return json_answer(self._views.activity(each))
        raise Refusal("404002", "activity")

    async def attachments(self, call: Call) -> Answer:
        """I10."""
        if self._tree.saml_attachments and self._settings.wants_saml:
            checks.saml(call)
        found = self._case(call).attachments
        return json_answer([self._views.attachment(each) for each in found])

    async def comments(self, call: Call) -> Answer:
        """I14."""
        return json_answer([self._views.comment(each) for each in self._case(call).comments])

    async def download(self, call: Call) -> Answer:
        """I12: the file itself."""
        attachment = self._attachment(call, self._case(call))
        headers = {
            "Content-Type": attachment.content_type,
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(attachment.name)}",
        }
        body = attachment.body
        if body.content is not None:
            return web.Response(body=body.content, headers=headers)
        if body.path is None:
            raise Refusal("500001", "the body is gone")
        return web.FileResponse(body.path, headers=headers, chunk_size=PIECE_BYTES)

    # --- writes ----------------------------------------------------------------------------------

    async def create(self, call: Call) -> Answer:
        """I2."""
        fields, name = checks.ticket_body(checks.json_object(call), self._tree, self._settings)
        if name is None:
            raise Refusal("400001", "createdBy.userName", "section 2")
        case = self._cases.create(fields, call.client(name))
        return json_answer({"id": case.id}, self._status(201))

    async def update(self, call: Call) -> Answer:
        """I7: the parameters given change, the others stay."""
        name = checks.user_name(call)
        case = self._case(call)
        fields, _ = checks.ticket_body(checks.json_object(call), self._tree, self._settings)
        self._cases.update(case, fields, call.client(name))
        return empty_answer(self._status(204))

    async def set_contact(self, call: Call) -> Answer:
        """I16 and I17."""
        name = checks.user_name(call)
        case = self._case(call)
        field = "contact" if call.request.path.endswith("/contact") else "localContact"
        value = checks.contact(field, checks.json_object(call))
        self._cases.update(case, {field: value}, call.client(name))
        return empty_answer(self._status(204))

    async def delete_contact(self, call: Call) -> Answer:
        """I18; a second time there is nothing to find."""
        name = checks.user_name(call)
        case = self._case(call)
        if case.local_contact is None:
            raise Refusal("404002", "local contact")
        self._cases.update(case, {"localContact": None}, call.client(name))
        return empty_answer(self._status(204))

    async def set_status(self, call: Call) -> Answer:
        """I19: 403001 when the change is not allowed; the same status again is."""
        name = checks.user_name(call)
        case = self._case(call)
        status, text = checks.status_body(checks.json_object(call))
        if status not in self._settings.transitions:
            raise Refusal("400002", f"status {status}", "T9")
        allowed = self._settings.transitions.get(case.status, ())
        if status != case.status and status not in allowed:
            raise Refusal("403001", f"{case.status} to {status}")
        self._cases.set_status(case, status, call.client(name), text)
        return empty_answer()

    async def comment(self, call: Call) -> Answer:
        """I15."""
        name = checks.user_name(call)
        case = self._case(call)
        text, by = checks.comment_body(checks.json_object(call), self._settings)
        comment = self._cases.comment(case, text, call.client(by or name))
        return json_answer({"id": comment.id}, self._status(self._tree.comment_status))

    async def attach(self, call: Call) -> Answer:
        """I11: multipart/form-data with `file` and `contentType`, streamed to the spool."""
        name = checks.user_name(call)
        self._case(call)
        if call.request.content_type != "multipart/form-data":
            raise Refusal("400002", f"content type {call.request.content_type}", "section 6, I11")
        try:
            file_name, content_type, body = await self._parts(call)
        except (ValueError, EOFError) as error:
            raise Refusal("400002", f"multipart: {error}", "section 6, I11") from error
        # Read again: people went on while the file was arriving.
        attachment = self._cases.attach(
            self._case(call), file_name, content_type, body, call.client(name)
        )
        return json_answer({"id": attachment.id}, self._status(201))

    async def detach(self, call: Call) -> Answer:
        """I13: the exact `fileName` is required beside the id."""
        name = checks.user_name(call)
        case = self._case(call)
        file_name = call.request.query.get("fileName")
        if not file_name:
            raise Refusal("400001", "fileName", "section 6, I13")
        attachment = self._attachment(call, case)
        if attachment.name != file_name:
            raise Refusal("400002", f"fileName is not {file_name}", "section 6, I13")
        self._cases.detach(case, attachment, call.client(name))
        return empty_answer()

    # --- below -----------------------------------------------------------------------------------

    async def _parts(self, call: Call) -> tuple[str, str, StoredBody]:
        file_name, content_type, body = "", "", None
        async for part in await call.request.multipart():
            if not isinstance(part, BodyPartReader):
                raise Refusal("400002", "nested multipart", "section 6, I11")
            if part.name == "contentType":
                content_type = (await part.read_chunk(FORM_FIELD_MAX_BYTES)).decode()
            elif part.name == "file":
                file_name = checks.file_name(part.filename, self._tree, self._settings)
                content_type = content_type or part.headers.get("Content-Type", "")
                body = await self._stored(part)
            else:
                raise Refusal("400002", f"form field {part.name}", "section 6, I11")
        if body is None:
            raise Refusal("400001", "file", "section 6, I11")
        return file_name, content_type or "application/octet-stream", body

    async def _stored(self, part: BodyPartReader) -> StoredBody:
        writer = self._bodies.writer()
        try:
            while piece := await part.read_chunk(PIECE_BYTES):
                if writer.size_bytes + len(piece) > self._settings.attachment_max_bytes:
                    limit = self._settings.attachment_max_bytes
                    raise Refusal("400002", f"file exceeds {limit} bytes", "section 9")
                await writer.write(piece)
            return await writer.finish()
        except BaseException:
            writer.discard()
            raise

    def _listed(self, call: Call, total: int, name: str, items: list[Json]) -> Json:
        """Wrap a list; the order samples show its numbers as texts (T5)."""
        serial = 1 if self._tree is INCIDENTS else call.number
        view = self._views
        return {
            "totalSize": view.number(total, serial),
            "count": view.number(len(items), serial),
            name: items,
        }

    def _seen(self, call: Call) -> list[Case]:
        return [each for each in self._cases.all(call.seen_at) if self._may_see(each)]

    def _case(self, call: Call) -> Case:
        case = self._cases.get(call.params["case_id"], call.seen_at)
        if case is None:
            raise Refusal("404002", self._tree.name)
        if not self._may_see(case):
            raise Refusal("401002", "the system user has no access")
        return case

    def _may_see(self, case: Case) -> bool:
        allowed = self._settings.organizations
        return not allowed or case.fields.get("organizationNumber", allowed[0]) in allowed

    def _attachment(self, call: Call, case: Case) -> Attachment:
        for each in case.attachments:
            if each.id == call.params["attachment_id"]:
                return each
        raise Refusal("404002", "attachment")

    def _status(self, listed: int) -> int:
        return 200 if self._settings.plain_200 else listed


def check_query(call: Call) -> None:
    """Refuse query parameters that the call does not have."""
    if call.operation is not None:
        check_names(call.request.query, call.operation.query)
