"""The reports on pruned threads, in the ledger itself: small ones packed with the text of one that is there in full."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Brings the tables to this revision."""
    op.create_table(
        "kept_report",
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("base", sa.Text()),
        sa.Column("page", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("alert_id"),
    )
    # The newest pages in full are looked for whenever one is kept.
    op.create_index(
        "kept_report_whole",
        "kept_report",
        ["at"],
        sqlite_where=sa.text("base IS NULL"),
        postgresql_where=sa.text("base IS NULL"),
    )


def downgrade() -> None:
    """Takes it back."""
    op.drop_table("kept_report")
