"""fundamentals and factor_returns: figures of statements and returns of factors, as versions known from publication"""

from alembic import op
import sqlalchemy as sa


revision = '0007_fundamentals'
down_revision = '0006_quarantine'


def _text(length=None):
    kind = sa.Text if length is None else sa.String
    return kind(length).with_variant(kind(length, collation="C"), "postgresql")


def _instant():
    return sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    op.create_table('fundamentals',
    sa.Column('source', _text(64), nullable=False),
    sa.Column('symbol', _text(64), nullable=False),
    sa.Column('period_end', sa.Date(), nullable=False),
    sa.Column('item', _text(64), nullable=False),
    sa.Column('value', sa.Double(), nullable=True),
    sa.Column('known_at', _instant(), nullable=False),
    sa.Column('ingested_at', _instant(), nullable=False),
    sa.Column('basis', _text(8), nullable=False),
    sa.PrimaryKeyConstraint('source', 'symbol', 'period_end', 'item', 'known_at')
    )
    op.create_table('factor_returns',
    sa.Column('source', _text(64), nullable=False),
    sa.Column('dataset', _text(64), nullable=False),
    sa.Column('factor', _text(64), nullable=False),
    sa.Column('date', sa.Date(), nullable=False),
    sa.Column('value', sa.Double(), nullable=True),
    sa.Column('known_at', _instant(), nullable=False),
    sa.Column('ingested_at', _instant(), nullable=False),
    sa.Column('basis', _text(8), nullable=False),
    sa.PrimaryKeyConstraint('source', 'dataset', 'factor', 'date', 'known_at')
    )


def downgrade() -> None:
    op.drop_table('factor_returns')
    op.drop_table('fundamentals')
