"""rebases: a vendor's rebased history as one row a symbol, and bars.rebased: how many of them a bar has seen"""

from alembic import op
import sqlalchemy as sa


revision = '0009_rebases'
down_revision = '0008_markets'


def _text(length=None):
    kind = sa.Text if length is None else sa.String
    return kind(length).with_variant(kind(length, collation="C"), "postgresql")


def _instant():
    return sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    op.create_table('rebases',
    sa.Column('source', _text(64), nullable=False),
    sa.Column('symbol', _text(64), nullable=False),
    sa.Column('ex_date', sa.Date(), nullable=False),
    sa.Column('price_factor', sa.Double(), nullable=False),
    sa.Column('volume_factor', sa.Double(), nullable=False),
    sa.Column('late', sa.Boolean(), nullable=False),
    sa.Column('known_at', _instant(), nullable=False),
    sa.Column('ingested_at', _instant(), nullable=False),
    sa.Column('basis', _text(8), nullable=False),
    sa.PrimaryKeyConstraint('source', 'symbol', 'known_at')
    )
    op.add_column('bars', sa.Column('rebased', sa.Integer(), server_default='0', nullable=False))


def downgrade() -> None:
    op.drop_column('bars', 'rebased')
    op.drop_table('rebases')
