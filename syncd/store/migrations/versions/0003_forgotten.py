"""Keys of operations that were forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "own_key",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("operation", ROW_ID, nullable=False),
        sa.Column("link", ROW_ID, nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("target_row", ROW_ID, nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["link"], ["link.id"], name=op.f("fk_own_key_link")),
        sa.ForeignKeyConstraint(["target_row"], ["ticket.id"], name=op.f("fk_own_key_target_row")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_own_key")),
    )
    op.create_index(
        "ix_own_key_target_row",
        "own_key",
        ["target_row"],
        sqlite_where=sa.text("target_row IS NOT NULL"),
        postgresql_where=sa.text("target_row IS NOT NULL"),
    )
