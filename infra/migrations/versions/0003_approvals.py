"""approvals: who let a promotion be carried out"""

from alembic import op
import sqlalchemy as sa


revision = '0003_approvals'
down_revision = '0002_kinds'


def _text(length=None):
    kind = sa.Text if length is None else sa.String
    return kind(length).with_variant(kind(length, collation="C"), "postgresql")


def _instant():
    return sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    op.create_table('approvals',
    sa.Column('realm', _text(64), nullable=False),
    sa.Column('as_of', sa.Date(), nullable=False),
    sa.Column('horizon', sa.Integer(), nullable=False),
    sa.Column('action', _text(16), nullable=True),
    sa.Column('model', _text(64), nullable=True),
    sa.Column('model_content', _text(64), nullable=True),
    sa.Column('version', _text(16), nullable=True),
    sa.Column('skill', _text(16), nullable=True),
    sa.Column('reasons', _text(), nullable=True),
    sa.Column('asked_at', _instant(), nullable=True),
    sa.Column('answer', _text(16), nullable=True),
    sa.Column('by', _text(64), nullable=True),
    sa.Column('note', _text(), nullable=True),
    sa.Column('answered_at', _instant(), nullable=True),
    sa.Column('begun', sa.Date(), nullable=True),
    sa.PrimaryKeyConstraint('realm', 'as_of', 'horizon')
    )


def downgrade() -> None:
    op.drop_table('approvals')
