"""Where the deliveries of an alert stand, to be counted along indexes: a million rows would have to be read else."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Brings the tables to this revision."""
    op.create_index(
        "delivery_accepted",
        "delivery",
        ["alert_id", "instance", "accepted_at", "result"],
        sqlite_where=sa.text("accepted_at IS NOT NULL"),
    )
    op.create_index(
        "delivery_missed",
        "delivery",
        ["alert_id", "instance", "result", "closed"],
        sqlite_where=sa.text("stage = 'done' AND accepted_at IS NULL"),
    )
    op.create_index(
        "delivery_again",
        "delivery",
        ["alert_id", "instance", "attempt", "possible_duplicate"],
        sqlite_where=sa.text("attempt > 1 OR possible_duplicate = 1"),
    )


def downgrade() -> None:
    """Takes it back."""
    for name in ("delivery_again", "delivery_missed", "delivery_accepted"):
        op.drop_index(name, table_name="delivery")
