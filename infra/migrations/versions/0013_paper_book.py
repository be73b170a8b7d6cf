"""paper book: a row a trading day of each line, and what its rule would have made over walk-forwards"""

from alembic import op
import sqlalchemy as sa


revision = '0013_paper_book'
down_revision = '0012_trials'


def _text(length=None):
    kind = sa.Text if length is None else sa.String
    return kind(length).with_variant(kind(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table('paper_book',
    sa.Column('realm', _text(64), nullable=False),
    sa.Column('horizon', sa.Integer(), nullable=False),
    sa.Column('line', _text(16), nullable=False),
    sa.Column('date', sa.Date(), nullable=False),
    sa.Column('decided', sa.Date(), nullable=True),
    sa.Column('equity', sa.Double(), nullable=False),
    sa.Column('gross', sa.Double(), nullable=False),
    sa.Column('commission', sa.Double(), nullable=False),
    sa.Column('spread', sa.Double(), nullable=False),
    sa.Column('impact', sa.Double(), nullable=False),
    sa.Column('net', sa.Double(), nullable=False),
    sa.Column('benchmark', sa.Double(), nullable=True),
    sa.Column('turnover', sa.Double(), nullable=False),
    sa.Column('exposure', sa.Double(), nullable=False),
    sa.Column('holdings', sa.Integer(), nullable=False),
    sa.Column('positions', _text(), nullable=False),
    sa.PrimaryKeyConstraint('realm', 'horizon', 'line', 'date')
    )
    op.create_table('book_expectations',
    sa.Column('realm', _text(64), nullable=False),
    sa.Column('as_of', sa.Date(), nullable=False),
    sa.Column('horizon', sa.Integer(), nullable=False),
    sa.Column('model', _text(64), nullable=False),
    sa.Column('mean', sa.Double(), nullable=True),
    sa.Column('standard_error', sa.Double(), nullable=True),
    sa.Column('terms', sa.Integer(), nullable=False),
    sa.Column('days', sa.Integer(), nullable=False),
    sa.Column('first_day', sa.Date(), nullable=True),
    sa.Column('last_day', sa.Date(), nullable=True),
    sa.PrimaryKeyConstraint('realm', 'as_of', 'horizon', 'model')
    )


def downgrade() -> None:
    op.drop_table('book_expectations')
    op.drop_table('paper_book')
