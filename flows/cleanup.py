"""The clean-up flow: old models and left-over files go; whatever is served, named or still speaks stays."""

from __future__ import annotations

from prefect import flow
from pydantic import BaseModel, ConfigDict, Field

from flows.secret_blocks import read_settings
from nightdesk.operations.cleanup import Cleaned
from tasks.maintenance import clean


class CleanupParameters(BaseModel):
    """How much to keep; the Prefect UI shows these as a form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep: int = Field(
        10, ge=1, le=10_000, title="Newest kept", description="How many of the newest versions of each model stay"
    )
    dry_run: bool = Field(False, title="Dry run", description="Only say what would be removed")


@flow(name="cleanup")
def cleanup(parameters: CleanupParameters = CleanupParameters()) -> Cleaned:  # noqa: B008
    """Remove old model versions with their files, and scratch folders that no night uses."""
    return clean(read_settings(), parameters.keep, parameters.dry_run)
