"""trials: every fit and every look at a score; openings: every time somebody scored on sealed days"""

from alembic import op
import sqlalchemy as sa


revision = '0012_trials'
down_revision = '0011_monitoring'


def _text(length=None):
    kind = sa.Text if length is None else sa.String
    return kind(length).with_variant(kind(length, collation="C"), "postgresql")


def _instant():
    return sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    op.create_table('trials',
    sa.Column('trial_id', _text(64), nullable=False),
    sa.Column('realm', _text(64), nullable=False),
    sa.Column('kind', _text(16), nullable=False),
    sa.Column('name', _text(64), nullable=False),
    sa.Column('recipe', _text(64), nullable=False),
    sa.Column('horizon', sa.Integer(), nullable=False),
    sa.Column('as_of', sa.Date(), nullable=False),
    sa.Column('first_day', sa.Date(), nullable=False),
    sa.Column('last_day', sa.Date(), nullable=False),
    sa.Column('seed', sa.BigInteger(), nullable=False),
    sa.Column('sharpe', sa.Double(), nullable=True),
    sa.Column('by', _text(64), nullable=False),
    sa.Column('tried_at', _instant(), nullable=False),
    sa.PrimaryKeyConstraint('trial_id')
    )
    op.create_table('openings',
    sa.Column('opening_id', _text(64), nullable=False),
    sa.Column('name', _text(64), nullable=False),
    sa.Column('horizon', sa.Integer(), nullable=False),
    sa.Column('as_of', sa.Date(), nullable=False),
    sa.Column('sealed_from', sa.Date(), nullable=False),
    sa.Column('reason', _text(), nullable=False),
    sa.Column('by', _text(64), nullable=False),
    sa.Column('opened_at', _instant(), nullable=False),
    sa.PrimaryKeyConstraint('opening_id')
    )


def downgrade() -> None:
    op.drop_table('openings')
    op.drop_table('trials')
