"""Work orders as the document's JSON (sections 3, 5 and 8)."""

from typing import Any

from syncd.sandbox.digital_realty.model import Order, vendor_date
from syncd.sandbox.digital_realty.settings import Account, DigitalRealtySandboxSettings, Site

Json = dict[str, Any]


class Views:
    """Render answers; which ticket shows which oddity follows from its serial number."""

    def __init__(self, settings: DigitalRealtySandboxSettings) -> None:
        self._settings = settings

    def list_item(self, order: Order) -> Json:
        """Section 3, column *In list*."""
        fields = order.fields
        return {
            "id": order.id,
            "title": fields["title"],
            "status": order.status,
            "site": fields["site"],
            "location": fields["location"],
            "requestType": fields["requestType"],
            "category": fields["category"],
            "createdOn": vendor_date(order.created_at),
            "closedOn": vendor_date(order.closed_at),
            "updatedOn": vendor_date(order.updated_at),
            "createdBy": order.created_by.by,
        }

    def created(self, order: Order) -> Json:
        """Section 3, column *In POST answer*: no comments."""
        fields = order.fields
        return self.list_item(order) | {
            "description": fields["description"],
            "customerReference": fields["customerReference"],
            "ticketType": "Customer Support",
            "notificationRecipients": fields["notificationRecipients"],
        }

    def detail(self, order: Order) -> Json:
        """Section 3, column *In GET/PUT answer*."""
        view = self.created(order)
        if order.comments or not self._settings.oddities:
            return view | {"comments": self._comments(order)}
        # D1: typed a string, sampled as a list.
        return view | {"comments": "" if order.serial % 2 else []}

    def page(self, items: list[Json], *, total: int, size: int, number: int) -> Json:
        """Section 5.2: a page and what it says of itself."""
        pages = -(-total // size)
        told: Json = {
            "last": number + 1 >= pages,
            "totalPages": pages,
            "totalElements": total,
            "size": size,
            "number": number,
            "numberOfElements": len(items),
            "first": number == 0,
            "empty": not items,
        }
        if self._settings.pageable_at_top:
            return {"content": items} | told
        return {"content": items, "pageable": told}

    def categories(self, names: list[str]) -> Json:
        """Section 5.6."""
        table = self._settings.categories
        return {
            "result": [
                {
                    "requestType": {
                        "name": name,
                        "categories": [{"name": each} for each in table[name]],
                    }
                }
                for name in names
            ]
        }

    def account(self, account: Account) -> Json:
        """Section 8, Accounts API: in the sample one key is misspelt."""
        key = "masterAccountName:" if self._settings.oddities else "masterAccountName"
        return {
            "masterAccountId": account.master_account_id,
            key: "Acme",
            "accountId": account.account_id,
            "accountName": account.name,
        }

    def site(self, site: Site) -> Json:
        """Section 8, Sites API."""
        return {
            "site": site.code,
            "address": "1234 Street",
            "city": site.city,
            "metro": site.city,
            "country": site.country,
        }

    def locations(self, site: Site) -> list[Json]:
        """Section 8, Locations API."""
        return [
            {
                "id": f"{site.code.encode().hex()}{place:020x}",
                "location": name,
                "parentId": f"{site.code.encode().hex()}{0:020x}",
            }
            for place, name in enumerate(site.locations, start=1)
        ]

    def _comments(self, order: Order) -> Any:
        texts = [each.text for each in order.comments]
        if self._settings.comments_as == "strings":
            return texts
        if self._settings.comments_as == "text":
            return "\n".join(texts)
        return [
            {
                "comment": each.text,
                "commentedBy": each.who.by,
                "commentedOn": vendor_date(each.at),
            }
            for each in order.comments
        ]
