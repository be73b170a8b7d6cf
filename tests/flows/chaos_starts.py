"""One start of a small night in a process of its own, with what is to befall it; no Prefect, so that it is quick."""

from __future__ import annotations

import datetime as dt
import json
import logging
import multiprocessing
import os
import resource
import signal
import sys
from dataclasses import dataclass, replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from small_nights import run_night

from nightdesk.errors import NightdeskError, NightLocked, TransientError
from nightdesk.faults import listening

DONE, BUSY, TRANSIENT, PERMANENT, RAW, KILLED = "done", "busy", "transient", "permanent", "raw", "killed"
"""How a start may end: as it should, by an error of our own tree, by one that should have been one, or by a signal."""


@dataclass(frozen=True)
class Start:
    """A start of the night of `day` in `environment`.

    It is killed at the coming of its named point number `kill_at`, and may write files of at most `room` bytes.
    """

    environment: dict[str, str]
    day: dt.date
    log: Path
    kill_at: int | None = None
    room: int | None = None


@dataclass(frozen=True)
class Ending:
    """How a start ended, and what it said."""

    how: str
    said: str = ""


def begin(start: Start) -> ForkServerProcess:
    """Begin it in a process of its own, forked from one that has imported everything and done nothing."""
    process = _context().Process(target=_night, args=(start,))
    process.start()
    return process


def ending(start: Start, process: ForkServerProcess, seconds: float = 240) -> Ending:
    """Wait for the end of a start; one that hangs fails the program."""
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        raise AssertionError(f"a night hangs after {seconds} s: see {start.log}")
    if process.exitcode < 0:
        return Ending(KILLED, signal.Signals(-process.exitcode).name)
    word = start.log.with_suffix(".json")
    return Ending(**json.loads(word.read_text())) if word.exists() else Ending(RAW, f"exit code {process.exitcode}")


def _context() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    # The server of forks does not learn of sys.path, and passes silently over what it cannot import.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    context.set_forkserver_preload(["chaos_starts"])
    return context


def _night(start: Start) -> None:
    logging.basicConfig(filename=start.log, level=logging.INFO, force=True)
    os.environ.update(start.environment)
    os.chdir(start.log.parent)
    if start.room is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (start.room, resource.RLIM_INFINITY))
    ended = _ended(start)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    start.log.with_suffix(".json").write_text(json.dumps({"how": ended.how, "said": ended.said}))


def _ended(start: Start) -> Ending:
    left = start.kill_at

    def kill(_point: str) -> None:
        nonlocal left
        if left is not None:
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    try:
        with listening(kill):
            run_night(start.day)
    except NightLocked as error:
        return Ending(BUSY, str(error))
    except NightdeskError as error:
        logging.getLogger("chaos").exception("ended")
        return Ending(TRANSIENT if isinstance(error, TransientError) else PERMANENT, _line(error))
    except Exception as error:
        logging.getLogger("chaos").exception("ended")
        return Ending(RAW, _line(error))
    return Ending(DONE)


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


def with_fault(start: Start, **fault: int) -> Start:
    """The start with what is to befall it from within."""
    return replace(start, **fault)  # type: ignore[arg-type]
