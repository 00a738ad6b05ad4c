"""Paging, sorting and filters of the lists (sections 4.2 and 4.3)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from multidict import MultiMapping

from syncd.sandbox.telenor.errors import Refusal
from syncd.sandbox.telenor.model import Case
from syncd.sandbox.telenor.settings import TelenorSandboxSettings

T = TypeVar("T")

PAGING = frozenset({"skip", "count", "sortField", "order"})
FILTERS = frozenset(
    {"caseNumber", "isClosed", "status", "productCategoryName", "search", "loggedBy"}
)
COUNT_FILTERS = frozenset({"isClosed", "status", "productCategoryName"})
ONCE = PAGING | FILTERS - {"status", "productCategoryName"}
"""Parameters that may occur once; the two arrays repeat (T23)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part of a list is asked for, in which order; `count` None means all of it."""

    skip: int
    count: int | None
    sort_field: str | None
    is_descending: bool

    def cut(self, items: Sequence[T]) -> Sequence[T]:
        """Return the part of `items`, which are in rising order."""
        end = len(items) if self.count is None else self.skip + self.count
        if not self.is_descending:
            return items[self.skip : end]
        size = len(items)
        return items[max(0, size - end) : max(0, size - self.skip)][::-1]


def check_names(query: MultiMapping[str], known: frozenset[str]) -> None:
    """Refuse parameters the call does not have, and single ones given twice."""
    for name in query:
        if name not in known:
            raise Refusal("400002", f"no query parameter {name} here", "section 6")
        if name in ONCE and len(query.getall(name)) > 1:
            raise Refusal("400002", f"{name} was given twice", "section 4.3")


def page_of(query: MultiMapping[str], sort_fields: Sequence[str]) -> Page:
    """Read skip, count, sortField and order."""
    sort_field, order = query.get("sortField"), query.get("order")
    if sort_field is not None and sort_field not in sort_fields:
        raise Refusal("400002", f"cannot sort by {sort_field}", "T10")
    if order not in (None, "ASC", "DESC"):
        raise Refusal("400002", f"order {order}", "section 4.2")
    return Page(
        skip=_whole(query, "skip") or 0,
        count=_whole(query, "count"),
        sort_field=sort_field,
        is_descending=order == "DESC" and sort_field is not None,
    )


def matching(
    cases: Sequence[Case],
    query: MultiMapping[str],
    settings: TelenorSandboxSettings,
) -> list[Case]:
    """Return the tickets that pass every filter given (section 4.3)."""
    tests: list[Callable[[Case], bool]] = []
    if "caseNumber" in query:
        tests.append(lambda each: each.number == query["caseNumber"])
    if "isClosed" in query:
        wanted = _closed(query["isClosed"])
        tests.append(lambda each: (each.status in settings.closed_statuses) == wanted)
    if "status" in query:
        statuses = set(query.getall("status"))
        tests.append(lambda each: each.status in statuses)
    if "productCategoryName" in query:
        names = set(query.getall("productCategoryName"))
        tests.append(lambda each: each.fields.get("productCategoryName") in names)
    if "loggedBy" in query:
        tests.append(lambda each: each.created_by.by == query["loggedBy"])
    if query.get("search"):
        words = query["search"].casefold()
        tests.append(lambda each: words in _searched(each, settings.search_comments))
    return [each for each in cases if all(test(each) for test in tests)]


def sort_key(
    field: str, shown: Callable[[datetime], datetime]
) -> Callable[[Case], tuple[Any, str]]:
    """Return the sort key of `sortField`; equal values are in the order of ids."""
    dates: dict[str, Callable[[Case], datetime]] = {
        "lastActivity": lambda each: each.last_activity.at,
        "createdDate": lambda each: each.created_at,
        "lastModifiedDate": lambda each: each.modified_at,
    }
    if field in dates:
        date = dates[field]
        return lambda each: (shown(date(each)), each.id)
    if field == "caseNumber":
        return lambda each: (each.number, each.id)
    if field == "status":
        return lambda each: (each.status, each.id)
    return lambda each: (str(each.fields.get(field, "")), each.id)


def _searched(case: Case, with_comments: bool) -> str:
    texts = [case.number, case.status, case.created_by.by]
    for value in (*case.fields.values(), case.contact, case.local_contact):
        texts += list(value.values()) if isinstance(value, dict) else [str(value or "")]
    if with_comments:
        texts += [comment.text for comment in case.comments]
    return "\n".join(texts).casefold()


def _closed(text: str) -> bool:
    if text not in ("true", "false"):
        raise Refusal("400002", f"isClosed {text}", "T9")
    return text == "true"


def _whole(query: MultiMapping[str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit():
        raise Refusal("400002", f"{name} {text} is no number", "section 4.2")
    return int(text)
