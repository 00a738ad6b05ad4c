"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:  # long: every table and index once
    op.create_table(
        "connection",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("base_host", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("health", sa.Text(), nullable=False),
        sa.Column("health_at", sa.BigInteger(), nullable=True),
        sa.Column("last_news_at", sa.BigInteger(), nullable=True),
        sa.Column("paused_by", sa.Text(), nullable=True),
        sa.Column("paused_reason", sa.Text(), nullable=True),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_connection")),
    )
    op.create_table(
        "credential",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("saved_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_credential")),
    )
    op.create_table(
        "feed",
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("gap", sa.Boolean(), nullable=False),
        sa.Column("last_poll_at", sa.BigInteger(), nullable=True),
        sa.Column("last_complete_at", sa.BigInteger(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("error_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("connection", "kind", name=op.f("pk_feed")),
    )
    op.create_table(
        "inbox",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("received_from", sa.Text(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
    )
    op.create_index(
        "ix_inbox_waiting",
        "inbox",
        ["id"],
        unique=False,
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.create_table(
        "journal",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("ticket", ROW_ID, nullable=True),
        sa.Column("link", ROW_ID, nullable=True),
        sa.Column("operation", ROW_ID, nullable=True),
        sa.Column("mapping", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal")),
    )
    op.create_index(
        "ix_journal_link",
        "journal",
        ["link"],
        unique=False,
        sqlite_where=sa.text("link IS NOT NULL"),
        postgresql_where=sa.text("link IS NOT NULL"),
    )
    op.create_index(
        "ix_journal_ticket",
        "journal",
        ["ticket"],
        unique=False,
        sqlite_where=sa.text("ticket IS NOT NULL"),
        postgresql_where=sa.text("ticket IS NOT NULL"),
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "mapping_state",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("first_live_at", sa.BigInteger(), nullable=True),
        sa.Column("resumed_at", sa.BigInteger(), nullable=True),
        sa.Column("edited_at", sa.BigInteger(), nullable=True),
        sa.Column("paused_by", sa.Text(), nullable=True),
        sa.Column("paused_reason", sa.Text(), nullable=True),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_mapping_state")),
    )
    op.create_table(
        "meta",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_meta")),
    )
    op.create_table(
        "ticket",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("snapshot", sa.Text(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("list_digest", sa.LargeBinary(), nullable=True),
        sa.Column("provider_created_at", sa.BigInteger(), nullable=True),
        sa.Column("write_epoch", sa.Integer(), nullable=False),
        sa.Column("sight_epoch", sa.Integer(), nullable=False),
        sa.Column("read_due_at", sa.BigInteger(), nullable=True),
        sa.Column("next_poll_at", sa.BigInteger(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("read_at", sa.BigInteger(), nullable=True),
        sa.Column("read_failures", sa.Integer(), nullable=False),
        sa.Column("read_error", sa.Text(), nullable=False),
        sa.Column("watched", sa.Boolean(), nullable=False),
        sa.Column("gone_at", sa.BigInteger(), nullable=True),
        sa.Column("stray", sa.Boolean(), nullable=False),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("decide_due_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket")),
    )
    op.create_index(
        "ix_ticket_decide_due",
        "ticket",
        ["decide_due_at"],
        unique=False,
        sqlite_where=sa.text("decide_due_at IS NOT NULL"),
        postgresql_where=sa.text("decide_due_at IS NOT NULL"),
    )
    op.create_index("ix_ticket_external_id", "ticket", ["external_id"], unique=False)
    op.create_index(
        "ix_ticket_next_poll",
        "ticket",
        ["connection", "next_poll_at"],
        unique=False,
        sqlite_where=sa.text("next_poll_at IS NOT NULL AND gone_at IS NULL"),
        postgresql_where=sa.text("next_poll_at IS NOT NULL AND gone_at IS NULL"),
    )
    op.create_index("ix_ticket_number", "ticket", ["number"], unique=False)
    op.create_index(
        "ix_ticket_read_due",
        "ticket",
        ["connection", "read_due_at"],
        unique=False,
        sqlite_where=sa.text("read_due_at IS NOT NULL AND gone_at IS NULL"),
        postgresql_where=sa.text("read_due_at IS NOT NULL AND gone_at IS NULL"),
    )
    op.create_index(
        "uq_ticket_external",
        "ticket",
        ["connection", "kind", "external_id"],
        unique=True,
        sqlite_where=sa.text("external_id IS NOT NULL"),
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "link",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("mapping", sa.Text(), nullable=False),
        sa.Column("itsm_ticket", ROW_ID, nullable=True),
        sa.Column("vendor_ticket", ROW_ID, nullable=True),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("partner_connection", sa.Text(), nullable=False),
        sa.Column("partner_kind", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("tombstone_at", sa.BigInteger(), nullable=True),
        sa.Column("paused_by", sa.Text(), nullable=True),
        sa.Column("paused_reason", sa.Text(), nullable=True),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["itsm_ticket"], ["ticket.id"], name=op.f("fk_link_itsm_ticket")),
        sa.ForeignKeyConstraint(
            ["vendor_ticket"], ["ticket.id"], name=op.f("fk_link_vendor_ticket")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link")),
    )
    op.create_index("ix_link_created", "link", ["mapping", "created_at"], unique=False)
    op.create_index("ix_link_itsm", "link", ["itsm_ticket"], unique=False)
    op.create_index("ix_link_vendor", "link", ["vendor_ticket"], unique=False)
    op.create_index(
        "uq_link_itsm",
        "link",
        ["mapping", "itsm_ticket"],
        unique=True,
        sqlite_where=sa.text("itsm_ticket IS NOT NULL AND tombstone_at IS NULL"),
        postgresql_where=sa.text("itsm_ticket IS NOT NULL AND tombstone_at IS NULL"),
    )
    op.create_index(
        "uq_link_vendor",
        "link",
        ["vendor_ticket"],
        unique=True,
        sqlite_where=sa.text("vendor_ticket IS NOT NULL AND tombstone_at IS NULL"),
        postgresql_where=sa.text("vendor_ticket IS NOT NULL AND tombstone_at IS NULL"),
    )
    op.create_table(
        "baseline",
        sa.Column("link", ROW_ID, nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("slot", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("previous", sa.Text(), nullable=True),
        sa.Column("written_at", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["link"], ["link.id"], name=op.f("fk_baseline_link")),
        sa.PrimaryKeyConstraint("link", "side", "slot", name=op.f("pk_baseline")),
    )
    op.create_table(
        "conflict",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("link", ROW_ID, nullable=False),
        sa.Column("slot", sa.Text(), nullable=False),
        sa.Column("itsm_value", sa.Text(), nullable=False),
        sa.Column("vendor_value", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("found_at", sa.BigInteger(), nullable=False),
        sa.Column("resolved_at", sa.BigInteger(), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("kept", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["link"], ["link.id"], name=op.f("fk_conflict_link")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conflict")),
    )
    op.create_index(
        "uq_conflict_open",
        "conflict",
        ["link", "slot"],
        unique=True,
        sqlite_where=sa.text("resolved_at IS NULL"),
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_table(
        "item_pair",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("link", ROW_ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("target_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["link"], ["link.id"], name=op.f("fk_item_pair_link")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_item_pair")),
        sa.UniqueConstraint(
            "link",
            "kind",
            "origin",
            "source_id",
            name=op.f("uq_item_pair_link_kind_origin_source_id"),
        ),
    )
    op.create_table(
        "operation",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("link", ROW_ID, nullable=False),
        sa.Column("mapping", sa.Text(), nullable=False),
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("source_connection", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("target_row", ROW_ID, nullable=True),
        sa.Column("source_row", ROW_ID, nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("blocks", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("ticket_kind", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("slots", sa.Text(), nullable=False),
        sa.Column("item_kind", sa.Text(), nullable=True),
        sa.Column("item_origin", sa.Text(), nullable=True),
        sa.Column("item_source_id", sa.Text(), nullable=True),
        sa.Column("only_from", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("planned_at", sa.BigInteger(), nullable=False),
        sa.Column("ask_after_at", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("park_reason", sa.Text(), nullable=True),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("claimed_from", sa.Text(), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sends", sa.Integer(), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("recheck_at", sa.BigInteger(), nullable=True),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["link"], ["link.id"], name=op.f("fk_operation_link")),
        sa.ForeignKeyConstraint(
            ["source_row"], ["ticket.id"], name=op.f("fk_operation_source_row")
        ),
        sa.ForeignKeyConstraint(
            ["target_row"], ["ticket.id"], name=op.f("fk_operation_target_row")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operation")),
    )
    op.create_index(
        "ix_operation_ask_after",
        "operation",
        ["ask_after_at"],
        unique=False,
        sqlite_where=sa.text("state = 'ready' AND ask_after_at IS NOT NULL"),
        postgresql_where=sa.text("state = 'ready' AND ask_after_at IS NOT NULL"),
    )
    op.create_index(
        "ix_operation_blocking",
        "operation",
        ["lane"],
        unique=False,
        sqlite_where=sa.text("state = 'parked' AND blocks = 1"),
        postgresql_where=sa.text("state = 'parked' AND blocks = 1"),
    )
    op.create_index(
        "ix_operation_due",
        "operation",
        ["connection", "not_before", "id"],
        unique=False,
        sqlite_where=sa.text("state IN ('ready', 'unknown')"),
        postgresql_where=sa.text("state IN ('ready', 'unknown')"),
    )
    op.create_index(
        "ix_operation_in_flight",
        "operation",
        ["target_row"],
        unique=False,
        sqlite_where=sa.text("state IN ('claimed', 'sending')"),
        postgresql_where=sa.text("state IN ('claimed', 'sending')"),
    )
    op.create_index(
        "ix_operation_lease",
        "operation",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("state IN ('claimed', 'sending')"),
        postgresql_where=sa.text("state IN ('claimed', 'sending')"),
    )
    op.create_index("ix_operation_link", "operation", ["link"], unique=False)
    op.create_index(
        "ix_operation_recheck",
        "operation",
        ["recheck_at"],
        unique=False,
        sqlite_where=sa.text("recheck_at IS NOT NULL"),
        postgresql_where=sa.text("recheck_at IS NOT NULL"),
    )
    op.create_index(
        "ix_operation_unsettled",
        "operation",
        ["link"],
        unique=False,
        sqlite_where=sa.text(
            "state IN ('waiting', 'ready', 'claimed', 'sending', 'unknown', 'parked')"
        ),
        postgresql_where=sa.text(
            "state IN ('waiting', 'ready', 'claimed', 'sending', 'unknown', 'parked')"
        ),
    )
    op.create_index(
        "ix_operation_waiting",
        "operation",
        ["lane", "rank", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        "uq_operation_head",
        "operation",
        ["lane"],
        unique=True,
        sqlite_where=sa.text("state IN ('ready', 'claimed', 'sending', 'unknown')"),
        postgresql_where=sa.text("state IN ('ready', 'claimed', 'sending', 'unknown')"),
    )
    op.create_index("uq_operation_key", "operation", ["key"], unique=True)
    op.create_table(
        "attempt",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("operation", ROW_ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["operation"], ["operation.id"], name=op.f("fk_attempt_operation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
    )
    op.create_index("ix_attempt_operation", "attempt", ["operation"], unique=False)
