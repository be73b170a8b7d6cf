"""What the command line shows: progress, summaries and tables, as plain text that also reads well in a log."""

from __future__ import annotations

import datetime as dt
import logging
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl
from rich.console import Console
from rich.table import Table

from nightdesk.alerts import Incident, channels_of, deliver, message
from nightdesk.concealment import without_password
from nightdesk.errors import BadSetting, NightdeskError, NightDone, NothingThere, UnknownName
from nightdesk.home import Home
from nightdesk.operations.processes import Standing, disk
from nightdesk.promotion.approval import named
from nightdesk.publish.publication import PUBLISHED, latest
from nightdesk.settings import Settings, documented
from nightdesk.store.approvals import all_approvals
from nightdesk.store.database import open_store
from nightdesk.store.decisions import all_decisions, newest_walk_forward, serving_on
from nightdesk.store.incidents import all_incidents
from nightdesk.store.nights import history
from nightdesk.store.objects import objects

# Only types: a command that shows a table must not wait for everything that a night imports.
if TYPE_CHECKING:
    from flows.backfill import Backfilled
    from nightdesk.operations.approval import Approved
    from nightdesk.operations.cleanup import Cleaned
    from nightdesk.operations.doctor import Check
    from nightdesk.operations.summaries import NightSummary, RetrainSummary, Score

UNDEFINED = "undefined"


def console() -> Console:
    """Standard output; as wide as the terminal, and never folded where it is a file."""
    return Console(width=None if sys.stdout.isatty() else 140, highlight=False, markup=False)


def follow_progress(quiet: bool) -> None:
    """Show each stage on standard error as it ends; Prefect's own lines go to its records, not to the screen."""
    for prefect in (logging.getLogger(), logging.getLogger("prefect"), logging.getLogger("prefect._internal")):
        for own in prefect.handlers:
            own.setLevel(logging.CRITICAL)
    log = logging.getLogger("nightdesk")
    log.setLevel(logging.WARNING if quiet else logging.INFO)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    log.addHandler(handler)


def night_failed(state: Any) -> str:
    """One line for a night that did not complete: its error, and that the last good forecasts stand, marked stale."""
    error = state.result(raise_on_failure=False)
    if isinstance(error, NightDone):
        return str(error)
    what = f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else state.message
    return f"the night failed, and earlier forecasts, if any, are marked stale: {what}"


def run_failed(what: str, state: Any) -> str:
    """One line for a run that is no night and did not complete."""
    error = state.result(raise_on_failure=False)
    if isinstance(error, BaseException):
        return f"{what} failed: {type(error).__name__}: {error}"
    return f"{what} failed: {state.message}"


def show_summary(summary: NightSummary, settings: Settings, *, repeated: bool) -> None:
    """Show how a night ended; `repeated` where it had ended before, and nothing was run again."""
    out = console()
    if repeated:
        out.print(
            "This night was done before, so nothing was run again: its forecasts are logged and never change. "
            "To see what other settings or code would do: "
            f"nightdesk replay --from {summary.as_of} --to {summary.as_of} --realm NAME",
            soft_wrap=True,
        )
    out.print(f"\nNight of {summary.as_of} ({summary.realm}): {summary.status}{_because(summary.reasons)}")
    held = ", ".join(f"{reason} {count}" for reason, count in summary.quarantined) or "none"
    known = "" if summary.rows_in else " (the store had tonight's already)"
    out.print(f"Bars: {summary.rows_in:,} rows in, {summary.rows_new:,} new{known}; in quarantine so far: {held}")
    out.print(f"Training: {'yes' if summary.trained else 'no'}, {summary.training_reason}")
    for one in (*summary.inputs, *summary.outcomes):
        out.print(f"Drift: {one}", soft_wrap=True)
    for one in summary.approvals:
        out.print(f"Approval at {one}", soft_wrap=True)
    for one in summary.searches:
        out.print(f"Tuned: {one}", soft_wrap=True)
    for name in summary.failed_fits:
        out.print(f"  FAILED: {name} could not be fitted; see the Prefect run")
    if summary.scores:
        out.print(_score_table(summary.scores, summary.walk_forward_as_of))
    out.print(_table("Served", ("horizon", "model", "version", "since", "skill"), _serving_rows(summary.serving)))
    for line in summary.evidence:
        out.print(f"Evidence at {line}", soft_wrap=True)
    for market, horizon, symbols in summary.tops or [("", *one) for one in summary.top]:
        out.print(f"Top at {horizon} days{f' in {market}' if market else ''}: {' '.join(symbols)}")
    out.print(f"Forecasts logged: {summary.forecasts:,}; earlier ones scored tonight: {summary.matured}")
    out.print(f"Report:  {summary.report}", soft_wrap=True)
    look = "" if summary.tracking.startswith("http") else f" (mlflow ui --backend-store-uri {summary.tracking})"
    out.print(f"MLflow:  {summary.tracking}{look}", soft_wrap=True)
    out.print(f"Prefect: {_prefect(settings)}", soft_wrap=True)
    out.print("Research, not advice.")


def show_replay(summaries: Sequence[NightSummary]) -> None:
    """Show the nights of a replay, a row each."""
    rows = [
        (str(one.as_of), one.status, "yes" if one.trained else "no", _who(one), str(one.matured), f"{one.forecasts:,}")
        for one in summaries
    ]
    columns = ("night", "status", "trained", "served", "scored", "forecasts")
    from nightdesk.operations.night import CORRECTED

    realm = summaries[0].realm
    how = "corrected: newest versions of the days up to each night" if realm.endswith(CORRECTED) else "as was"
    console().print(_table(f"Replay in realm {realm!r}, {how}", columns, rows))
    console().print(f"Last report: {summaries[-1].report}", soft_wrap=True)


def show_retrain(summary: RetrainSummary | None, message: str) -> None:
    """Show what a retrain did, or that there was nothing to do."""
    out = console()
    out.print(message, soft_wrap=True)
    if summary is None:
        return
    for one in summary.searches:
        out.print(f"Tuned: {one}", soft_wrap=True)
    for name in summary.failed_fits:
        out.print(f"  FAILED: {name} could not be fitted; see the Prefect run")
    out.print(_score_table(summary.scores, summary.as_of))
    columns = ("horizon", "model", "version", "since", "skill")
    out.print(_table("Served from the next night on", columns, _serving_rows(summary.serving)))


def show_backfill(filled: Backfilled) -> None:
    """Show which nights were run, had been done, or failed."""
    out = console()
    rows = [(str(day), "run", "") for day in filled.run]
    rows += [(str(day), "done before", "") for day in filled.done_before]
    rows += [(str(day), "FAILED", reason) for day, reason in filled.failed]
    out.print(_table("Backfill", ("night", "outcome", "reason"), sorted(rows)))


def show_cleaned(cleaned: Cleaned) -> None:
    """Show what a clean-up removed, and what stays and why."""
    rows = [(one.what, one.fate, one.why) for one in cleaned.items]
    console().print(_table("Clean-up", ("what", "fate", "why"), rows))


def show_prediction(settings: Settings, realm: str, symbol: str) -> None:
    """Show one symbol's rank at each horizon. Raises NothingThere before the first night, UnknownName for no symbol."""
    newest = latest(Home(settings.home).published, realm)
    ranking = newest.ranking()
    rows = ranking.filter(pl.col("symbol") == symbol)
    if rows.is_empty():
        raise UnknownName.among("symbol", symbol, ranking["symbol"].unique())
    served = {one.horizon: one for one in serving_on(_engine(settings), realm, newest.as_of)}
    among, close = ranking, f"the close of {newest.as_of}"
    if "market" in ranking.columns:
        market, day, currency = rows.select("market", "bar_date", "currency").row(0)
        among = ranking.filter(market=market)
        close = f"the close of {day} in {market} ({currency}), night of {newest.as_of}"
    counts = dict(among.group_by("horizon").len().iter_rows())
    out = console()
    stale = "" if newest.status == PUBLISHED else f"  STALE: {newest.reason}"
    out.print(f"{symbol} as of {close}{stale}", soft_wrap=True)
    table = [
        (
            str(row["horizon"]),
            f"{row['rank']} of {counts[row['horizon']]}",
            f"{row['percentile']:.0%}",
            f"{row['score']:+.4f}",
            f"{row['close']:,.2f}",
            row["model"],
            served[row["horizon"]].skill,
        )
        for row in rows.iter_rows(named=True)
    ]
    out.print(_table(None, ("horizon", "rank", "percentile", "score", "close", "model", "skill"), table))
    out.print("A score ranks symbols; it is no return and no probability. Research, not advice.")


def show_models(settings: Settings, realm: str) -> None:
    """Show who is served, and the newest walk-forward results of models and baselines."""
    from flows.show_evidence import show_verdicts
    from nightdesk.operations.summaries import Score

    engine, today = _engine(settings), dt.date.max
    serving = serving_on(engine, realm, today)
    if not serving:
        raise NothingThere(f"no model is served in realm {realm!r}: run nightdesk nightly")
    walked = newest_walk_forward(engine, realm, today)
    shown = walked.select("horizon", "model", "kind", "mean", "lower", "upper", "days", "edge_lower")
    out = console()
    out.print(_table("Served", ("horizon", "model", "version", "since", "skill"), _serving_rows(serving)))
    out.print(_score_table([Score(**row) for row in shown.iter_rows(named=True)], max(walked["as_of"].to_list())))
    show_verdicts(engine, realm, today)


def show_history(settings: Settings, realm: str, on: dt.date | None) -> None:
    """Show nights and decisions of a realm; on a date, who was served then."""
    from flows.show_evidence import show_verdicts, show_why

    engine, out = _engine(settings), console()
    if on is not None:
        serving = serving_on(engine, realm, on)
        if not serving:
            raise NothingThere(f"no model was served on {on} in realm {realm!r}: see nightdesk history")
        columns = ("horizon", "model", "version", "since", "skill")
        out.print(_table(f"Served on {on}", columns, _serving_rows(serving)))
        show_why(engine, realm, on)
        return
    nights = history(engine, realm)
    if nights.is_empty():
        raise NothingThere(f"no night has run in realm {realm!r}: run nightdesk nightly")
    rows = [
        (str(row["as_of"]), row["kind"], row["status"], f"{row['started_at']:%Y-%m-%d %H:%M:%S}", row["reason"] or "")
        for row in nights.iter_rows(named=True)
    ]
    out.print(_table("Nights", ("as of", "kind", "status", "started (UTC)", "reason"), rows))
    made = [
        (
            str(row["as_of"]),
            str(row["horizon"]),
            row["action"],
            _model(row),
            row["reasons"],
        )
        for row in all_decisions(engine, realm).iter_rows(named=True)
    ]
    out.print(_table("Decisions", ("as of", "horizon", "action", "model", "reasons"), made))
    asked = [
        (str(row["as_of"]), str(row["horizon"]), f"{row['action'] or ''} {_model(row)}".strip(), *_answer(row))
        for row in all_approvals(engine, realm).iter_rows(named=True)
    ]
    if asked:
        out.print(_table("Approvals", ("as of", "horizon", "asked about", "answer", "by", "note"), asked))
    show_verdicts(engine, realm, dt.date.max)


def show_approved(done: Approved, as_of: dt.date) -> None:
    """Show what an answer to the promotions of a night did."""
    out = console()
    for one in done.carried_out:
        out.print(f"{one.horizon} days: {named(one)} is carried out; it serves from the next night on", soft_wrap=True)
    for horizon in done.recorded:
        out.print(
            f"{horizon} days: stored; the night of {as_of} acts on it, at once where it waits now, else when it is "
            f"started (nightdesk nightly --as-of {as_of})",
            soft_wrap=True,
        )
    if not done.carried_out and not done.recorded:
        out.print("stored; the champion stays")


def show_status(settings: Settings, stands: Sequence[Standing | str]) -> bool:
    """Show how each server stands, and the disk that the home uses; returns whether all of them are well."""
    rows, well = [], True
    for one in stands:
        if isinstance(one, str):
            rows.append((one, "DOWN", "never started", "", "", ""))
            well = False
            continue
        state = "up" if one.healthy else "does not answer" if one.alive else "DOWN"
        well = well and one.healthy
        since = f"{one.since:%Y-%m-%d %H:%M:%S}" if one.alive else f"was started {one.since:%Y-%m-%d %H:%M:%S}"
        memory = f"{one.memory / 2**20:,.0f} MiB" if one.alive else ""
        rows.append((one.record.name, state, since, str(one.record.pid), one.record.url or "", memory))
    out = console()
    out.print(_table("Servers", ("server", "state", "since (UTC)", "pid", "where", "memory"), rows))
    used = [(name, f"{size / 2**20:,.1f} MiB") for name, size in disk(settings.home).items()]
    out.print(_table(f"Disk of {settings.home}", ("what", "size"), used))
    out.print(f"Free: {shutil.disk_usage(settings.home).free / 2**30:,.1f} GiB")
    if settings.store.features is not None:
        out.print(_bucket(settings.store.features), soft_wrap=True)
    return well


def _bucket(prefix: str) -> str:
    """How much of a bucket the features take; where it does not answer, why."""
    try:
        found = list(objects(f"{prefix}/"))
    except NightdeskError as error:
        return f"Features in {prefix}: {error}"
    return f"Features in {prefix}: {len(found):,} objects, {sum(one.size for one in found) / 2**20:,.1f} MiB"


def show_settings(settings: Settings) -> None:
    """Show every setting with its environment variable, value and meaning."""
    console().print(_table("Settings", ("setting", "variable", "now", "meaning"), documented(settings)))


def show_checks(checks: Sequence[Check]) -> None:
    """Show what the doctor found, a line each."""
    for check in checks:
        console().print(f"{'ok  ' if check.sound else 'FAIL'}  {check.name}: {check.finding}", soft_wrap=True)


def show_incidents(settings: Settings) -> None:
    """Show every incident, the newest last: whether it is over, and whether it reached every channel."""
    rows = [
        (
            f"{row['raised_at']:%Y-%m-%d %H:%M:%S}",
            row["key"] if row["occurrence"] == 1 else f"{row['key']} (no. {row['occurrence']})",
            "open" if row["closed_at"] is None else "over",
            f"waits, tries: {row['attempts']}" if row["delivered_at"] is None else "delivered",
            row["title"],
        )
        for row in all_incidents(_engine(settings)).iter_rows(named=True)
    ]
    out = console()
    if not rows:
        out.print("No incident so far.")
        return
    out.print(_table("Incidents", ("raised (UTC)", "key", "state", "message", "title"), rows))


def show_channel_test(settings: Settings) -> bool:
    """Send a test message over each channel, and show which took it; returns whether all did.

    Raises BadSetting where no channel is set.
    """
    channels = channels_of(settings.alerts.urls)
    if not channels:
        raise BadSetting("a test needs a channel, got none: set alerts.urls, for example to ['json://127.0.0.1:8000']")
    test = Incident("test", "test", "A test", "somebody asked for it", "nothing", Home(settings.home).root.as_uri())
    took = deliver(channels, *message(test), settings.alerts.timeout_seconds)
    for one in channels:
        console().print(f"{'ok  ' if one.mark in took else 'FAIL'}  {one.mark}")
    return all(one.mark in took for one in channels)


def _score_table(scores: Sequence[Score], as_of: dt.date | None) -> Table:
    rows = [
        (
            str(one.horizon),
            one.model,
            one.kind,
            UNDEFINED if one.mean is None else f"{one.mean:+.4f}",
            "" if one.lower is None or one.upper is None else f"{one.lower:+.4f} to {one.upper:+.4f}",
            str(one.days),
            "" if one.edge_lower is None else ("yes" if one.edge_lower > 0 else "no"),
        )
        for one in scores
    ]
    title = f"Rank IC in the walk-forward of {as_of}, with 95 % interval"
    return _table(title, ("horizon", "model", "kind", "rank IC", "interval", "days", "beats baselines"), rows)


def _table(title: str | None, columns: Iterable[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(*columns, title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    return table


def _serving_rows(serving: Iterable[Any]) -> list[tuple[str, ...]]:
    return [(str(one.horizon), one.model, one.version, str(one.since), one.skill) for one in serving]


def _who(summary: NightSummary) -> str:
    return ", ".join(f"{one.model} v{one.version} at {one.horizon}" for one in summary.serving)


def _model(row: dict[str, Any]) -> str:
    return "" if row["model"] is None else f"{row['model']} v{row['version']}"


def _answer(row: dict[str, Any]) -> tuple[str, str, str]:
    late = "" if row["begun"] is None else f" late: serves after {row['begun']}"
    return f"{row['answer'] or 'waits'}{late}", row["by"] or "", row["note"] or ""


def _because(reasons: Sequence[str]) -> str:
    return f" ({'; '.join(reasons)})" if reasons else ""


def _engine(settings: Settings) -> Any:
    return open_store(settings.store.url or Home(settings.home).store_url)


def _prefect(settings: Settings) -> str:
    from prefect.settings import get_current_settings

    current = get_current_settings()
    if current.api.url:
        return without_password(current.api.url)
    quiet = f"PREFECT_SERVER_ANALYTICS_ENABLED=false PREFECT_HOME={Home(settings.home).prefect}"
    return f"no server; to see its records: {quiet} prefect server start"
