"""evidence: whose fit each matured score belongs to, recipes, superiority tests, verdicts; decisions of persons"""

from alembic import op
import sqlalchemy as sa


revision = '0010_evidence'
down_revision = '0009_rebases'

def _text(length=None):
    kind = sa.Text if length is None else sa.String
    return kind(length).with_variant(kind(length, collation="C"), "postgresql")


def _instant():
    return sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def _decisions(name, *more):
    op.create_table(name,
    sa.Column('realm', _text(64), nullable=False),
    sa.Column('as_of', sa.Date(), nullable=False),
    sa.Column('horizon', sa.Integer(), nullable=False),
    sa.Column('action', _text(16), nullable=False),
    sa.Column('model', _text(64), nullable=True),
    sa.Column('model_content', _text(64), nullable=True),
    sa.Column('version', _text(16), nullable=True),
    sa.Column('skill', _text(16), nullable=True),
    sa.Column('reasons', _text(), nullable=False),
    sa.Column('moves_alias', sa.Boolean(), nullable=False),
    sa.Column('confirmed', sa.Boolean(), nullable=False),
    sa.Column('decided_at', _instant(), nullable=False),
    sa.Column('counts_after', sa.Date(), nullable=True),
    *more
    )


def _renumber(*more):
    """SQLite cannot give a table another key: its rows move to a new one."""
    _decisions('decisions_moved', *more)
    op.execute(
        'INSERT INTO decisions_moved (realm, as_of, horizon, action, model, model_content, version, skill, reasons, '
        'moves_alias, confirmed, decided_at, counts_after) SELECT realm, as_of, horizon, action, model, model_content, '
        'version, skill, reasons, moves_alias, confirmed, decided_at, counts_after FROM decisions'
    )
    op.drop_table('decisions')
    op.rename_table('decisions_moved', 'decisions')


def upgrade() -> None:
    number = sa.Column('number', sa.Integer(), server_default='0', nullable=False)
    if op.get_bind().dialect.name == 'sqlite':
        _renumber(number, sa.PrimaryKeyConstraint('realm', 'as_of', 'horizon', 'number'))
    else:
        op.add_column('decisions', number)
        op.drop_constraint('decisions_pkey', 'decisions', type_='primary')
        op.create_primary_key('decisions_pkey', 'decisions', ['realm', 'as_of', 'horizon', 'number'])
    op.add_column('matured', sa.Column('recipe', _text(64), nullable=True))
    op.add_column('matured', sa.Column('model_content', _text(64), nullable=True))
    op.create_index('matured_by_recipe', 'matured', ['realm', 'horizon', 'recipe'])
    op.create_table('recipes',
    sa.Column('recipe', _text(64), nullable=False),
    sa.Column('model', _text(64), nullable=False),
    sa.Column('frozen_at', _instant(), nullable=False),
    sa.PrimaryKeyConstraint('recipe')
    )
    op.create_table('superiority_tests',
    sa.Column('realm', _text(64), nullable=False),
    sa.Column('horizon', sa.Integer(), nullable=False),
    sa.Column('started', sa.Date(), nullable=False),
    sa.Column('challenger', _text(64), nullable=False),
    sa.Column('champion', _text(64), nullable=False),
    sa.Column('challenger_model', _text(64), nullable=False),
    sa.Column('champion_model', _text(64), nullable=False),
    sa.Column('alpha', sa.Double(), nullable=False),
    sa.Column('outcome', _text(16), nullable=False),
    sa.Column('ended', sa.Date(), nullable=True),
    sa.PrimaryKeyConstraint('realm', 'horizon', 'started')
    )
    op.create_table('verdicts',
    sa.Column('realm', _text(64), nullable=False),
    sa.Column('as_of', sa.Date(), nullable=False),
    sa.Column('horizon', sa.Integer(), nullable=False),
    sa.Column('kind', _text(16), nullable=False),
    sa.Column('since', sa.Date(), nullable=False),
    sa.Column('recipe', _text(64), nullable=False),
    sa.Column('model', _text(64), nullable=False),
    sa.Column('against', _text(64), nullable=True),
    sa.Column('outcome', _text(16), nullable=False),
    sa.Column('e_value', sa.Double(), nullable=True),
    sa.Column('highest', sa.Double(), nullable=True),
    sa.Column('needed', sa.Double(), nullable=False),
    sa.Column('nights', sa.Integer(), nullable=False),
    sa.Column('pairs', sa.Integer(), nullable=True),
    sa.Column('detectable', sa.Double(), nullable=True),
    sa.Column('reasons', _text(), nullable=False),
    sa.PrimaryKeyConstraint('realm', 'as_of', 'horizon', 'kind', 'since')
    )


def downgrade() -> None:
    op.drop_table('verdicts')
    op.drop_table('superiority_tests')
    op.drop_table('recipes')
    op.drop_index('matured_by_recipe', 'matured')
    op.drop_column('matured', 'model_content')
    op.drop_column('matured', 'recipe')
    op.execute('DELETE FROM decisions WHERE number > 0')
    if op.get_bind().dialect.name == 'sqlite':
        _renumber(sa.PrimaryKeyConstraint('realm', 'as_of', 'horizon'))
    else:
        op.drop_constraint('decisions_pkey', 'decisions', type_='primary')
        op.drop_column('decisions', 'number')
        op.create_primary_key('decisions_pkey', 'decisions', ['realm', 'as_of', 'horizon'])
