"""walk_forward_markets: the walk-forward of a desk of several markets, each market by itself"""

from alembic import op
import sqlalchemy as sa


revision = '0008_markets'
down_revision = '0007_fundamentals'


def _text(length=None):
    kind = sa.Text if length is None else sa.String
    return kind(length).with_variant(kind(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table('walk_forward_markets',
    sa.Column('realm', _text(64), nullable=False),
    sa.Column('as_of', sa.Date(), nullable=False),
    sa.Column('horizon', sa.Integer(), nullable=False),
    sa.Column('model', _text(64), nullable=False),
    sa.Column('market', _text(64), nullable=False),
    sa.Column('mean', sa.Double(), nullable=True),
    sa.Column('lower', sa.Double(), nullable=True),
    sa.Column('upper', sa.Double(), nullable=True),
    sa.Column('days', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('realm', 'as_of', 'horizon', 'model', 'market')
    )


def downgrade() -> None:
    op.drop_table('walk_forward_markets')
