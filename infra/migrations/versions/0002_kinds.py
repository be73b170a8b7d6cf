"""nights beside which models are fitted without a night: a kind for each start"""

from alembic import op
import sqlalchemy as sa


revision = '0002_kinds'
down_revision = '0001'


def upgrade() -> None:
    kind = sa.String(16).with_variant(sa.String(16, collation="C"), "postgresql")
    op.add_column('nights', sa.Column('kind', kind, nullable=False, server_default='night'))


def downgrade() -> None:
    op.drop_column('nights', 'kind')
