"""An alert's events by type, and the receipts that match nothing yet, each by an index of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Brings the tables to this revision."""
    op.drop_index("event_alert", table_name="event")
    op.create_index("event_alert", "event", ["alert_id", "type", "at"])
    op.create_index(
        "receipt_unmatched",
        "receipt",
        ["instance", "provider_id"],
        sqlite_where=sa.text("delivery_id IS NULL"),
    )


def downgrade() -> None:
    """Takes it back."""
    op.drop_index("receipt_unmatched", table_name="receipt")
    op.drop_index("event_alert", table_name="event")
    op.create_index("event_alert", "event", ["alert_id", "at"])
