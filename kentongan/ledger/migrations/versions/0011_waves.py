"""Who comes before whom among the people of a channel, and how often in a row a credential was throttled."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_PLANNED = sa.text("stage = 'planned'")


def upgrade() -> None:
    """Brings the tables to this revision."""
    op.add_column("delivery", sa.Column("wave", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("bucket", sa.Column("throttled", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.drop_index("delivery_due", table_name="delivery")
    op.create_index(
        "delivery_due",
        "delivery",
        ["alert_id", "instance", "attempt", "wave", "due_at"],
        sqlite_where=_PLANNED,
    )
    op.create_index("delivery_part", "delivery", ["alert_id", "instance"])


def downgrade() -> None:
    """Takes it back."""
    op.drop_index("delivery_part", table_name="delivery")
    op.drop_index("delivery_due", table_name="delivery")
    op.create_index("delivery_due", "delivery", ["alert_id", "instance", "stage", "due_at"])
    op.drop_column("bucket", "throttled")
    op.drop_column("delivery", "wave")
