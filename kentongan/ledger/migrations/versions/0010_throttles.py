"""Channels whose provider lets an alert wait for longer than it is of use."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Brings the tables to this revision."""
    op.create_table(
        "throttle",
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("deliver_by", sa.BigInteger(), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("also", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("alert_id", "instance"),
    )


def downgrade() -> None:
    """Takes it back."""
    op.drop_table("throttle")
