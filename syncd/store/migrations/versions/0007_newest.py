"""Indexes that tell when a connection was last read and last written to."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, table, column, where in (
        ("ix_ticket_newest", "ticket", "read_at", "read_at IS NOT NULL"),
        ("ix_operation_newest", "operation", "settled_at", "state = 'applied'"),
    ):
        op.create_index(
            name,
            table,
            ["connection", column],
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
        )
