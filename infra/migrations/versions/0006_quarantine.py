"""quarantine_log: what became of rows in quarantine, who decided it, and why"""

from alembic import op
import sqlalchemy as sa


revision = '0006_quarantine'
down_revision = '0005_counts_after'


def _text(length=None):
    kind = sa.Text if length is None else sa.String
    return kind(length).with_variant(kind(length, collation="C"), "postgresql")


def _instant():
    return sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    op.create_table('quarantine_log',
    sa.Column('source', _text(64), nullable=False),
    sa.Column('table_name', _text(64), nullable=False),
    sa.Column('row_hash', _text(64), nullable=False),
    sa.Column('decided_at', _instant(), nullable=False),
    sa.Column('action', _text(16), nullable=False),
    sa.Column('by', _text(64), nullable=False),
    sa.Column('reason', _text(), nullable=False),
    sa.Column('payload', _text(), nullable=True),
    sa.Column('known_at', _instant(), nullable=True),
    sa.PrimaryKeyConstraint('source', 'table_name', 'row_hash', 'decided_at')
    )


def downgrade() -> None:
    op.drop_table('quarantine_log')
