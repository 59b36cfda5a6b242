"""Answers found by who gave them, so that erasing many people does not read all answers for every few of them."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Brings the tables to this revision."""
    op.create_index("answer_person", "answer", ["person_id"])
    op.create_index("answer_sender", "answer", ["unique_by", "family"])


def downgrade() -> None:
    """Takes it back."""
    op.drop_index("answer_sender", table_name="answer")
    op.drop_index("answer_person", table_name="answer")
