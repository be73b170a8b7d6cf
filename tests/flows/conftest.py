"""What several tests of nights compare with."""

from __future__ import annotations

from typing import Any

import pytest
from logical_state import logical_state
from small_nights import begin_with, choose_home, market_days


@pytest.fixture(scope="session")
def two_undisturbed_nights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The logical state after the last two nights of the small market, both trained, that met nothing."""
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    with pytest.MonkeyPatch.context() as patch:
        choose_home(patch, home)
        begin_with(*market_days(2), train="always")
    return logical_state(home)
