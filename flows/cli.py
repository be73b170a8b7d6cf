"""The command line `nightdesk`: nights, replays and upkeep; what they left, shown; settings and the doctor."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import httpx
import typer

from flows import data_commands, desk_commands, model_commands, night_commands, recommendation_commands
from flows.command_start import BUSY, FAILED, ISO, SHOWN, USAGE, fail
from nightdesk.concealment import conceal_error, concealed
from nightdesk.disk import refused
from nightdesk.errors import NightdeskError, NightLocked, TransientError

# Typer's own root of all errors of usage, which it exports only by its leaves.
WrongUsage: type[Exception] = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="nightdesk",
    help="The overnight desk for market machine learning: honest forecasts, every night.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for part in (night_commands, model_commands, recommendation_commands, data_commands, desk_commands):
    app.add_typer(part.commands)


def main() -> None:
    """Run the command line; what goes wrong is one line on standard error and an exit code that is not zero."""
    try:
        arguments = sys.argv[1:] or ["--help"]
        code = app(args=arguments, prog_name="nightdesk", standalone_mode=False)
    except WrongUsage as error:
        message: str = error.format_message()  # type: ignore[attr-defined]
        fail(" ".join(message.replace("Value error, ", "").replace(ISO, SHOWN).split()), USAGE)
    except (typer.Abort, KeyboardInterrupt):
        fail("stopped by hand", FAILED)
    except NightdeskError as error:
        later = isinstance(error, TransientError | NightLocked)
        fail(str(error), BUSY if later else USAGE)
    except httpx.HTTPError as error:
        conceal_error(error)
        _fail_without_server(error)
    except OSError as error:
        conceal_error(error)
        if (trouble := refused(error, "the home folder")) is None:
            raise
        fail(str(trouble), BUSY)
    except Exception as error:
        conceal_error(error)
        raise
    # Prefect's threads may outlive the last flow; the exit code is decided, so nothing waits for them.
    sys.exit(code if isinstance(code, int) else 0)


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
