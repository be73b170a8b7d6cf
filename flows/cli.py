"""The command line `nightdesk`: nights, replays and upkeep; what they left, shown; settings and the doctor."""

from __future__ import annotations

import datetime as dt
import os
import shlex
import sys
from getpass import getuser
from pathlib import Path
from typing import Annotated, Literal, NoReturn, cast

import httpx
import typer

from flows.secret_blocks import with_secrets
from nightdesk.concealment import conceal_error, conceal_logs, concealed, without_password
from nightdesk.disk import check_writable, on_disk, refused
from nightdesk.errors import BadDate, BadSetting, NightdeskError, NightLocked, ServerTrouble, TransientError
from nightdesk.home import Home
from nightdesk.operations.environment import prepare_environment, stop_orphaned_servers
from nightdesk.settings import Settings, read_settings

FAILED, USAGE, NOT_ALL_UP, BUSY = 1, 2, 3, 75
"""Exit codes: a night or check failed; what was given breaks a rule; a server is down; try again later."""

ISO, SHOWN = "%Y-%m-%d", "YYYY-MM-DD"

# Typer's own root of all errors of usage, which it exports only by its leaves.
WrongUsage: type[Exception] = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="nightdesk",
    help="The overnight desk for market machine learning: honest forecasts, every night.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Train = Literal["auto", "always", "never"]


def main() -> None:
    """Run the command line; what goes wrong is one line on standard error and an exit code that is not zero."""
    try:
        arguments = sys.argv[1:] or ["--help"]
        code = app(args=arguments, prog_name="nightdesk", standalone_mode=False)
    except WrongUsage as error:
        message: str = error.format_message()  # type: ignore[attr-defined]
        _fail(" ".join(message.replace("Value error, ", "").replace(ISO, SHOWN).split()), USAGE)
    except (typer.Abort, KeyboardInterrupt):
        _fail("stopped by hand", FAILED)
    except NightdeskError as error:
        later = isinstance(error, TransientError | NightLocked)
        _fail(str(error), BUSY if later else USAGE)
    except httpx.HTTPError as error:
        conceal_error(error)
        _fail_without_server(error)
    except OSError as error:
        conceal_error(error)
        if (trouble := refused(error, "the home folder")) is None:
            raise
        _fail(str(trouble), BUSY)
    except Exception as error:
        conceal_error(error)
        raise
    # Prefect's threads may outlive the last flow; the exit code is decided, so nothing waits for them.
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> NoReturn:
    print(f"nightdesk: {concealed(message)}", file=sys.stderr)
    sys.exit(code)


def _fail_without_server(error: httpx.HTTPError) -> NoReturn:
    """Say that the Prefect server went away under a run, or took no more, and what made the run fail, if it did."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, NightdeskError):
        found = found.__cause__ or found.__context__
    ours = "" if found is None else f"{type(found).__name__}: {found}; and "
    answer = (
        f"status {error.response.status_code}" if isinstance(error, httpx.HTTPStatusError) else type(error).__name__
    )
    print(
        f"nightdesk: {concealed(ours)}the Prefect server must answer until a run has ended, got {answer}: what was "
        "done stands (nightdesk history); see that it runs and its disk has room, then start this again",
        file=sys.stderr,
    )
    if "PREFECT_API_URL" in os.environ:
        sys.stdout.flush()
        sys.stderr.flush()
        # Prefect would first try for minutes to hand over, one by one, the events that nobody takes.
        os._exit(BUSY)
    sys.exit(BUSY)


def _prepare(*, secrets: bool = True) -> Settings:
    """Settings and environment of a command; without `secrets`, blocks of Prefect's stay named, and nobody is asked."""
    settings = read_settings()
    conceal_logs()
    home = Home(settings.home)
    try:
        with on_disk(home.root):
            prepare_environment(home)
    except OSError as error:
        raise BadSetting(f"home must be a folder that can be made, got {home.root}: {error.strerror}") from None
    stop_orphaned_servers(home)
    return with_secrets(settings) if secrets else settings


def _check_server() -> None:
    """Raise ServerTrouble where the Prefect server which the environment names does not answer."""
    url = os.environ.get("PREFECT_API_URL")
    if url is None:
        return
    try:
        httpx.get(f"{url}/health", timeout=10).raise_for_status()
    except httpx.HTTPError as error:
        raise ServerTrouble(
            f"PREFECT_API_URL must name a running Prefect server, got {without_password(url)} ({error}): start it, or "
            "unset it"
        ) from None


@app.command()
def nightly(
    as_of: Annotated[
        dt.datetime | None,
        typer.Option(formats=[ISO], metavar=SHOWN, help="Trading day to decide on; the newest known if left out."),
    ] = None,
    train: Annotated[Train, typer.Option(help="auto: when due; always; never.")] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress, only the summary.")] = False,
) -> None:
    """Run one night: ingest, check, features, training where due, forecasts, report."""
    settings = _prepare()
    from flows.alerts import look_around, told_if_failed
    from flows.nightly import REPEATED, SKIPPED, SUMMARY, NightParameters
    from flows.nightly import nightly as flow
    from flows.show import follow_progress, night_failed, show_summary
    from nightdesk.operations.night import LIVE, closed_today, plan_night
    from nightdesk.store.nights import done_summary, held
    from tasks.reporting import NightSummary

    asked = None if as_of is None else as_of.date()
    # Planned here first, so that a wrong date, a night that runs already, or a full disk is one line before any server
    # is started.
    with told_if_failed(settings, LIVE, asked, in_run=False):
        check_writable(settings.home)
        planned = plan_night(settings, LIVE, asked, train, dt.datetime.now(dt.UTC))
        with held(planned.engine, planned.home.locks, LIVE, planned.as_of):
            done = done_summary(planned.engine, LIVE, planned.as_of)
    if done is not None and train != "always":
        look_around(planned)
        closed = closed_today(planned, dt.datetime.now(dt.UTC)) if asked is None else None
        if closed is not None:
            print(f"{closed}, which is done.")
        show_summary(SUMMARY.validate_json(done), settings, repeated=True)
        return
    with told_if_failed(settings, LIVE, asked, in_run=False):
        _check_server()
    follow_progress(quiet)
    state = flow(NightParameters(as_of=asked, train=train), return_state=True)
    if state.name == SKIPPED:
        _fail(state.message or "", BUSY)
    if not state.is_completed():
        _fail(night_failed(state), FAILED)
    show_summary(cast(NightSummary, state.result()), settings, repeated=state.name == REPEATED)


@app.command()
def replay(
    first: Annotated[dt.datetime, typer.Option("--from", formats=[ISO], metavar=SHOWN, help="First date.")],
    last: Annotated[dt.datetime, typer.Option("--to", formats=[ISO], metavar=SHOWN, help="Last date, included.")],
    realm: Annotated[
        str, typer.Option(help="Where the replay lives; carried on where it has nights already.")
    ] = "replay",
    corrected: Annotated[
        bool,
        typer.Option("--corrected", help="With what was put right since; the realm's name then ends in -corrected."),
    ] = False,
    unseal: Annotated[
        str | None, typer.Option(metavar="REASON", help="Replay sealed days too; the reason is logged and reported.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress, only the summary.")] = False,
) -> None:
    """Run past nights again, each with only what was known then, in a realm of their own."""
    settings = _prepare()
    from pydantic import ValidationError

    from flows.replay import LONGEST_REASON, ReplayParameters, nights_to_replay
    from flows.replay import replay as flow
    from flows.show import follow_progress, night_failed, show_replay
    from nightdesk.errors import BadInput

    try:
        parameters = ReplayParameters(
            first=first.date(), last=last.date(), realm=realm, corrected=corrected, unseal=unseal
        )
    except ValidationError:
        if unseal is not None and len(unseal) > LONGEST_REASON:
            raise BadInput(
                f"--unseal must be a reason of at most {LONGEST_REASON} characters, got {len(unseal)}: say it shorter"
            ) from None
        raise BadInput(
            f"a realm's name is 1 to 32 lowercase letters, digits and dashes, got {realm!r}: choose another"
        ) from None
    nights_to_replay(settings, parameters, dt.datetime.now(dt.UTC))
    _check_server()
    follow_progress(quiet)
    state = flow(parameters, return_state=True)
    if not state.is_completed():
        _fail(night_failed(state), FAILED)
    show_replay(state.result())


@app.command()
def predict(
    symbol: Annotated[str, typer.Argument(help="Symbol, for example AAPL.")],
    realm: Annotated[str, typer.Option(help="live, or the name of a replay.")] = "live",
) -> None:
    """Show the last published forecasts of one symbol, and how far to trust them."""
    settings = _prepare()
    from flows.show import show_prediction

    show_prediction(settings, realm, symbol.upper())


models_app = typer.Typer(rich_markup_mode=None)
app.add_typer(models_app, name="models")


@models_app.callback(invoke_without_command=True)
def models(
    context: typer.Context, realm: Annotated[str, typer.Option(help="live, or the name of a replay.")] = "live"
) -> None:
    """List who is served at each horizon, and the newest fits beside them; verify tries them."""
    if context.invoked_subcommand is not None:
        context.obj = realm
        return
    settings = _prepare()
    from flows.show import show_models

    show_models(settings, realm)


@models_app.command()
def verify(
    context: typer.Context,
    realm: Annotated[str | None, typer.Option(help="live, or the name of a replay.", show_default="live")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every version that a night registered.")] = False,
) -> None:
    """Load each model that serves or speaks in shadow and let it score; exit code 1 where one cannot."""
    settings = _prepare()
    from flows.show_verified import show_verified
    from nightdesk.operations.verifying import verify_models

    now = dt.datetime.now(dt.UTC)
    if not show_verified(verify_models(settings, realm or context.obj, now, everything=everything)):
        sys.exit(FAILED)


@app.command()
def history(
    realm: Annotated[str, typer.Option(help="live, or the name of a replay.")] = "live",
    on: Annotated[
        dt.datetime | None, typer.Option(formats=[ISO], metavar=SHOWN, help="Who was served on this date.")
    ] = None,
) -> None:
    """List nights and decisions; with --on, who was served on a date, and why."""
    settings = _prepare()
    from flows.show import show_history

    if on is not None and on.date() > dt.datetime.now(dt.UTC).date():
        raise BadDate(f"--on must not lie in the future, got {on.date()}: choose today or earlier")
    show_history(settings, realm, None if on is None else on.date())


@app.command()
def settings() -> None:
    """List every setting: its name, environment variable, value now, and meaning."""
    current = _prepare(secrets=False)
    from flows.show import show_settings

    show_settings(current)


@app.command()
def doctor() -> None:
    """Check whether this machine can run a night; exit code 1 where it cannot."""
    current = _prepare()
    from flows.alerts import send
    from flows.show import show_checks
    from nightdesk.operations.doctor import examine

    send(current, dt.datetime.now(dt.UTC))
    checks = examine(current, dt.datetime.now(dt.UTC))
    show_checks(checks)
    if not all(check.sound for check in checks):
        sys.exit(FAILED)


@app.command()
def train(
    as_of: Annotated[
        dt.datetime | None,
        typer.Option(formats=[ISO], metavar=SHOWN, help="Trading day to learn up to; the newest known if left out."),
    ] = None,
    realm: Annotated[str, typer.Option(help="live, or the name of a replay.")] = "live",
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress, only the summary.")] = False,
) -> None:
    """Fit every recipe on the newest data and refresh the served one; nothing is forecast."""
    settings = _prepare()
    from flows.nightly import SKIPPED
    from flows.retrain import RetrainParameters
    from flows.retrain import retrain as flow
    from flows.show import follow_progress, run_failed, show_retrain
    from nightdesk.operations.night import plan_night
    from tasks.reporting import RetrainSummary

    asked = None if as_of is None else as_of.date()
    plan_night(settings, realm, asked, "always", dt.datetime.now(dt.UTC))
    _check_server()
    follow_progress(quiet)
    state = flow(RetrainParameters(as_of=asked, realm=realm, reason="asked for at the command line"), return_state=True)
    if state.name == SKIPPED:
        _fail(state.message or "", BUSY)
    if not state.is_completed():
        _fail(run_failed("the retrain", state), FAILED)
    show_retrain(cast(RetrainSummary | None, state.result()), state.message or "")


@app.command()
def backfill(
    first: Annotated[dt.datetime, typer.Option("--from", formats=[ISO], metavar=SHOWN, help="First date.")],
    last: Annotated[dt.datetime, typer.Option("--to", formats=[ISO], metavar=SHOWN, help="Last date, included.")],
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Go on with the next night where one fails.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress, only the summary.")] = False,
) -> None:
    """Run the nights of a range that were missed; those that are done are passed over."""
    settings = _prepare()
    from flows.backfill import BackfillParameters, nights_to_fill
    from flows.backfill import backfill as flow
    from flows.show import follow_progress, run_failed, show_backfill

    parameters = BackfillParameters(first=first.date(), last=last.date(), keep_going=keep_going)
    nights_to_fill(settings, parameters)
    _check_server()
    follow_progress(quiet)
    state = flow(parameters, return_state=True)
    if not state.is_completed():
        _fail(run_failed("the backfill", state), FAILED)
    filled = state.result()
    show_backfill(filled)
    if filled.failed:
        sys.exit(FAILED)


@app.command()
def cleanup(
    keep: Annotated[int, typer.Option(min=1, help="How many of the newest versions of each model stay.")] = 10,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> None:
    """Remove old model versions with their files; never one that is served, named by a decision, or the best."""
    settings = _prepare()
    from flows.show import show_cleaned
    from nightdesk.operations.cleanup import clean_up

    show_cleaned(clean_up(settings, keep, dry_run=dry_run))


@app.command()
def up() -> None:
    """Start the desk on this machine: Prefect's server and worker, MLflow's server, and the deployments."""
    settings = _prepare(secrets=False)
    from flows.servers import exports, exposed
    from flows.servers import up as start_desk

    if warning := exposed(settings):
        print(f"nightdesk: WARNING: {warning}", file=sys.stderr)
    for what, record in start_desk(settings):
        print(f"{record.name}: {what}{f', {record.url}' if record.url else ''} (pid {record.pid}, log {record.log})")
    print("To use these servers from a shell:")
    for name, value in exports(settings).items():
        print(f"export {name}={shlex.quote(value)}")


@app.command()
def down() -> None:
    """Stop the desk: every process that `nightdesk up` started and all they started, after a crash too."""
    settings = _prepare(secrets=False)
    from flows.servers import down as stop_desk

    stopped = stop_desk(settings)
    for line in stopped:
        print(f"stopped {line}")
    if not stopped:
        print("nothing was running")


@app.command()
def status(
    exports: Annotated[bool, typer.Option("--exports", help="Only print what a shell must set, for eval.")] = False,
) -> None:
    """Show what of the desk runs, since when, where and how well, and the disk it uses; exit code 3 unless all run."""
    settings = _prepare(secrets=False)
    from flows.servers import exports as variables
    from flows.servers import stands
    from flows.show import show_status

    if exports:
        print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables(settings).items()))
        return
    if not show_status(settings, stands(settings)):
        sys.exit(NOT_ALL_UP)


@app.command()
def deploy() -> None:
    """Bring queues, deployments and automations to the Prefect server of PREFECT_API_URL; again is no harm."""
    settings = _prepare()
    api = os.environ.get("PREFECT_API_URL")
    if api is None:
        raise BadSetting("deployments live on a Prefect server, got none: set PREFECT_API_URL, or run nightdesk up")
    _check_server()
    from flows.servers import deploy as bring

    bring(settings, api)
    print(f"deployments and automations are on {api}")


@app.command()
def move(
    to: Annotated[str, typer.Option(help="Empty database: postgresql+psycopg://user@host/name.")],
    tracking: Annotated[
        str | None, typer.Option(help="Another empty database, to which MLflow's own moves; it stays if left out.")
    ] = None,
) -> None:
    """Move the store, and MLflow's database if asked for, from SQLite to PostgreSQL; files stay where they are."""
    current = _prepare()
    from nightdesk.operations.move import move as carry_over

    moved = carry_over(current, to, tracking)
    for what, tables in (("store", moved.store), ("tracking", moved.tracking)):
        if tables:
            print(f"{what}: {sum(tables.values()):,} rows of {len(tables)} tables copied and compared")
    print("\nWhat was there is untouched. Set from now on (with the password where *** stands), then check:\n")
    for name, value in moved.settings:
        print(f"export {name}='{value}'")
    print("nightdesk doctor")


@app.command()
def approve(
    as_of: Annotated[dt.datetime, typer.Option(formats=[ISO], metavar=SHOWN, help="Night whose promotion is meant.")],
    by: Annotated[str, typer.Option(metavar="NAME", help="Who answers; stored with the answer.")],
    refuse: Annotated[bool, typer.Option("--refuse", help="Refuse: the champion stays.")] = False,
    note: Annotated[str, typer.Option(help="Why, for whoever reads the history.")] = "",
) -> None:
    """Approve, or refuse, the promotion of a night that waits for it or went on without it."""
    current = _prepare()
    from flows.show import show_approved
    from nightdesk.errors import BadInput
    from nightdesk.operations.approval import approve as answer
    from nightdesk.operations.night import LIVE, plan_night
    from nightdesk.store.approvals import APPROVED, REFUSED, Reply

    name = by.strip()
    if not 0 < len(name) <= 64:
        raise BadInput(f"--by must be a name of 1 to 64 characters, got {by!r}: give yours")
    now = dt.datetime.now(dt.UTC)
    night = plan_night(current, LIVE, as_of.date(), "auto", now)
    show_approved(answer(night, Reply(REFUSED if refuse else APPROVED, name, note.strip()), now), night.as_of)


Realm = Annotated[str, typer.Option(help="live, or the name of a replay.")]
Horizon = Annotated[int, typer.Option(metavar="DAYS", help="Horizon at which the served model is meant.")]
Who = Annotated[str, typer.Option("--by", metavar="NAME", help="Who decides; stored with the decision.")]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for whoever reads the history.")]


@app.command()
def rollback(
    horizon: Horizon,
    by: Who,
    reason: Why,
    realm: Realm = "live",
    undo: Annotated[bool, typer.Option("--undo", help="Take the newest rollback back instead.")] = False,
) -> None:
    """Serve the former champion again from the next night on, or undo that."""
    current = _prepare()
    from flows.show_evidence import show_decided
    from nightdesk.operations.by_hand import Order, roll_back
    from nightdesk.operations.by_hand import undo as take_back

    act = take_back if undo else roll_back
    show_decided(act(current, Order(realm, horizon, by, reason), dt.datetime.now(dt.UTC)))


@app.command()
def replace(
    recipe: Annotated[str, typer.Option(metavar="NAME", help="Recipe whose newest fit shall serve.")],
    horizon: Horizon,
    by: Who,
    reason: Why,
    realm: Realm = "live",
) -> None:
    """Serve another recipe's newest fit from the next night on, by hand; skill stays what the evidence says."""
    current = _prepare()
    from flows.show_evidence import show_decided
    from nightdesk.operations.by_hand import Order, replace_by_hand

    show_decided(replace_by_hand(current, Order(realm, horizon, by, reason), recipe, dt.datetime.now(dt.UTC)))


@app.command()
def alerts(
    test: Annotated[
        bool, typer.Option("--test", help="Send a test message over every channel, each by itself.")
    ] = False,
    register: Annotated[
        bool, typer.Option("--register", help="Bring automations and channels to the server of PREFECT_API_URL.")
    ] = False,
) -> None:
    """List incidents; with --test, try every channel; with --register, let a Prefect server tell."""
    current = _prepare()
    from flows.show import show_channel_test, show_incidents

    if register:
        _check_server()
        from flows.automations import register_automations

        for line in register_automations(current):
            print(line)
    if test and not show_channel_test(current):
        sys.exit(FAILED)
    if not (test or register):
        show_incidents(current)


@app.command()
def quality(
    as_of: Annotated[
        dt.datetime | None,
        typer.Option(formats=[ISO], metavar=SHOWN, help="As known on this trading day; the newest known if left out."),
    ] = None,
) -> None:
    """Check all bars as they were known on a day, show what is odd, and write a page a table."""
    current = _prepare()
    from flows.show_quality import show_quality
    from nightdesk.operations.night import LIVE, plan_night

    show_quality(plan_night(current, LIVE, None if as_of is None else as_of.date(), "never", dt.datetime.now(dt.UTC)))


@app.command()
def drift(
    as_of: Annotated[
        dt.datetime | None,
        typer.Option(formats=[ISO], metavar=SHOWN, help="Night that judged it; the newest that did if left out."),
    ] = None,
    realm: Annotated[str, typer.Option(help="live, or the name of a replay.")] = "live",
) -> None:
    """Show whether the served models' inputs drifted, since when and where, and whether they keep their promise."""
    current = _prepare()
    from flows.show_drift import show_drift

    show_drift(current, realm, None if as_of is None else as_of.date())


@app.command()
def ingest(
    table: Annotated[Literal["membership", "fundamentals", "factors"], typer.Argument(help="What the file holds.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="CSV or Parquet, also in gzip or alone in a zip.")],
    index: Annotated[str | None, typer.Option(metavar="NAME", help="Index whose members these are.")] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Rows that were not there count as known by rule, though this comes late.")
    ] = False,
    date_format: Annotated[str | None, typer.Option(help="How dates are written, as strptime has it.")] = None,
    separator: Annotated[str | None, typer.Option(help="Between the cells of a CSV line: , ; | or tab.")] = None,
    decimal: Annotated[str | None, typer.Option(help="Decimal sign: . or ,")] = None,
    thousands: Annotated[str | None, typer.Option(help="Thousands separator; none: refused.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of CSV text: latin-1, utf-16.")] = None,
) -> None:
    """Load a file of your own into a table beside the bars; the same file again adds nothing."""
    current = _prepare()
    from nightdesk.operations.ingest import Load
    from nightdesk.operations.ingest import ingest as load
    from nightdesk.sources.cell_form import cell_form

    form = cell_form(
        date_format=date_format,
        separator="\t" if separator == "tab" else separator,
        decimal=decimal,
        thousands=thousands,
        encoding=encoding,
    )
    done = load(current, table, Load(path.expanduser(), form, index, history), dt.datetime.now(dt.UTC))
    added = done.added
    print(
        f"{table} of {done.source} from {path.name}: {added.rows_in:,} rows in, {added.new:,} new, "
        f"{added.restated:,} restated; new ones known by {'rule' if done.basis == 'rule' else 'rule or arrival'}"
    )


@app.command()
def features(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Feature to describe; all are listed if left out.")
    ] = None,
    symbol: Annotated[str | None, typer.Option(metavar="SYMBOL", help="Draw the feature of this symbol.")] = None,
    catalogue: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the catalogue page there.")] = None,
    picture: Annotated[
        str | None, typer.Option(metavar="KIND", help="Draw all chosen features: clusters, missing or stability.")
    ] = None,
) -> None:
    """List the features that can be built, describe one, or draw it for a symbol or all of them together."""
    current = _prepare()
    from flows.show_features import show_feature, show_features, show_picture, show_study, write_catalogue
    from nightdesk.errors import BadInput

    if symbol is not None and name is None:
        raise BadInput(f"--symbol draws one feature, got {symbol} and no feature: name it before --symbol")
    if picture is not None and name is not None:
        raise BadInput(f"--picture draws all chosen features, got {name} too: leave it out, or draw it by --symbol")
    if catalogue is not None:
        write_catalogue(catalogue)
    elif picture is not None:
        show_study(current, picture)
    elif name is None:
        show_features(current)
    elif symbol is None:
        show_feature(name)
    else:
        show_picture(current, name, symbol.upper())


@app.command()
def audit(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Features; all that are registered if left out.")
    ] = None,
    module: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Your own Python file: its features and lists of steps instead.")
    ] = None,
) -> None:
    """Look for look-ahead in features, or in a pipeline of your own; exit code 1 where something leaks."""
    _prepare(secrets=False)
    from flows.show_audit import show_audit
    from nightdesk.errors import BadInput
    from nightdesk.operations.audit import audit_module, audit_registered

    if module is not None and names:
        raise BadInput(f"--module audits all of its file, got {', '.join(names)} too: leave out the one or the other")
    if not show_audit(audit_registered(names or []) if module is None else audit_module(module)):
        sys.exit(FAILED)


@app.command()
def evaluate(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="Recipe to evaluate, for example ridge.")],
    horizon: Annotated[int, typer.Option(help="Trading days held, 1 to 60.")] = 5,
    as_of: Annotated[
        dt.datetime | None,
        typer.Option(formats=[ISO], metavar=SHOWN, help="Data up to this day; the newest in the store if left out."),
    ] = None,
    unseal: Annotated[
        str | None, typer.Option(metavar="REASON", help="Score sealed days too; the reason is logged and reported.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many other seeds are tried, 0 to 20.")] = 3,
) -> None:
    """Evaluate a recipe on past data, count the look, show the main figures, and write a page."""
    current = _prepare()
    from flows.show_evaluation import show_evaluation
    from nightdesk.operations.evaluating import Look
    from nightdesk.operations.evaluating import evaluate as look_at

    look = Look(horizon, getuser(), None if as_of is None else as_of.date(), unseal, seeds)
    found = look_at(recipe, look, current, dt.datetime.now(dt.UTC))
    show_evaluation(found, Home(current.home).evaluation_page(found.name, found.horizon, found.as_of))


@app.command()
def tune(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="Recipe to tune, for example lightgbm.")],
    horizon: Annotated[int, typer.Option(help="Trading days held, 1 to 60.")] = 5,
    as_of: Annotated[
        dt.datetime | None,
        typer.Option(formats=[ISO], metavar=SHOWN, help="Data up to this day; the newest in the store if left out."),
    ] = None,
    profile: Annotated[
        Literal["quick", "full"] | None, typer.Option(help="How many trials within which time; as set if left out.")
    ] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Trials in all, earlier starts included.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after so long with what was done.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Processes that make trials.")] = None,
) -> None:
    """Search better parameters for a recipe, and judge the best on days that no trial has seen."""
    current = _prepare()
    from flows.show_tuning import show_tuned
    from nightdesk.operations.tuning import Wish
    from nightdesk.operations.tuning import tune as search

    day = None if as_of is None else as_of.date()
    wish = Wish(recipe, horizon, getuser(), day, profile, trials, seconds, workers)
    show_tuned(search(wish, current, dt.datetime.now(dt.UTC)))


@app.command()
def explain(
    symbol: Annotated[
        str | None, typer.Argument(metavar="[SYMBOL]", help="Symbol, for example AAPL; all together if left out.")
    ] = None,
    horizon: Annotated[
        int | None, typer.Option(metavar="DAYS", help="Horizon of the forecast; each of them if left out.")
    ] = None,
    realm: Annotated[str, typer.Option(help="live, or the name of a replay.")] = "live",
    top: Annotated[int, typer.Option(min=1, help="How many features are told one by one.")] = 8,
    retrains: Annotated[
        bool, typer.Option("--retrains", help="What moves the scores of all, retrain by retrain.")
    ] = False,
) -> None:
    """Say why the served model ranks a symbol where it does, or what moves the scores of all; the latter is drawn."""
    current = _prepare()
    from flows.show_explanation import show_importances, show_overall, show_reasons
    from nightdesk.errors import BadInput
    from nightdesk.operations.explaining import draw_told, reasons_of, tell
    from nightdesk.operations.importance_over_time import draw_importances, importances

    home, now = Home(current.home), dt.datetime.now(dt.UTC)
    if retrains and symbol is not None:
        raise BadInput(f"--retrains looks at all symbols together, got {symbol} too: leave out the one or the other")
    if retrains:
        for found in importances(current, realm, horizon, now):
            show_importances(found, draw_importances(found, home, realm), top)
        return
    for told in tell(current, realm, horizon, now):
        if symbol is None:
            show_overall(told, draw_told(told, home, realm), top)
        else:
            show_reasons(told, reasons_of(told, symbol.upper()), top)


@app.command()
def selection(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="Recipe that chooses features.")] = "selected",
    horizon: Annotated[int, typer.Option(help="Trading days held, 1 to 60.")] = 5,
    times: Annotated[int, typer.Option(help="How many times it is fitted over the history, 2 to 40.")] = 8,
    retrains: Annotated[
        bool, typer.Option("--retrains", help="Compare what registered fits chose instead; nothing is fitted.")
    ] = False,
    realm: Annotated[str, typer.Option(help="live, or the name of a replay.")] = "live",
) -> None:
    """Show which features a recipe chooses over time, how much that agrees, and draw it."""
    current = _prepare()
    from flows.show_selection import show_selection
    from nightdesk.operations.night import plan_night
    from nightdesk.operations.selecting import choosing, chosen_by_retrains, chosen_over_time, draw_chosen

    choosing(recipe)
    night = plan_night(current, realm, None, "never", dt.datetime.now(dt.UTC))
    found = chosen_by_retrains(night, recipe, horizon) if retrains else chosen_over_time(night, recipe, horizon, times)
    show_selection(found, draw_chosen(night, found))


@app.command()
def trials(
    everything: Annotated[bool, typer.Option("--all", help="Every row, not only the newest.")] = False,
) -> None:
    """List fits and looks so far, which deflate the next one, and openings of the sealed stretch."""
    current = _prepare()
    from flows.show_trials import show_trials

    show_trials(current, dt.datetime.now(dt.UTC), everything=everything)


quarantine = typer.Typer(
    help="Rows that broke a rule of their table: look at them, release them, or drop them.",
    rich_markup_mode=None,
)
app.add_typer(quarantine, name="quarantine")

Key = Annotated[
    str, typer.Argument(metavar="KEY", help="Key of a row, or how it begins: see nightdesk quarantine list.")
]
Reason = Annotated[str, typer.Option(help="Why, for whoever reads the log.")]
By = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Who decides; stored with the decision.", default_factory=getuser, show_default="you"
    ),
]


@quarantine.command(name="list")
def list_rows(
    everything: Annotated[bool, typer.Option("--all", help="Those released and dropped too.")] = False,
) -> None:
    """List the rows that are held, with their keys."""
    current = _prepare()
    from flows.show_quality import show_held
    from nightdesk.operations.quality import list_quarantine

    show_held(list_quarantine(current, everything=everything))


@quarantine.command()
def show(key: Key) -> None:
    """Show one row as it came, why it is held, and everything that was decided about it."""
    current = _prepare()
    from flows.show_quality import show_row
    from nightdesk.operations.quality import held_row

    show_row(held_row(current, key))


@quarantine.command()
def release(
    key: Key,
    reason: Reason,
    by: By,
    corrected: Annotated[
        list[str] | None, typer.Option("--set", metavar="COLUMN=VALUE", help="Correct a value; may be given again.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Although the store has a bar of that day.")] = False,
) -> None:
    """Let a row into the bars, known from now on; nights before now never see it."""
    current = _prepare()
    from flows.show import follow_progress
    from flows.show_quality import show_released
    from nightdesk.operations.quality import release_row

    follow_progress(quiet=True)
    now = dt.datetime.now(dt.UTC)
    show_released(*release_row(current, key, corrected or [], by, reason, now, replace=replace))


@quarantine.command()
def drop(key: Key, reason: Reason, by: By) -> None:
    """Rule that a row never comes in; it stays readable, and can be released after all."""
    current = _prepare()
    from flows.show_quality import show_row
    from nightdesk.operations.quality import drop_row

    show_row(drop_row(current, key, by, reason, dt.datetime.now(dt.UTC)))


if __name__ == "__main__":
    main()
