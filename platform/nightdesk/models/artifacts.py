"""MLflow's tracking and registry: every fit a run, every model a version, found again after a kill."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from sqlalchemy.engine import make_url

from nightdesk.disk import check_writable
from nightdesk.errors import ModelBroken
from nightdesk.faults import reach
from nightdesk.models.bundle import Bundle, load_bundle, save_bundle
from nightdesk.models.reaching import be_patient, reaches, reaching, unavailable
from nightdesk.safety import SAFE

if TYPE_CHECKING:
    from mlflow import MlflowClient

_GONE = "RESOURCE_DOES_NOT_EXIST"
_IN_PARTS = "INTERNAL_ERROR"
"""How MLflow codes a download of which parts failed, each for a reason of its own: files that are gone have a code."""
_KEY, _NIGHT, _MODEL_URI = "nightdesk.key", "nightdesk.night", "nightdesk.model_uri"
_CONTENT, _ARTIFACT = "nightdesk.content", "nightdesk.artifact"
_BUNDLE = Path("artifacts", "bundle")
_ADDED = "registered_model_meta"
"""A file that MLflow adds to what it downloads; nobody registered it."""


@dataclass(frozen=True, slots=True)
class Tracking:
    """Where runs and models are recorded: MLflow's tracking URI, and the folder of artifacts where we choose it."""

    uri: str = field(repr=False)
    artifacts: str | None
    realm: str


@dataclass(frozen=True, slots=True)
class Run:
    """One fit to record: a name, a key that is the same for the same night, stage and content, and what came of it."""

    name: str
    key: str
    night: str
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A registered version: its model name and number in the registry, the run behind it, and its content."""

    name: str
    version: str
    run_id: str
    content: str


@dataclass(frozen=True, slots=True)
class Fitted:
    """A recorded fit with a model: its run, the night it was fitted on, its version (None: in no registry), aliases,
    the content of the model, and the name of its recipe.
    """

    name: str
    version: str | None
    run_id: str
    as_of: dt.date
    aliases: tuple[str, ...]
    content: str
    recipe: str


def model_name(realm: str, horizon: int) -> str:
    """The registered model of a realm and horizon; its versions are the recipes' fits."""
    return f"nightdesk-{realm}-h{horizon}"


@reaches
def client(tracking: Tracking) -> MlflowClient:
    """A client of the tracking server, its experiment made; MLflow's own functions speak to that server from now on."""
    own = _opened(tracking)
    import mlflow

    # They follow one URI a process, which another tracking may have set since this one was opened.
    mlflow.set_tracking_uri(tracking.uri)
    mlflow.set_registry_uri(tracking.uri)
    return own


@lru_cache(maxsize=8)
def _opened(tracking: Tracking) -> MlflowClient:
    """Open the tracking server once; telemetry is off before MLflow is imported."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    be_patient()
    os.environ.update(SAFE)
    import mlflow

    # MLflow sets its own logger up when it is imported. What it cannot do is raised, and need not be told twice.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    file = make_url(tracking.uri).database if tracking.uri.startswith("sqlite") else None
    if file and not os.access(Path(file).parent, os.W_OK):
        check_writable(Path(file).parent)  # MLflow would try for two minutes to open its database there
    own = mlflow.MlflowClient(tracking.uri, tracking.uri)
    if own.get_experiment_by_name(_experiment(tracking)) is None:
        own.create_experiment(_experiment(tracking), artifact_location=tracking.artifacts)
    return own


@reaches
def close_orphan_runs(tracking: Tracking, night: str) -> int:
    """Mark runs of `night` that still stand as running as killed: their process is gone. Returns their number."""
    orphans = _runs(tracking, f"tags.`{_NIGHT}` = '{night}' and attributes.status = 'RUNNING'")
    for run in orphans:
        client(tracking).set_terminated(run.info.run_id, status="KILLED")
    return len(orphans)


@reaches
def log_runs(tracking: Tracking, runs: Sequence[Run], parent: str | None = None) -> None:
    """Record fits that leave no model (those of a walk-forward), each once; `parent` is the run they belong to."""
    known = _recorded(tracking, runs)
    for run in runs:
        if run.key not in known:
            run_id = _start(tracking, run, {"mlflow.parentRunId": parent} if parent else {})
            client(tracking).set_terminated(run_id)


@reaches
def log_model(tracking: Tracking, run: Run, bundle: Bundle, horizon: int, example: pl.DataFrame) -> ModelVersion:
    """Record a fit with its model, and register it; found again, not repeated, where that was done before a kill.

    `example` is a few rows of features: the signature, and what the logged model's first scores are made from.
    """
    with tempfile.TemporaryDirectory(prefix="nightdesk-") as scratch:
        folder = Path(scratch) / "bundle"
        save_bundle(bundle, folder)
        content = _content(folder)
        known = _recorded(tracking, [run]).get(run.key)
        if known is not None:
            run_id, uri = known.info.run_id, known.data.tags[_MODEL_URI]
        else:
            run_id = _start(tracking, run, {_CONTENT: content})
            uri = _log_bundle(run_id, folder, bundle, example)
            reach("model:logged")
            client(tracking).set_terminated(run_id)
        reach("model:recorded")
    return _register(tracking, model_name(tracking.realm, horizon), run_id, uri, content, bundle)


@reaches
def load_version(tracking: Tracking, version: ModelVersion) -> Bundle:
    """Load the bundle of a registered version from our own registry; no code of the artifact runs.

    Its `content` says what was registered, as our own store remembers it. Raises ModelBroken, before anything of the
    artifact is read, where the version is not ours, or its files are gone or are not those; RegistryUnavailable where
    they cannot be reached.
    """
    with tempfile.TemporaryDirectory(prefix="nightdesk-") as scratch:
        return load_bundle(_fetch(tracking, version, scratch) / _BUNDLE)


@reaches
def load_alias(tracking: Tracking, name: str, alias: str) -> Any:
    """Load a model as any other program would, by MLflow's own pyfunc; it takes a pandas frame of features.

    MLflow runs the code that was logged with the model, so every file must be the one that was logged. Raises
    ModelBroken, before any of it runs, where one is not, or the version is not ours.
    """
    own = client(tracking)
    import mlflow

    found = own.get_model_version_by_alias(name, alias)
    version = ModelVersion(name, str(found.version), str(found.run_id or ""), found.tags.get("content", ""))
    with tempfile.TemporaryDirectory(prefix="nightdesk-") as scratch:
        folder = _fetch(tracking, version, scratch)
        if _content(folder) != own.get_run(version.run_id).data.tags.get(_ARTIFACT):
            raise _changed(version)
        return mlflow.pyfunc.load_model(str(folder))


def _fetch(tracking: Tracking, version: ModelVersion, scratch: str) -> Path:
    """A copy of the version's files below `scratch`, its bundle known to be what was registered.

    A copy, so that what was looked at is what is loaded. Raises ModelBroken where anything is not ours.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    own = client(tracking)
    try:
        with reaching(tracking):
            found = own.get_model_version(version.name, version.version)
            recorded = own.get_run(found.run_id).data.tags if found.run_id else {}
            said = {found.tags.get("content"), recorded.get(_CONTENT)}
            if _KEY not in recorded or said != {version.content} or found.source != recorded.get(_MODEL_URI):
                raise ModelBroken(
                    f"a model must be one that a night registered, got {version.name} version {version.version}, whose "
                    f"registration is not that of {version.content or 'any night'}: delete it, or train again"
                )
            folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=found.source, dst_path=scratch))
            if not (folder / _BUNDLE).is_dir():
                raise FileNotFoundError("no folder of the model")
    except (MlflowException, OSError) as error:
        told = str(error).splitlines()
        if getattr(error, "error_code", None) == _IN_PARTS:
            raise unavailable(tracking, told[-1]) from error
        if not _gone(error):
            raise
        raise ModelBroken(
            f"version {version.version} of {version.name} must have its files in MLflow, got {told[0]}: "
            "restore them, or train again (nightdesk train)"
        ) from error
    (folder / _ADDED).unlink(missing_ok=True)
    if _content(folder / _BUNDLE) != version.content:
        raise _changed(version)
    return folder


def _changed(version: ModelVersion) -> ModelBroken:
    return ModelBroken(
        f"the files of a model must be those that were registered, got others for {version.name} version "
        f"{version.version}: restore its artifacts, or train again (nightdesk train)"
    )


@reaches
def registered_models(tracking: Tracking) -> list[int]:
    """Horizons at which the realm has a registered model, sorted."""
    prefix = model_name(tracking.realm, 0)[:-1]
    names = [one.name for one in client(tracking).search_registered_models(f"name LIKE '{prefix}%'", max_results=1000)]
    return sorted(int(name.removeprefix(prefix)) for name in names if name.removeprefix(prefix).isdigit())


@reaches
def fitted_of(tracking: Tracking, horizon: int) -> list[Fitted]:
    """Every fit at `horizon` that has a model, oldest version first; a run that is no version comes last."""
    own, name = client(tracking), model_name(tracking.realm, horizon)
    aliases: dict[str, list[str]] = {}
    for alias, version in own.get_registered_model(name).aliases.items():
        aliases.setdefault(str(version), []).append(alias)
    versions = {one.run_id: str(one.version) for one in _versions(own, name)}
    fits = []
    for run in _runs(tracking, f"params.horizon = '{horizon}' and tags.{_CONTENT} != ''"):
        version, as_of = versions.get(run.info.run_id), dt.date.fromisoformat(run.data.tags["as_of"])
        spoken = tuple(sorted(aliases.get(version or "", ())))
        tags = run.data.tags
        fits.append(Fitted(name, version, run.info.run_id, as_of, spoken, tags[_CONTENT], tags.get("recipe", "")))
    return sorted(fits, key=lambda fit: (fit.version is None, int(fit.version or 0), fit.as_of))


@reaches
def remove_version(tracking: Tracking, fit: Fitted) -> None:
    """Take the version of `fit`, if it is one, out of the registry: nobody can be led to it any more."""
    if fit.version is not None:
        client(tracking).delete_model_version(fit.name, fit.version)
    reach("cleanup:unregistered")


@reaches
def remove_fit(tracking: Tracking, fit: Fitted) -> None:
    """Remove a fit's model files, its logged model, and its run; done in part before, the rest is done."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    own = client(tracking)
    uri = own.get_run(fit.run_id).data.tags.get(_MODEL_URI)
    model = None if uri is None else _logged_model(own, uri.rsplit("/", 1)[-1])
    if model is not None:
        get_artifact_repository(model.artifact_location).delete_artifacts()  # type: ignore[no-untyped-call]
        reach("cleanup:files")
        own.delete_logged_model(model.model_id)
        reach("cleanup:model")
    own.delete_run(fit.run_id)


def _logged_model(own: MlflowClient, model_id: str) -> Any:
    """A logged model; None where it was removed before."""
    from mlflow.exceptions import MlflowException

    try:
        return own.get_logged_model(model_id)
    except MlflowException as error:
        if error.error_code != _GONE:
            raise
        return None


def _gone(error: Exception) -> bool:
    """Whether a file, a version or what an artifact server was asked for does not exist."""
    answer = getattr(error, "response", None)
    missing = isinstance(error, FileNotFoundError) or getattr(error, "error_code", None) == _GONE
    return missing or (answer is not None and answer.status_code == HTTPStatus.NOT_FOUND)


def _versions(own: MlflowClient, name: str) -> list[Any]:
    """All versions of a model; MLflow gives them a page at a time."""
    found: list[Any] = []
    token = None
    while True:
        page = own.search_model_versions(f"name='{name}'", max_results=1000, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _log_bundle(run_id: str, folder: Path, bundle: Bundle, example: pl.DataFrame) -> str:
    import mlflow
    from mlflow.models import infer_signature

    frame = example.select(bundle.manifest.features).to_pandas()
    with mlflow.start_run(run_id=run_id), warnings.catch_warnings():
        # The signature is given and the smoke prediction loads the model: an example would be a third proof.
        warnings.filterwarnings("ignore", message=".*An input example was not provided", category=UserWarning)
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(Path(__file__).with_name("served.py")),
            artifacts={"bundle": str(folder)},
            signature=infer_signature(frame, bundle.score(example)),
            # Given, not inferred: inference starts a process that imports the model, for two seconds.
            pip_requirements=["nightdesk"],
        )
        mlflow.set_tag(_ARTIFACT, _logged_content(info.model_uri))
        # Inside the block, whose end finishes the run: a run found finished names its model.
        mlflow.set_tag(_MODEL_URI, info.model_uri)
    return str(info.model_uri)


def _logged_content(uri: str) -> str:
    """The digest of everything that MLflow keeps of a model: the bundle, its description, the code that serves it."""
    import mlflow

    with tempfile.TemporaryDirectory(prefix="nightdesk-") as scratch:
        folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=scratch))
        (folder / _ADDED).unlink(missing_ok=True)
        return _content(folder)


def _register(tracking: Tracking, name: str, run_id: str, uri: str, content: str, bundle: Bundle) -> ModelVersion:
    own = client(tracking)
    if not own.search_registered_models(f"name='{name}'"):
        own.create_registered_model(name)
    known = [int(one.version) for one in _versions(own, name) if one.run_id == run_id]
    if known:
        return ModelVersion(name, str(min(known)), run_id, content)
    tags = {
        "recipe": bundle.manifest.recipe,
        "recipe_content": bundle.manifest.recipe_content,
        "trained_as_of": bundle.manifest.trained_as_of,
        "content": content,
        "skill": "unproven",
    }
    # A server registers a logged model only where it is named beside its URI; a database of our own does not ask.
    made = own.create_model_version(name, source=uri, run_id=run_id, tags=tags, model_id=uri.rsplit("/", 1)[-1])
    return ModelVersion(name, str(made.version), run_id, content)


def _start(tracking: Tracking, run: Run, tags: Mapping[str, str]) -> str:
    """Open a run and write all of it in one batch; it stays running until terminated."""
    from mlflow.entities import Metric, Param, RunTag

    own = client(tracking)
    started = own.create_run(
        _experiment_id(tracking), run_name=run.name, tags={_KEY: run.key, _NIGHT: run.night, **tags}
    )
    now = started.info.start_time
    own.log_batch(
        started.info.run_id,
        metrics=[Metric(name, value, now, 0) for name, value in run.metrics.items()],
        params=[Param(name, value) for name, value in run.parameters.items()],
        tags=[RunTag(name, value) for name, value in run.tags.items()],
    )
    return str(started.info.run_id)


def _recorded(tracking: Tracking, runs: Sequence[Run]) -> dict[str, Any]:
    """Those of `runs` (of one night) that were recorded before, by key.

    What an attempt left open that lost its server in the middle is closed as killed: it is recorded anew.
    """
    if not runs:
        return {}
    keys, finished = {run.key for run in runs}, {}
    for found in _runs(tracking, f"tags.`{_NIGHT}` = '{runs[0].night}'"):
        key = found.data.tags.get(_KEY)
        if key in keys and found.info.status == "FINISHED":
            finished[key] = found
        elif key in keys and found.info.status == "RUNNING":
            client(tracking).set_terminated(found.info.run_id, status="KILLED")
    return finished


def _runs(tracking: Tracking, wanted: str) -> list[Any]:
    return list(client(tracking).search_runs([_experiment_id(tracking)], filter_string=wanted, max_results=5000))


def _experiment_id(tracking: Tracking) -> str:
    return str(client(tracking).get_experiment_by_name(_experiment(tracking)).experiment_id)  # type: ignore[union-attr]


def _experiment(tracking: Tracking) -> str:
    return f"nightdesk-{tracking.realm}"


def _content(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        # Named by their place, and each hashed first: files that change places or borders are another content.
        digest.update(file.relative_to(folder).as_posix().encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def night_tag(realm: str, as_of: dt.date) -> str:
    """How runs name the night they belong to."""
    return f"{realm}/{as_of}"
