"""What is left of deliveries that were pruned: their alert's checkpoint, and the digests of their events."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Brings the tables to this revision."""
    op.create_table(
        "checkpoint",
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("alert_id"),
    )
    op.create_table(
        "pruned",
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("events", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("alert_id", "number"),
    )
    # Only receipts that name a delivery can go with it.
    op.create_index(
        "receipt_delivery",
        "receipt",
        ["delivery_id"],
        sqlite_where=sa.text("delivery_id IS NOT NULL"),
    )


def downgrade() -> None:
    """Takes it back."""
    op.drop_index("receipt_delivery", "receipt")
    op.drop_table("pruned")
    op.drop_table("checkpoint")
