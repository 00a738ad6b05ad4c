"""Secrets obtained at run time (refreshed tokens), encrypted under the store's key."""

import base64
import hashlib
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from syncd.model.errors import CommandRefused
from syncd.model.secret import Secret
from syncd.store import tables as t
from syncd.store.records import Credential
from syncd.store.tx import Tx

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

_c = t.credential.c


def save(
    tx: Tx,
    key: Secret,
    name: str,
    secret: bytes,
    *,
    expires_at: datetime | None = None,
    now: datetime,
) -> None:
    """Keep a secret under a name.

    Args:
        tx: the transaction.
        key: the store's key, a random text of any length.
        name: what it is for.
        secret: what is kept.
        expires_at: until when it is good; None: not known.
        now: when.
    """
    values = {
        "name": name,
        "secret": _cipher(key).encrypt(secret),
        "expires_at": expires_at,
        "saved_at": now,
    }
    insert = tx.insert(t.credential).values(values)
    tx.run(insert.on_conflict_do_update(index_elements=["name"], set_=values))


def load(tx: Tx, key: Secret, name: str) -> Credential | None:
    """Return a secret; None when there is none of that name.

    Raises:
        CommandRefused: it was kept under another key.
    """
    from cryptography.fernet import InvalidToken

    row = tx.first(sa.select(t.credential).where(_c.name == name))
    if row is None:
        return None
    try:
        secret = _cipher(key).decrypt(row.secret)
    except InvalidToken as error:
        raise CommandRefused(
            f"the stored credential {name} was encrypted under another store.key; "
            f"bring that key back, or remove the credential with `syncd credential forget {name}`"
        ) from error
    return Credential(name=name, secret=secret, expires_at=row.expires_at)


def forget(tx: Tx, name: str) -> bool:
    """Remove a secret; say whether there was one."""
    return tx.run(sa.delete(t.credential).where(_c.name == name)) > 0


def names(tx: Tx) -> list[str]:
    """List what secrets are kept."""
    return list(tx.scalars(sa.select(_c.name).order_by(_c.name)))


def _cipher(key: Secret) -> "Fernet":
    # Imported where it is used, for it is not small.
    from cryptography.fernet import Fernet

    digest = hashlib.sha256(key.reveal().encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))
