"""incidents: what people are told, and whether it reached them"""

from alembic import op
import sqlalchemy as sa


revision = '0004_incidents'
down_revision = '0003_approvals'


def _text(length=None):
    kind = sa.Text if length is None else sa.String
    return kind(length).with_variant(kind(length, collation="C"), "postgresql")


def _instant():
    return sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    op.create_table('incidents',
    sa.Column('key', _text(200), nullable=False),
    sa.Column('occurrence', sa.Integer(), nullable=False),
    sa.Column('kind', _text(64), nullable=False),
    sa.Column('title', _text(), nullable=False),
    sa.Column('reason', _text(), nullable=False),
    sa.Column('cure', _text(), nullable=False),
    sa.Column('link', _text(), nullable=False),
    sa.Column('raised_at', _instant(), nullable=False),
    sa.Column('closed_at', _instant(), nullable=True),
    sa.Column('delivered_at', _instant(), nullable=True),
    sa.Column('delivered_to', _text(), nullable=False),
    sa.Column('tried_at', _instant(), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('key', 'occurrence')
    )


def downgrade() -> None:
    op.drop_table('incidents')
