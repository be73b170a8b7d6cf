"""Nights of a real process killed at random moments, again and again, until one gets through (`make chaos`)."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest
from command_line import CommandLine, command_line
from logical_state import differences, logical_state

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[CommandLine, float]:
    line = command_line(tmp_path_factory.mktemp("undisturbed"))
    began = time.monotonic()
    line.run("nightly")
    return line, time.monotonic() - began


@pytest.mark.parametrize("seed", range(10))
def test_a_night_killed_at_random_moments_ends_in_the_same_state(
    seed: int, undisturbed: tuple[CommandLine, float], tmp_path: Path
) -> None:
    peaceful, seconds = undisturbed
    chance, line = random.Random(seed), command_line(tmp_path)
    for _kill in range(3):
        night = line.start("nightly")
        time.sleep(chance.uniform(0.2, 1.0) * seconds)
        night.send_signal(signal.SIGKILL)
        night.wait()
    line.run("nightly")
    assert differences(logical_state(line.home), logical_state(peaceful.home)) == []
