"""Only events about one delivery are found by it: most are about several, or none, and took room for nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Brings the tables to this revision."""
    condition = sa.text("delivery_id IS NOT NULL")
    op.drop_index("event_delivery", table_name="event")
    op.create_index("event_delivery", "event", ["delivery_id"], sqlite_where=condition, postgresql_where=condition)


def downgrade() -> None:
    """Takes it back."""
    op.drop_index("event_delivery", table_name="event")
    op.create_index("event_delivery", "event", ["delivery_id"])
