"""What ended without reaching anybody, found by what became of it, whether or not a provider had taken it before."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Brings the tables to this revision."""
    _again("stage = 'done' AND result NOT IN ('accepted', 'delivered', 'read')")


def downgrade() -> None:
    """Takes it back."""
    _again("stage = 'done' AND accepted_at IS NULL")


def _again(condition: str) -> None:
    op.drop_index("delivery_missed", table_name="delivery")
    columns = ["alert_id", "instance", "result", "closed"]
    op.create_index("delivery_missed", "delivery", columns, sqlite_where=sa.text(condition))
