"""Every error that nightdesk raises; each leaf is transient (a retry may help) or permanent.

NightdeskError
├── TransientError
│   ├── SourceUnavailable     a provider did not answer, or answered "later"
│   ├── StoreBusy             the store does not answer, or another writer holds it
│   ├── RegistryUnavailable   the registry of runs and models, or what it keeps them in, does not answer
│   ├── DiskTrouble           a disk is full, read-only or broken
│   └── ServerTrouble         a server of this machine cannot be started, or does not answer
└── PermanentError
    ├── BadInput              a user's argument: option, symbol, date
    │   ├── BadDate
    │   └── UnknownName       symbol, model, source, feature: the known ones are listed
    ├── BadSetting            a setting that does not hold
    ├── SourceBroken          a provider's data cannot be what it says it is
    ├── DataRefused           a batch past its quality thresholds; every finding at once
    ├── NothingServed         no model may be served at a horizon; nothing was forecast
    ├── ForecastConflict      a logged forecast would have to change
    ├── ModelBroken           a smoke prediction failed, or an artifact is not what was registered
    ├── NightLocked           another process runs the same night
    ├── NightDone             the night is done, and what was asked would change it
    └── NothingThere          what was asked for does not exist yet
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class NightdeskError(Exception):
    """Root of all errors of nightdesk: its text is rule, value received, cure."""


class TransientError(NightdeskError):
    """A retry may help."""


class PermanentError(NightdeskError):
    """A retry cannot help: something must be changed first."""


class SourceUnavailable(TransientError):
    """A provider did not answer, or asked to come back later."""


class StoreBusy(TransientError):
    """The store does not answer, or is held by another writer for longer than the wait allows."""


class RegistryUnavailable(TransientError):
    """MLflow's server, its database or its store of artifacts does not answer within its retries."""


class DiskTrouble(TransientError):
    """A disk is full, read-only or broken: what was being written is not there, what was there before is."""


class ServerTrouble(TransientError):
    """A server of this machine cannot be started, or does not answer."""


class BadInput(PermanentError):
    """An argument that a user gave breaks a rule."""


class BadDate(BadInput):
    """A date that is no trading day, lies outside the data, or out of order."""


class UnknownName(BadInput):
    """A name that no registry, table or universe holds."""

    @classmethod
    def among(cls, kind: str, name: str, known: Iterable[str]) -> UnknownName:
        """Build the error for `name`, with the nearest known names, or all where they are few."""
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
        shown = names if len(names) <= 12 else near or names[:5]
        return cls(
            f"{kind} must be one of {len(names)} known ones, got {name!r}: "
            f"choose {', '.join(shown) if shown else 'none, there are none yet'}"
        )


class BadSetting(PermanentError):
    """A setting, from file or environment, that does not hold."""


class SourceBroken(PermanentError):
    """A provider's data cannot be what it says it is."""


class DataRefused(PermanentError):
    """A batch passed its quality thresholds: nothing downstream was written."""


class NothingServed(PermanentError):
    """No model may be served at a horizon, so the night has nothing to forecast with."""


class ForecastConflict(PermanentError):
    """A forecast that was already logged would have to change."""


class ModelBroken(PermanentError):
    """A smoke prediction failed, or an artifact is not what was registered."""


class NightLocked(PermanentError):
    """Another process runs the night of the same date and realm."""


class NightDone(PermanentError):
    """The night is done, and what was asked would change it."""


class NothingThere(PermanentError):
    """What was asked for does not exist yet."""


def is_transient(error: BaseException) -> bool:
    """Whether a retry may help: what Prefect's `retry_condition_fn` asks."""
    return isinstance(error, TransientError)
