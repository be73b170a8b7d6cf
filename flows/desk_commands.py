"""Commands about the desk itself: servers, settings, alerts, where the store is, and whether all is sound."""

from __future__ import annotations

import datetime as dt
import os
import shlex
import sys
from typing import Annotated

import typer

from flows.command_start import FAILED, NOT_ALL_UP, check_server, prepare
from nightdesk.errors import BadSetting

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def up() -> None:
    """Start the desk on this machine: Prefect's server and worker, MLflow's server, and the deployments."""
    settings = prepare(secrets=False)
    from flows.servers import exports, exposed
    from flows.servers import up as start_desk

    if warning := exposed(settings):
        print(f"nightdesk: WARNING: {warning}", file=sys.stderr)
    for what, record in start_desk(settings):
        print(f"{record.name}: {what}{f', {record.url}' if record.url else ''} (pid {record.pid}, log {record.log})")
    print("To use these servers from a shell:")
    for name, value in exports(settings).items():
        print(f"export {name}={shlex.quote(value)}")


@commands.command()
def down() -> None:
    """Stop the desk: every process that `nightdesk up` started and all they started, after a crash too."""
    settings = prepare(secrets=False)
    from flows.servers import down as stop_desk

    stopped = stop_desk(settings)
    for line in stopped:
        print(f"stopped {line}")
    if not stopped:
        print("nothing was running")


@commands.command()
def status(
    exports: Annotated[bool, typer.Option("--exports", help="Only print what a shell must set, for eval.")] = False,
) -> None:
    """Show what of the desk runs, since when, where and how well, and the disk it uses; exit code 3 unless all run."""
    settings = prepare(secrets=False)
    from flows.servers import exports as variables
    from flows.servers import stands
    from flows.show import show_status

    if exports:
        print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables(settings).items()))
        return
    if not show_status(settings, stands(settings)):
        sys.exit(NOT_ALL_UP)


@commands.command()
def deploy() -> None:
    """Bring queues, deployments and automations to the Prefect server of PREFECT_API_URL; again is no harm."""
    settings = prepare()
    api = os.environ.get("PREFECT_API_URL")
    if api is None:
        raise BadSetting("deployments live on a Prefect server, got none: set PREFECT_API_URL, or run nightdesk up")
    check_server()
    from flows.servers import deploy as bring

    bring(settings, api)
    print(f"deployments and automations are on {api}")


@commands.command()
def move(
    to: Annotated[str, typer.Option(help="Empty database: postgresql+psycopg://user@host/name.")],
    tracking: Annotated[
        str | None, typer.Option(help="Another empty database, to which MLflow's own moves; it stays if left out.")
    ] = None,
) -> None:
    """Move the store, and MLflow's database if asked for, from SQLite to PostgreSQL; files stay where they are."""
    current = prepare()
    from nightdesk.operations.move import move as carry_over

    moved = carry_over(current, to, tracking)
    for what, tables in (("store", moved.store), ("tracking", moved.tracking)):
        if tables:
            print(f"{what}: {sum(tables.values()):,} rows of {len(tables)} tables copied and compared")
    print("\nWhat was there is untouched. Set from now on (with the password where *** stands), then check:\n")
    for name, value in moved.settings:
        print(f"export {name}='{value}'")
    print("nightdesk doctor")


@commands.command()
def alerts(
    test: Annotated[
        bool, typer.Option("--test", help="Send a test message over every channel, each by itself.")
    ] = False,
    register: Annotated[
        bool, typer.Option("--register", help="Bring automations and channels to the server of PREFECT_API_URL.")
    ] = False,
) -> None:
    """List incidents; with --test, try every channel; with --register, let a Prefect server tell."""
    current = prepare()
    from flows.show import show_channel_test, show_incidents

    if register:
        check_server()
        from flows.automations import register_automations

        for line in register_automations(current):
            print(line)
    if test and not show_channel_test(current):
        sys.exit(FAILED)
    if not (test or register):
        show_incidents(current)


@commands.command()
def doctor() -> None:
    """Check whether this machine can run a night; exit code 1 where it cannot."""
    current = prepare()
    from flows.alerts import send
    from flows.show import show_checks
    from nightdesk.operations.doctor import examine

    send(current, dt.datetime.now(dt.UTC))
    checks = examine(current, dt.datetime.now(dt.UTC))
    show_checks(checks)
    if not all(check.sound for check in checks):
        sys.exit(FAILED)


@commands.command()
def settings() -> None:
    """List every setting: its name, environment variable, value now, and meaning."""
    current = prepare(secrets=False)
    from flows.show import show_settings

    show_settings(current)
