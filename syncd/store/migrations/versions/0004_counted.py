"""An index that holds all that is counted of tickets."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_ticket_counted",
        "ticket",
        ["read_failures", "stray", "gone_at", "watched", "connection"],
    )
