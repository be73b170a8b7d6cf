"""The store's tables, for SQLite and PostgreSQL alike; migrations under infra/ bring a database to this state."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa

from nightdesk.tables import BASIS, DATE, INGESTED_AT, KNOWN_AT, MEASURES, SYMBOL

metadata = sa.MetaData()


EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)


class Utc(sa.TypeDecorator[dt.datetime]):
    """An aware instant: timestamptz on PostgreSQL; on SQLite, which has no such type, microseconds since 1970 in UTC.

    As numbers half a million instants go in and out in a fraction of the time that text takes, and sort alike.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Choose what the database keeps."""
        kind = sa.BigInteger() if dialect.name == "sqlite" else sa.DateTime(timezone=True)
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> Any:
        """Turn an aware instant into what the database keeps."""
        if value is None or dialect.name != "sqlite":
            return value
        return microseconds(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> dt.datetime | None:
        """Give an aware instant in UTC."""
        if value is None:
            return None
        moment: dt.datetime = EPOCH + value * MICROSECOND if dialect.name == "sqlite" else value.astimezone(dt.UTC)
        return moment


def microseconds(moment: dt.datetime) -> int:
    """Microseconds from 1970 to an aware instant, exactly."""
    return (moment - EPOCH) // MICROSECOND


def _text(length: int | None = None) -> sa.String:
    """Text that sorts by its bytes on both engines; else the order of symbols would follow the database's language."""
    kind = sa.Text if length is None else sa.String
    return kind(length).with_variant(kind(length, collation="C"), "postgresql")


_NAME = _text(64)
_HASH = _text(64)
_WORD = _text(16)
_INSTANT = Utc()


def _knowledge() -> list[sa.Column[Any]]:
    """The three columns of every input table: known from when, arrived when, known how."""
    return [
        sa.Column(KNOWN_AT, _INSTANT, primary_key=True),
        sa.Column(INGESTED_AT, _INSTANT, nullable=False),
        sa.Column(BASIS, _text(8), nullable=False),
    ]


bars = sa.Table(
    "bars",
    metadata,
    sa.Column("source", _NAME, primary_key=True),
    sa.Column(SYMBOL, _NAME, primary_key=True),
    sa.Column(DATE, sa.Date, primary_key=True),
    sa.Column("open", sa.Double),
    sa.Column("high", sa.Double),
    sa.Column("low", sa.Double),
    sa.Column("close", sa.Double),
    sa.Column("volume", sa.Double),
    *_knowledge(),
    # How many rebases of its symbol its values have seen (store/rebasing.py).
    sa.Column("rebased", sa.Integer, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)

# Of sources whose bars are shorter than a day: what these say of their session, beside the daily bar made of them.
session_measures = sa.Table(
    "session_measures",
    metadata,
    sa.Column("source", _NAME, primary_key=True),
    sa.Column(SYMBOL, _NAME, primary_key=True),
    sa.Column(DATE, sa.Date, primary_key=True),
    # Of bars of another length measures are other numbers: they never stand in one window.
    sa.Column("bar_minutes", sa.Integer, primary_key=True, autoincrement=False),
    *(sa.Column(measure, sa.Double) for measure in MEASURES),
    *_knowledge(),
    sqlite_with_rowid=False,
)

rebases = sa.Table(
    "rebases",
    metadata,
    sa.Column("source", _NAME, primary_key=True),
    sa.Column(SYMBOL, _NAME, primary_key=True),
    sa.Column("ex_date", sa.Date, nullable=False),
    sa.Column("price_factor", sa.Double, nullable=False),
    sa.Column("volume_factor", sa.Double, nullable=False),
    sa.Column("late", sa.Boolean, nullable=False),
    *_knowledge(),
)

corporate_actions = sa.Table(
    "corporate_actions",
    metadata,
    sa.Column("source", _NAME, primary_key=True),
    sa.Column(SYMBOL, _NAME, primary_key=True),
    sa.Column("ex_date", sa.Date, primary_key=True),
    sa.Column("kind", _WORD, primary_key=True),
    sa.Column("value", sa.Double, nullable=False),
    *_knowledge(),
)

membership = sa.Table(
    "membership",
    metadata,
    sa.Column("source", _NAME, primary_key=True),
    sa.Column("index_name", _NAME, primary_key=True),
    sa.Column("snapshot_date", sa.Date, primary_key=True),
    sa.Column(SYMBOL, _NAME, primary_key=True),
    sa.Column("name", _text()),
    sa.Column("sector", _text()),
    *_knowledge(),
)

fundamentals = sa.Table(
    "fundamentals",
    metadata,
    sa.Column("source", _NAME, primary_key=True),
    sa.Column(SYMBOL, _NAME, primary_key=True),
    sa.Column("period_end", sa.Date, primary_key=True),
    sa.Column("item", _NAME, primary_key=True),
    sa.Column("value", sa.Double),
    *_knowledge(),
)

factor_returns = sa.Table(
    "factor_returns",
    metadata,
    sa.Column("source", _NAME, primary_key=True),
    sa.Column("dataset", _NAME, primary_key=True),
    sa.Column("factor", _NAME, primary_key=True),
    sa.Column(DATE, sa.Date, primary_key=True),
    sa.Column("value", sa.Double),
    *_knowledge(),
)

quarantine = sa.Table(
    "quarantine",
    metadata,
    sa.Column("source", _NAME, primary_key=True),
    sa.Column("table_name", _NAME, primary_key=True),
    sa.Column("row_hash", _HASH, primary_key=True),
    sa.Column(SYMBOL, _NAME),
    sa.Column(DATE, sa.Date),
    sa.Column("reasons", _text(), nullable=False),
    sa.Column("payload", _text(), nullable=False),
    *_knowledge(),
)

quarantine_log = sa.Table(
    "quarantine_log",
    metadata,
    sa.Column("source", _NAME, primary_key=True),
    sa.Column("table_name", _NAME, primary_key=True),
    sa.Column("row_hash", _HASH, primary_key=True),
    sa.Column("decided_at", _INSTANT, primary_key=True),
    sa.Column("action", _WORD, nullable=False),
    sa.Column("by", _NAME, nullable=False),
    sa.Column("reason", _text(), nullable=False),
    # The row as it was released, with its corrections, and from when it is known; null for a row that was dropped.
    sa.Column("payload", _text()),
    sa.Column(KNOWN_AT, _INSTANT),
)

batches = sa.Table(
    "batches",
    metadata,
    sa.Column("source", _NAME, primary_key=True),
    sa.Column("content", _HASH, primary_key=True),
    sa.Column("first_date", sa.Date),
    sa.Column("last_date", sa.Date),
    sa.Column("rows_in", sa.BigInteger, nullable=False),
    sa.Column("rows_new", sa.BigInteger, nullable=False),
    sa.Column("rows_quarantined", sa.BigInteger, nullable=False),
    sa.Column("findings", _text(), nullable=False),
    sa.Column(INGESTED_AT, _INSTANT, nullable=False),
)

nights = sa.Table(
    "nights",
    metadata,
    sa.Column("night_id", _HASH, primary_key=True),
    sa.Column("realm", _NAME, nullable=False),
    sa.Column("as_of", sa.Date, nullable=False),
    sa.Column("content", _HASH, nullable=False),
    sa.Column("status", _WORD, nullable=False),
    sa.Column("reason", _text()),
    sa.Column("summary", _text()),
    sa.Column("run_id", _HASH),
    sa.Column("started_at", _INSTANT, nullable=False),
    sa.Column("ended_at", _INSTANT),
    sa.Column("kind", _WORD, nullable=False, server_default="night"),
    sa.Index("nights_by_date", "realm", "as_of"),
)

stages = sa.Table(
    "stages",
    metadata,
    sa.Column("realm", _NAME, primary_key=True),
    sa.Column("as_of", sa.Date, primary_key=True),
    sa.Column("stage", _NAME, primary_key=True),
    sa.Column("content", _HASH, primary_key=True),
    sa.Column("result", _text(), nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("finished_at", _INSTANT, nullable=False),
)

walk_forward = sa.Table(
    "walk_forward",
    metadata,
    sa.Column("realm", _NAME, primary_key=True),
    sa.Column("as_of", sa.Date, primary_key=True),
    sa.Column("horizon", sa.Integer, primary_key=True),
    sa.Column("model", _NAME, primary_key=True),
    sa.Column("kind", _WORD, nullable=False),
    sa.Column("mean", sa.Double),
    sa.Column("lower", sa.Double),
    sa.Column("upper", sa.Double),
    sa.Column("days", sa.Integer, nullable=False),
    sa.Column("edge", sa.Double),
    sa.Column("edge_lower", sa.Double),
    sa.Column("edge_upper", sa.Double),
    sa.Column("rival", _NAME),
    sa.Column("recipe", _HASH),
    sa.Column("version", _WORD),
    sa.Column("model_content", _HASH),
)

# Of a desk of several markets: the same walk-forward, each market by itself.
walk_forward_markets = sa.Table(
    "walk_forward_markets",
    metadata,
    sa.Column("realm", _NAME, primary_key=True),
    sa.Column("as_of", sa.Date, primary_key=True),
    sa.Column("horizon", sa.Integer, primary_key=True),
    sa.Column("model", _NAME, primary_key=True),
    sa.Column("market", _NAME, primary_key=True),
    sa.Column("mean", sa.Double),
    sa.Column("lower", sa.Double),
    sa.Column("upper", sa.Double),
    sa.Column("days", sa.Integer, nullable=False),
)

# Every fit and every look at a score: what the best of many is worth hangs on how many there were.
trials = sa.Table(
    "trials",
    metadata,
    sa.Column("trial_id", _HASH, primary_key=True),
    sa.Column("realm", _NAME, nullable=False),
    sa.Column("kind", _WORD, nullable=False),
    sa.Column("name", _NAME, nullable=False),
    sa.Column("recipe", _HASH, nullable=False),
    sa.Column("horizon", sa.Integer, nullable=False),
    sa.Column("as_of", sa.Date, nullable=False),
    sa.Column("first_day", sa.Date, nullable=False),
    sa.Column("last_day", sa.Date, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    # Of one day, not annualised; null where nobody reckoned what its weights would have earned.
    sa.Column("sharpe", sa.Double),
    sa.Column("by", _NAME, nullable=False),
    sa.Column("tried_at", _INSTANT, nullable=False),
)

# Every time somebody scored on days that settings seal.
openings = sa.Table(
    "openings",
    metadata,
    sa.Column("opening_id", _HASH, primary_key=True),
    sa.Column("name", _NAME, nullable=False),
    sa.Column("horizon", sa.Integer, nullable=False),
    sa.Column("as_of", sa.Date, nullable=False),
    sa.Column("sealed_from", sa.Date, nullable=False),
    sa.Column("reason", _text(), nullable=False),
    sa.Column("by", _NAME, nullable=False),
    sa.Column("opened_at", _INSTANT, nullable=False),
)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("realm", _NAME, primary_key=True),
    sa.Column("as_of", sa.Date, primary_key=True),
    sa.Column("horizon", sa.Integer, primary_key=True),
    sa.Column("action", _WORD, nullable=False),
    sa.Column("model", _NAME),
    sa.Column("model_content", _HASH),
    sa.Column("version", _WORD),
    sa.Column("skill", _WORD),
    sa.Column("reasons", _text(), nullable=False),
    sa.Column("moves_alias", sa.Boolean, nullable=False),
    sa.Column("confirmed", sa.Boolean, nullable=False),
    sa.Column("decided_at", _INSTANT, nullable=False),
    # Of a decision made outside its night (by a retrain, a person, or approved late): the newest night begun by then.
    sa.Column("counts_after", sa.Date),
    # 0: the night's or the retrain's own; from 1 on those that a person made after it.
    sa.Column("number", sa.Integer, primary_key=True, server_default="0"),
)

approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("realm", _NAME, primary_key=True),
    sa.Column("as_of", sa.Date, primary_key=True),
    sa.Column("horizon", sa.Integer, primary_key=True),
    # What was asked about; null where somebody answered before the night had asked.
    sa.Column("action", _WORD),
    sa.Column("model", _NAME),
    sa.Column("model_content", _HASH),
    sa.Column("version", _WORD),
    sa.Column("skill", _WORD),
    sa.Column("reasons", _text()),
    sa.Column("asked_at", _INSTANT),
    # The answer; null while it is waited for.
    sa.Column("answer", _WORD),
    sa.Column("by", _NAME),
    sa.Column("note", _text()),
    sa.Column("answered_at", _INSTANT),
    # Approved late: the decision counts for nights after this one, which had begun with the former champion.
    sa.Column("begun", sa.Date),
)

forecasts = sa.Table(
    "forecasts",
    metadata,
    sa.Column("realm", _NAME, primary_key=True),
    sa.Column("as_of", sa.Date, primary_key=True),
    sa.Column("horizon", sa.Integer, primary_key=True),
    sa.Column("model", _NAME, primary_key=True),
    sa.Column(SYMBOL, _NAME, primary_key=True),
    sa.Column("score", sa.Double, nullable=False),
    sa.Column("served", sa.Boolean, nullable=False),
    sa.Column("model_content", _HASH, nullable=False),
    sqlite_with_rowid=False,
)

matured = sa.Table(
    "matured",
    metadata,
    sa.Column("realm", _NAME, primary_key=True),
    sa.Column("as_of", sa.Date, primary_key=True),
    sa.Column("horizon", sa.Integer, primary_key=True),
    sa.Column("model", _NAME, primary_key=True),
    sa.Column("served", sa.Boolean, nullable=False),
    sa.Column("exit_date", sa.Date, nullable=False),
    sa.Column("scored_on", sa.Date, nullable=False),
    sa.Column("rank_ic", sa.Double),
    sa.Column("symbols", sa.Integer, nullable=False),
    # Whose fit spoke (null for a baseline, which is no recipe's), and which one: evidence belongs to recipes.
    sa.Column("recipe", _HASH),
    sa.Column("model_content", _HASH),
    sa.Index("matured_by_recipe", "realm", "horizon", "recipe"),
)

# When a recipe's content was fixed: what a replay says of nights before that day is no evidence for it.
recipes = sa.Table(
    "recipes",
    metadata,
    sa.Column("recipe", _HASH, primary_key=True),
    sa.Column("model", _NAME, nullable=False),
    sa.Column("frozen_at", _INSTANT, nullable=False),
)

superiority_tests = sa.Table(
    "superiority_tests",
    metadata,
    sa.Column("realm", _NAME, primary_key=True),
    sa.Column("horizon", sa.Integer, primary_key=True),
    sa.Column("started", sa.Date, primary_key=True),
    sa.Column("challenger", _HASH, nullable=False),
    sa.Column("champion", _HASH, nullable=False),
    sa.Column("challenger_model", _NAME, nullable=False),
    sa.Column("champion_model", _NAME, nullable=False),
    sa.Column("alpha", sa.Double, nullable=False),
    sa.Column("outcome", _WORD, nullable=False),
    sa.Column("ended", sa.Date),
)

# Where each question of evidence stood on each night: may it replace, is skill proven, must it go back.
verdicts = sa.Table(
    "verdicts",
    metadata,
    sa.Column("realm", _NAME, primary_key=True),
    sa.Column("as_of", sa.Date, primary_key=True),
    sa.Column("horizon", sa.Integer, primary_key=True),
    sa.Column("kind", _WORD, primary_key=True),
    sa.Column("since", sa.Date, primary_key=True),
    sa.Column("recipe", _HASH, nullable=False),
    sa.Column("model", _NAME, nullable=False),
    sa.Column("against", _NAME),
    sa.Column("outcome", _WORD, nullable=False),
    sa.Column("e_value", sa.Double),
    sa.Column("highest", sa.Double),
    sa.Column("needed", sa.Double, nullable=False),
    sa.Column("nights", sa.Integer, nullable=False),
    sa.Column("pairs", sa.Integer),
    sa.Column("detectable", sa.Double),
    sa.Column("reasons", _text(), nullable=False),
)

# A matured night again, by the sector of the symbols and by the market's regime: what slices are made of.
matured_slices = sa.Table(
    "matured_slices",
    metadata,
    sa.Column("realm", _NAME, primary_key=True),
    sa.Column("as_of", sa.Date, primary_key=True),
    sa.Column("horizon", sa.Integer, primary_key=True),
    sa.Column("model", _NAME, primary_key=True),
    sa.Column("slicing", _WORD, primary_key=True),
    sa.Column("slice", _NAME, primary_key=True),
    sa.Column("rank_ic", sa.Double),
    sa.Column("symbols", sa.Integer, nullable=False),
)

drift = sa.Table(
    "drift",
    metadata,
    sa.Column("realm", _NAME, primary_key=True),
    sa.Column("as_of", sa.Date, primary_key=True),
    sa.Column("horizon", sa.Integer, primary_key=True),
    sa.Column("model", _NAME, nullable=False),
    sa.Column("model_content", _HASH, nullable=False),
    sa.Column("verdict", _WORD, nullable=False),
    sa.Column("features", sa.Integer, nullable=False),
    sa.Column("share", sa.Double),
    sa.Column("since", sa.Date),
    # JSON: each flagged feature with its figures, and the symbols that changed most.
    sa.Column("flagged", _text(), nullable=False),
    sa.Column("symbols", _text(), nullable=False),
    sa.Column("reason", _text(), nullable=False),
)

outcomes = sa.Table(
    "outcomes",
    metadata,
    sa.Column("realm", _NAME, primary_key=True),
    sa.Column("as_of", sa.Date, primary_key=True),
    sa.Column("horizon", sa.Integer, primary_key=True),
    sa.Column("model", _NAME, nullable=False),
    sa.Column("verdict", _WORD, nullable=False),
    sa.Column("nights", sa.Integer, nullable=False),
    sa.Column("promised", sa.Double),
    sa.Column("evidence", sa.Double),
    sa.Column("threshold", sa.Double),
    sa.Column("since", sa.Date),
    sa.Column("mean", sa.Double),
    sa.Column("lower", sa.Double),
    sa.Column("upper", sa.Double),
    sa.Column("reason", _text(), nullable=False),
)

# The paper book: a row a trading day of each line, as that day's night reckoned it.
paper_book = sa.Table(
    "paper_book",
    metadata,
    sa.Column("realm", _NAME, primary_key=True),
    sa.Column("horizon", sa.Integer, primary_key=True),
    sa.Column("line", _WORD, primary_key=True),
    sa.Column(DATE, sa.Date, primary_key=True),
    # The night whose decision was filled at this day's open; null where there was none.
    sa.Column("decided", sa.Date),
    # After this day's close; 1 at the close of the line's first decision.
    sa.Column("equity", sa.Double, nullable=False),
    sa.Column("gross", sa.Double, nullable=False),
    sa.Column("commission", sa.Double, nullable=False),
    sa.Column("spread", sa.Double, nullable=False),
    sa.Column("impact", sa.Double, nullable=False),
    sa.Column("net", sa.Double, nullable=False),
    sa.Column("benchmark", sa.Double),
    sa.Column("turnover", sa.Double, nullable=False),
    sa.Column("exposure", sa.Double, nullable=False),
    sa.Column("holdings", sa.Integer, nullable=False),
    # JSON: each symbol held after the close with its weight.
    sa.Column("positions", _text(), nullable=False),
)

# What the rule of the paper book's ranking would have made a day over a model's walk-forward.
book_expectations = sa.Table(
    "book_expectations",
    metadata,
    sa.Column("realm", _NAME, primary_key=True),
    sa.Column("as_of", sa.Date, primary_key=True),
    sa.Column("horizon", sa.Integer, primary_key=True),
    sa.Column("model", _NAME, primary_key=True),
    sa.Column("mean", sa.Double),
    sa.Column("standard_error", sa.Double),
    sa.Column("terms", sa.Integer, nullable=False),
    sa.Column("days", sa.Integer, nullable=False),
    sa.Column("first_day", sa.Date),
    sa.Column("last_day", sa.Date),
)

incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("key", _text(200), primary_key=True),
    sa.Column("occurrence", sa.Integer, primary_key=True),
    sa.Column("kind", _NAME, nullable=False),
    sa.Column("title", _text(), nullable=False),
    sa.Column("reason", _text(), nullable=False),
    sa.Column("cure", _text(), nullable=False),
    sa.Column("link", _text(), nullable=False),
    sa.Column("raised_at", _INSTANT, nullable=False),
    sa.Column("closed_at", _INSTANT),
    sa.Column("delivered_at", _INSTANT),
    sa.Column("delivered_to", _text(), nullable=False),
    sa.Column("tried_at", _INSTANT),
    sa.Column("attempts", sa.Integer, nullable=False),
)
