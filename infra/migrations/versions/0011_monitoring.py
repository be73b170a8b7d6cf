"""monitoring: matured forecasts by slice, and what each night found of drift and of the served models' outcomes"""

from alembic import op
import sqlalchemy as sa


revision = '0011_monitoring'
down_revision = '0010_evidence'


def _text(length=None):
    kind = sa.Text if length is None else sa.String
    return kind(length).with_variant(kind(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table('matured_slices',
    sa.Column('realm', _text(64), nullable=False),
    sa.Column('as_of', sa.Date(), nullable=False),
    sa.Column('horizon', sa.Integer(), nullable=False),
    sa.Column('model', _text(64), nullable=False),
    sa.Column('slicing', _text(16), nullable=False),
    sa.Column('slice', _text(64), nullable=False),
    sa.Column('rank_ic', sa.Double(), nullable=True),
    sa.Column('symbols', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('realm', 'as_of', 'horizon', 'model', 'slicing', 'slice')
    )
    op.create_table('drift',
    sa.Column('realm', _text(64), nullable=False),
    sa.Column('as_of', sa.Date(), nullable=False),
    sa.Column('horizon', sa.Integer(), nullable=False),
    sa.Column('model', _text(64), nullable=False),
    sa.Column('model_content', _text(64), nullable=False),
    sa.Column('verdict', _text(16), nullable=False),
    sa.Column('features', sa.Integer(), nullable=False),
    sa.Column('share', sa.Double(), nullable=True),
    sa.Column('since', sa.Date(), nullable=True),
    sa.Column('flagged', _text(), nullable=False),
    sa.Column('symbols', _text(), nullable=False),
    sa.Column('reason', _text(), nullable=False),
    sa.PrimaryKeyConstraint('realm', 'as_of', 'horizon')
    )
    op.create_table('outcomes',
    sa.Column('realm', _text(64), nullable=False),
    sa.Column('as_of', sa.Date(), nullable=False),
    sa.Column('horizon', sa.Integer(), nullable=False),
    sa.Column('model', _text(64), nullable=False),
    sa.Column('verdict', _text(16), nullable=False),
    sa.Column('nights', sa.Integer(), nullable=False),
    sa.Column('promised', sa.Double(), nullable=True),
    sa.Column('evidence', sa.Double(), nullable=True),
    sa.Column('threshold', sa.Double(), nullable=True),
    sa.Column('since', sa.Date(), nullable=True),
    sa.Column('mean', sa.Double(), nullable=True),
    sa.Column('lower', sa.Double(), nullable=True),
    sa.Column('upper', sa.Double(), nullable=True),
    sa.Column('reason', _text(), nullable=False),
    sa.PrimaryKeyConstraint('realm', 'as_of', 'horizon')
    )


def downgrade() -> None:
    op.drop_table('outcomes')
    op.drop_table('drift')
    op.drop_table('matured_slices')
