"""Which channels each sender sends on for all, so that a host that lacks one leaves it to those that have it."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Brings the tables to this revision."""
    op.add_column("sender", sa.Column("serves", sa.Text()))


def downgrade() -> None:
    """Takes it back."""
    op.drop_column("sender", "serves")
