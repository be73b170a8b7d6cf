"""The command line: `nightdesk nightly`, `replay`, `predict`, `models`, `history`, `settings`, `doctor`, `alerts`."""

from __future__ import annotations

import datetime as dt
import os
import sys
from typing import Annotated, Literal, NoReturn, cast

import httpx
import typer

from nightdesk.errors import BadDate, BadSetting, NightdeskError, NightLocked, TransientError
from nightdesk.home import Home
from nightdesk.operations.environment import prepare_environment, stop_orphaned_servers
from nightdesk.settings import Settings, read_settings

FAILED, USAGE, BUSY = 1, 2, 75
"""Exit codes: a night or check failed; the command was given something that breaks a rule; try again later."""

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
    # Prefect's threads may outlive the last flow; the exit code is decided, so nothing waits for them.
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> NoReturn:
    print(f"nightdesk: {message}", file=sys.stderr)
    sys.exit(code)


def _prepare() -> Settings:
    settings = read_settings()
    home = Home(settings.home)
    try:
        prepare_environment(home)
    except OSError as error:
        raise BadSetting(f"home must be a folder that can be made, got {home.root}: {error.strerror}") from None
    stop_orphaned_servers(home)
    return settings


def _check_server() -> None:
    """Say in one line that the Prefect server which the environment names does not answer."""
    url = os.environ.get("PREFECT_API_URL")
    if url is None:
        return
    try:
        httpx.get(f"{url}/health", timeout=10).raise_for_status()
    except httpx.HTTPError as error:
        _fail(f"PREFECT_API_URL must name a running Prefect server, got {url} ({error}): start it, or unset it", BUSY)


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
    from nightdesk.operations.night import LIVE, plan_night
    from nightdesk.store.nights import done_summary, held
    from tasks.reporting import NightSummary

    asked = None if as_of is None else as_of.date()
    # Planned here first, so that a wrong date, or a night that runs already, is one line before any server is started.
    with told_if_failed(settings, LIVE, asked, in_run=False):
        planned = plan_night(settings, LIVE, asked, train, dt.datetime.now(dt.UTC))
        with held(planned.engine, planned.home.locks, LIVE, planned.as_of):
            done = done_summary(planned.engine, LIVE, planned.as_of)
    if done is not None and train != "always":
        look_around(planned)
        show_summary(SUMMARY.validate_json(done), settings, repeated=True)
        return
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
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress, only the summary.")] = False,
) -> None:
    """Run past nights again, each with only what was known then, in a realm of their own."""
    settings = _prepare()
    from pydantic import ValidationError

    from flows.replay import ReplayParameters, nights_to_replay
    from flows.replay import replay as flow
    from flows.show import follow_progress, night_failed, show_replay
    from nightdesk.errors import BadInput

    try:
        parameters = ReplayParameters(first=first.date(), last=last.date(), realm=realm)
    except ValidationError:
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


@app.command()
def models(realm: Annotated[str, typer.Option(help="live, or the name of a replay.")] = "live") -> None:
    """List who is served at each horizon, and the newest fits beside them."""
    settings = _prepare()
    from flows.show import show_models

    show_models(settings, realm)


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
    current = _prepare()
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


if __name__ == "__main__":
    main()
