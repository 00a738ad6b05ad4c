"""Tickets that are gone are looked for again, those that are gone already too."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_HERE = sa.text("next_poll_at IS NOT NULL AND gone_at IS NOT NULL")


def upgrade() -> None:
    op.execute("UPDATE ticket SET next_poll_at = gone_at WHERE gone_at IS NOT NULL")
    op.create_index(
        "ix_ticket_gone",
        "ticket",
        ["connection", "next_poll_at"],
        sqlite_where=_HERE,
        postgresql_where=_HERE,
    )
