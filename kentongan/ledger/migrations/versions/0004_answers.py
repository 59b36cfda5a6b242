"""What people answer, who has opted out, and the steps that wait for people who are not reached."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Brings the tables to this revision."""
    op.create_table(
        "opt_out",
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("unique_by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("family", "unique_by"),
    )
    op.create_table(
        "step",
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("mark", sa.BigInteger(), nullable=True),
        sa.Column("cursor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("alert_id", "kind", "number"),
    )
    op.create_index("step_due", "step", ["due_at"], unique=False)
    op.create_table(
        "answer",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("unique_by", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=True),
        sa.Column("alert_id", sa.Text(), nullable=True),
        sa.Column("delivery_id", sa.BigInteger(), nullable=True),
        sa.Column("meaning", sa.Text(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("answer_alert", "answer", ["alert_id", "unique_by", "number"], unique=False)
    op.create_index(
        "answer_provider",
        "answer",
        ["instance", "provider_id"],
        unique=True,
        sqlite_where=sa.text("provider_id <> ''"),
    )
    op.create_index(
        "delivery_person", "delivery", ["person_id"], unique=False, sqlite_where=sa.text("person_id IS NOT NULL")
    )
    op.create_index("address_hash", "address", ["hash"], unique=False)


def downgrade() -> None:
    """Takes it back."""
    op.drop_index("address_hash", table_name="address")
    op.drop_index("delivery_person", table_name="delivery")
    for table in ("answer", "step", "opt_out"):
        op.drop_table(table)
