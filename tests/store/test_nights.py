"""One night of a date at a time, freed however it ends; every start and end is entered, and orphans are closed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from store_samples import DAYS, moment, start_python, url_of

from nightdesk.errors import NightLocked
from nightdesk.store import nights
from nightdesk.store.database import connect
from nightdesk.store.nights import (
    ABANDONED,
    DONE,
    FAILED,
    NIGHT,
    RUNNING,
    NightKey,
    begin,
    close_orphans,
    done_summary,
    end,
    held,
    history,
    no_night,
)

KEY = NightKey("live", DAYS[0], "content")
HOLD = """
import datetime as dt, pathlib, sys
from nightdesk.store.database import connect
from nightdesk.store.nights import held
url, locks, day = sys.argv[1:]
with held(connect(url), pathlib.Path(locks), "live", dt.date.fromisoformat(day)):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def other(store: sa.Engine) -> Iterator[sa.Engine]:
    """The same store as another process sees it: through connections of its own."""
    engine = connect(url_of(store))
    yield engine
    engine.dispose()


@contextmanager
def holder_process(store: sa.Engine, locks: Path) -> Iterator[tuple[int, object]]:
    process = start_python(HOLD, url_of(store), str(locks), str(DAYS[0]))
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process.pid, process
    finally:
        process.kill()
        process.communicate()


def hold_when_freed(engine: sa.Engine, locks: Path) -> None:
    """Take the lock as soon as the server has seen that its holder is gone."""
    for _ in range(1000):
        try:
            with held(engine, locks, "live", DAYS[0]):
                return
        except NightLocked:
            time.sleep(0.02)
    with held(engine, locks, "live", DAYS[0]):
        return


def test_a_second_holder_in_this_process_is_told_who_holds_it(store: sa.Engine, tmp_path: Path) -> None:
    with (
        held(store, tmp_path, "live", DAYS[0]),
        pytest.raises(NightLocked, match=rf"process {os.getpid()} on .* runs that of 2024-01-02 \(live\): wait"),
        held(store, tmp_path, "live", DAYS[0]),
    ):
        pass


def test_a_refused_holder_leaves_the_lock_with_the_first(store: sa.Engine, other: sa.Engine, tmp_path: Path) -> None:
    with held(store, tmp_path, "live", DAYS[0]):
        for _ in range(2):
            with pytest.raises(NightLocked), held(other, tmp_path, "live", DAYS[0]):
                pass


def test_the_lock_is_free_after_the_block(store: sa.Engine, other: sa.Engine, tmp_path: Path) -> None:
    for engine in (store, other, store):
        with held(engine, tmp_path, "live", DAYS[0]):
            pass
    assert list(tmp_path.glob("*.holder")) == []


def test_the_lock_is_free_after_a_block_that_raised(store: sa.Engine, other: sa.Engine, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="the night failed"), held(store, tmp_path, "live", DAYS[0]):
        raise RuntimeError("the night failed")
    with held(other, tmp_path, "live", DAYS[0]):
        pass
    assert list(tmp_path.glob("*.holder")) == []


def test_a_held_night_leaves_the_store_open_to_work(store: sa.Engine, tmp_path: Path) -> None:
    with held(store, tmp_path, "live", DAYS[0]):
        night = begin(store, KEY, None, moment(2))
        end(store, night, DONE, moment(3), summary="{}")
    assert done_summary(store, "live", DAYS[0]) == "{}"


def test_whoever_takes_it_only_to_look_turns_nobody_away(store: sa.Engine, other: sa.Engine, tmp_path: Path) -> None:
    looking, looked = threading.Event(), threading.Event()

    def look() -> None:
        with held(other, tmp_path, "live", DAYS[0]):
            looking.set()
            time.sleep(0.3)
            looked.set()

    with ThreadPoolExecutor(1) as aside:
        found = aside.submit(look)
        assert looking.wait(10)
        with held(store, tmp_path, "live", DAYS[0]):
            assert looked.is_set()
        found.result()


def test_other_dates_and_realms_do_not_wait(store: sa.Engine, other: sa.Engine, tmp_path: Path) -> None:
    with (
        held(store, tmp_path, "live", DAYS[0]),
        held(other, tmp_path, "live", DAYS[1]),
        held(other, tmp_path, "replay", DAYS[0]),
    ):
        pass


def test_a_holder_in_another_process_is_named_and_freed_by_its_kill(store: sa.Engine, tmp_path: Path) -> None:
    with holder_process(store, tmp_path) as (pid, process):
        with pytest.raises(NightLocked, match=rf"process {pid} on "), held(store, tmp_path, "live", DAYS[0]):
            pass
        os.kill(pid, signal.SIGKILL)
        process.wait(timeout=60)  # type: ignore[attr-defined]
        hold_when_freed(store, tmp_path)


def test_a_night_is_entered_when_it_begins_and_when_it_ends(store: sa.Engine) -> None:
    failed = begin(store, KEY, "run-1", moment(2))
    end(store, failed, FAILED, moment(2, 1), reason="SourceBroken: no 'close'\nin it")
    done = begin(store, KEY, None, moment(3))
    end(store, done, DONE, moment(3, 1), summary='{"rows": 1}')
    begin(store, NightKey("live", DAYS[1], "content"), None, moment(4))
    begin(store, NightKey("replay", DAYS[0], "content"), None, moment(1))
    assert failed != done
    assert history(store, "live").rows() == [
        (DAYS[0], NIGHT, FAILED, "SourceBroken: no 'close'\nin it", moment(2), moment(2, 1)),
        (DAYS[0], NIGHT, DONE, None, moment(3), moment(3, 1)),
        (DAYS[1], NIGHT, RUNNING, None, moment(4), None),
    ]


def test_only_a_night_that_is_done_has_a_summary(store: sa.Engine) -> None:
    assert done_summary(store, "live", DAYS[0]) is None
    night = begin(store, KEY, None, moment(2))
    assert done_summary(store, "live", DAYS[0]) is None
    end(store, night, FAILED, moment(3), reason="why", summary="{}")
    assert done_summary(store, "live", DAYS[0]) is None
    end(store, begin(store, KEY, None, moment(4)), DONE, moment(5), summary='{"rows": 1}')
    assert done_summary(store, "live", DAYS[0]) == '{"rows": 1}'
    assert done_summary(store, "replay", DAYS[0]) is None
    assert done_summary(store, "live", DAYS[1]) is None


def test_orphans_of_this_date_are_closed_and_no_others(store: sa.Engine) -> None:
    begin(store, KEY, "run-1", moment(2))
    begin(store, KEY, None, moment(3))
    end(store, begin(store, KEY, "run-2", moment(4)), DONE, moment(5), summary="{}")
    begin(store, NightKey("live", DAYS[1], "content"), "run-3", moment(4))
    begin(store, NightKey("replay", DAYS[0], "content"), "run-4", moment(4))
    assert close_orphans(store, "live", DAYS[0], moment(9)) == ["run-1"]
    assert close_orphans(store, "live", DAYS[0], moment(10)) == []
    closed = history(store, "live").select("status", "reason", "ended_at").rows()
    told = "killed before its end; closed by the next start"
    assert closed[:2] == [(ABANDONED, told, moment(9))] * 2
    assert closed[2:] == [(DONE, None, moment(5)), (RUNNING, None, None)]
    assert history(store, "replay")["status"].to_list() == [RUNNING]


def test_no_night_begins_while_the_store_is_held_whole(
    store: sa.Engine, other: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nights, "_PASSING_SECONDS", 0.1)
    with no_night(store, tmp_path), pytest.raises(NightLocked), held(other, tmp_path, "live", DAYS[0]):
        pass
    with (
        held(other, tmp_path, "live", DAYS[0]),
        held(store, tmp_path, "live", DAYS[1]),
        pytest.raises(NightLocked, match=rf"no night may run meanwhile, and .*process {os.getpid()} on"),
        no_night(store, tmp_path),
    ):
        pass
    with no_night(store, tmp_path):
        pass
