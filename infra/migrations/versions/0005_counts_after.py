"""counts_after: the nights that had begun when a decision was made outside of them forecast without it"""

from alembic import op
import sqlalchemy as sa


revision = '0005_counts_after'
down_revision = '0004_incidents'


def upgrade() -> None:
    op.add_column('decisions', sa.Column('counts_after', sa.Date(), nullable=True))
    op.execute(
        "UPDATE decisions SET counts_after = (SELECT a.begun FROM approvals a WHERE a.realm = decisions.realm "
        "AND a.as_of = decisions.as_of AND a.horizon = decisions.horizon)"
    )


def downgrade() -> None:
    op.drop_column('decisions', 'counts_after')
