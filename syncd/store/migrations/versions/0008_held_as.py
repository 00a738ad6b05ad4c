"""Under what name a lease's process shows that it lives."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("lease", sa.Column("held_as", sa.Text(), nullable=False, server_default=""))
