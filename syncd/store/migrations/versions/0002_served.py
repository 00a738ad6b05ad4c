"""Served tickets: notes, files, and the requests that changed them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _tickets()
    _items()
    _calls()


def _tickets() -> None:
    op.create_table(
        "served_ticket",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("sys_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("shown_number", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("extra", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("resolved_at", sa.BigInteger(), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=False),
        sa.Column("closed_by", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_served_ticket")),
        sa.UniqueConstraint(
            "connection", "sys_id", name=op.f("uq_served_ticket_connection_sys_id")
        ),
        sa.UniqueConstraint(
            "connection", "number", name=op.f("uq_served_ticket_connection_number")
        ),
    )
    op.create_index("ix_served_ticket_shown", "served_ticket", ["connection", "shown_number"])
    op.create_index("ix_served_ticket_changed", "served_ticket", ["connection", "changed_at", "id"])


def _items() -> None:
    op.create_table(
        "served_note",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("ticket", ROW_ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_served_note")),
        sa.ForeignKeyConstraint(
            ["ticket"], ["served_ticket.id"], name=op.f("fk_served_note_ticket")
        ),
    )
    op.create_index("ix_served_note_ticket", "served_note", ["ticket"])
    op.create_table(
        "served_file",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("ticket", ROW_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_served_file")),
        sa.ForeignKeyConstraint(
            ["ticket"], ["served_ticket.id"], name=op.f("fk_served_file_ticket")
        ),
    )
    op.create_index("ix_served_file_ticket", "served_file", ["ticket"])


def _calls() -> None:
    op.create_table(
        "served_call",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("sys_id", sa.Text(), nullable=False),
        sa.Column("note", ROW_ID, nullable=True),
        sa.Column("file", ROW_ID, nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_served_call")),
    )
    op.create_index(
        "uq_served_call_key",
        "served_call",
        ["connection", "caller", "key"],
        unique=True,
        sqlite_where=sa.text("key IS NOT NULL"),
        postgresql_where=sa.text("key IS NOT NULL"),
    )
    op.create_index(
        "ix_served_call_fingerprint", "served_call", ["connection", "caller", "fingerprint", "at"]
    )
    op.create_index("ix_served_call_at", "served_call", ["at"])
