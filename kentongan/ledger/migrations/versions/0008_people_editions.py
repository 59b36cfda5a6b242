"""Editions of the list of people: one is in force while the next is being filled."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_PARTS = ("person_group", "person_region", "address")


def upgrade() -> None:
    """Brings the tables to this revision."""
    op.create_table(
        "people_edition",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("mark", sa.BigInteger(), nullable=False),
        sa.Column("switched_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
    )
    op.add_column("person", sa.Column("former_language", sa.Text(), nullable=True))
    op.add_column("person", sa.Column("erased_at", sa.BigInteger(), nullable=True))
    for column in ("added", "since"):
        op.add_column("person", sa.Column(column, sa.Integer(), server_default=sa.text("0"), nullable=False))
    for table in _PARTS:
        op.add_column(table, sa.Column("since", sa.Integer(), server_default=sa.text("0"), nullable=False))
        op.add_column(table, sa.Column("until", sa.Integer(), server_default=sa.text("2147483647"), nullable=False))
    for table in ("person_group", "person_region"):
        op.create_index(f"{table}_past", table, ["until"], unique=False, sqlite_where=sa.text("until < 2147483647"))
    op.execute("UPDATE address SET until = 0 WHERE active = 0")
    op.drop_index("address_family", table_name="address")
    op.drop_column("address", "active")
    op.create_index("address_family", "address", ["family", "id"], unique=False)


def downgrade() -> None:
    """Takes it back."""
    op.add_column("address", sa.Column("active", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.execute("UPDATE address SET active = 0 WHERE until < 2147483647")
    op.drop_index("address_family", table_name="address")
    op.create_index("address_family", "address", ["family", "active", "id"], unique=False)
    for table in ("person_group", "person_region"):
        op.drop_index(f"{table}_past", table_name=table)
    for table in _PARTS:
        op.drop_column(table, "until")
        op.drop_column(table, "since")
    for column in ("since", "added", "erased_at", "former_language"):
        op.drop_column("person", column)
    op.drop_table("people_edition")
