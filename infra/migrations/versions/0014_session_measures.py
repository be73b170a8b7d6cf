"""session measures: what bars of hours or minutes say of their session, as versions beside the daily bars"""

from alembic import op
import sqlalchemy as sa


revision = '0014_session_measures'
down_revision = '0013_paper_book'


def _text(length=None):
    kind = sa.Text if length is None else sa.String
    return kind(length).with_variant(kind(length, collation="C"), "postgresql")


def _instant():
    return sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    op.create_table('session_measures',
    sa.Column('source', _text(64), nullable=False),
    sa.Column('symbol', _text(64), nullable=False),
    sa.Column('date', sa.Date(), nullable=False),
    sa.Column('bar_minutes', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('realized_variance', sa.Double(), nullable=True),
    sa.Column('downside_semivariance', sa.Double(), nullable=True),
    sa.Column('bipower_variation', sa.Double(), nullable=True),
    sa.Column('realized_skewness', sa.Double(), nullable=True),
    sa.Column('first_return', sa.Double(), nullable=True),
    sa.Column('last_return', sa.Double(), nullable=True),
    sa.Column('vwap_gap', sa.Double(), nullable=True),
    sa.Column('first_volume_share', sa.Double(), nullable=True),
    sa.Column('last_volume_share', sa.Double(), nullable=True),
    sa.Column('hour_realized_variance', sa.Double(), nullable=True),
    sa.Column('hour_first_return', sa.Double(), nullable=True),
    sa.Column('hour_last_return', sa.Double(), nullable=True),
    sa.Column('known_at', _instant(), nullable=False),
    sa.Column('ingested_at', _instant(), nullable=False),
    sa.Column('basis', _text(8), nullable=False),
    sa.PrimaryKeyConstraint('source', 'symbol', 'date', 'bar_minutes', 'known_at'),
    sqlite_with_rowid=False
    )


def downgrade() -> None:
    op.drop_table('session_measures')
