"""How many tickets a list held when it was last read whole."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("feed", sa.Column("listed", sa.Integer(), nullable=True))
