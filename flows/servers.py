"""The desk of one machine: Prefect's server and worker and MLflow's server, with the deployments of prefect.yaml."""

from __future__ import annotations

import ipaddress
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from filelock import FileLock, Timeout
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import PREFECT_API_URL, temporary_settings

import flows
from flows.automations import register_automations
from flows.secret_blocks import with_secrets
from nightdesk.concealment import concealed
from nightdesk.errors import BadSetting, ServerTrouble
from nightdesk.home import Home
from nightdesk.operations.environment import QUIET, TRIGGERS
from nightdesk.operations.processes import (
    Record,
    Server,
    Standing,
    standing,
    start,
    stop_all,
    wait_until_healthy,
)
from nightdesk.settings import Settings, settings_file

POOL = "nightdesk"
QUEUES = {"nights": (1, None), "training": (2, 1), "maintenance": (3, 1)}
"""Work queues, each with its priority and how many runs of it may go on at once (None: as many as there are)."""

PREFECT, MLFLOW, WORKER = "prefect", "mlflow", "worker"


def project_root() -> Path:
    """The folder of prefect.yaml, from which deployments run; raises BadSetting where nightdesk came without it."""
    root = Path(next(iter(flows.__path__))).parent
    if not (root / "prefect.yaml").is_file():
        raise BadSetting(f"nightdesk up needs a checkout with prefect.yaml, got none at {root}: clone the repository")
    return root


def prefect_url(settings: Settings) -> str:
    """Where the Prefect server of this desk stands, without a path."""
    return f"http://{settings.servers.host}:{settings.servers.prefect_port}"


def mlflow_url(settings: Settings) -> str:
    """Where the MLflow server of this desk stands."""
    return f"http://{settings.servers.host}:{settings.servers.mlflow_port}"


def exposed(settings: Settings) -> str | None:
    """A warning where the servers can be reached from beyond this machine; None where they cannot."""
    host = settings.servers.host
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, which may stand for any address
        loopback = False
    if loopback:
        return None
    return (
        f"servers.host is {host}, not loopback: whoever reaches it can run flows, answer approvals and change models, "
        "for these servers ask for no password; keep it behind a firewall or a proxy that knows your people"
    )


def exports(settings: Settings) -> dict[str, str]:
    """What a shell must set so that commands in it use the desk's servers.

    A tracking URI that is set already is left out: the shell has it, and it may hold a password.
    """
    api = {"PREFECT_API_URL": f"{prefect_url(settings)}/api", "DO_NOT_TRACK": "true"}
    return api if settings.tracking.uri else {**api, "NIGHTDESK_TRACKING__URI": mlflow_url(settings)}


def servers(settings: Settings) -> list[Server]:
    """The servers of the desk in the order of their start; MLflow is left out where another tracking server is set."""
    home, own = Home(settings.home), settings.servers
    python, api = sys.executable, prefect_url(settings)
    quiet = {**QUIET, "PREFECT_HOME": str(home.prefect), "PREFECT_LOGGING_LEVEL": "INFO"}
    # The UI asks the API where it is told to, whatever port the page came from.
    ui = {
        "PREFECT_UI_URL": api,
        "PREFECT_SERVER_UI_API_URL": f"{api}/api",
        "PREFECT_SERVER_API_PORT": str(own.prefect_port),
        TRIGGERS: "true",
    }
    database = {"PREFECT_API_DATABASE_CONNECTION_URL": own.prefect_database} if own.prefect_database else {}
    serve = ("-m", "prefect", "server", "start", "--host", own.host, "--port", str(own.prefect_port))
    found = [Server(PREFECT, (python, *serve), {**quiet, **ui, **database}, api, f"{api}/api/health")]
    if settings.tracking.uri in (None, mlflow_url(settings)):
        backend = own.mlflow_database or home.tracking_uri
        # Models are not served by the server but reached as files: so the registry reads alike with the desk up and
        # down. What it serves are pages, for browsers.
        artifacts = ("--default-artifact-root", home.artifacts, "--artifacts-destination", home.shown)
        command = ("-m", "mlflow", "server", "--host", own.host, "--port", str(own.mlflow_port), "--workers", "1")
        # Its own job runners would take two gigabytes for what nobody here uses.
        jobs = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        backend_environment = {**quiet, **jobs, "MLFLOW_BACKEND_STORE_URI": backend}
        health = f"{mlflow_url(settings)}/health"
        found.append(Server(MLFLOW, (python, *command, *artifacts), backend_environment, mlflow_url(settings), health))
    work = ("-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process", "--name", "desk")
    of_runs = {"NIGHTDESK_HOME": str(settings.home), "NIGHTDESK_ROOT": str(project_root()), **exports(settings)}
    if (file := settings_file()) is not None:  # runs begin in another folder, and must find the same settings
        of_runs["NIGHTDESK_CONFIG"] = str(file)
    if settings.tracking.uri:
        of_runs["NIGHTDESK_TRACKING__URI"] = settings.tracking.uri
    found.append(Server(WORKER, (python, *work), {**quiet, **ui, **of_runs}, None, None))
    return found


def up(settings: Settings) -> Iterator[tuple[str, Record]]:
    """Start what does not run yet, each once the one before is healthy; yields what was started or ran already.

    Where one cannot start, those that were started are stopped again, and ServerTrouble says why.
    """
    root, project = settings.home, project_root()
    Home(root).prefect.mkdir(parents=True, exist_ok=True)
    with _alone(root):
        alive = {one.record.name: one.record for one in standing(root) if one.alive}
        try:
            for server in servers(settings):
                if server.name == WORKER:
                    deploy(settings, f"{prefect_url(settings)}/api")
                known = alive.get(server.name)
                record = known or start(root, server, project)
                wait_until_healthy(record, settings.servers.start_seconds)
                yield ("runs already" if known else "started"), record
        except (ServerTrouble, OSError):
            if not alive:
                stop_all(root)
            raise


def down(settings: Settings) -> list[str]:
    """Stop every process of the desk, also after a crash; returns what was stopped."""
    with _alone(settings.home):
        return stop_all(settings.home)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Of two that start or stop the desk at once, the second would end what the first has begun."""
    root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root / "desk.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ServerTrouble("only one nightdesk up or down may be at work, and another one is: wait for it") from None
    try:
        yield
    finally:
        lock.release()


def stands(settings: Settings) -> list[Standing | str]:
    """How each server of the desk stands; for one that was never started, its name."""
    known = {one.record.name: one for one in standing(settings.home)}
    return [known.get(server.name, server.name) for server in servers(settings)]


def deploy(settings: Settings, api: str) -> None:
    """Make work pool, queues, the deployments of prefect.yaml and automations on the Prefect server whose API is `api`.

    Done again, it is no harm. Raises ServerTrouble where the server does not take them.
    """
    with temporary_settings({PREFECT_API_URL: api}):
        try:
            with get_client(sync_client=True) as client:
                _make_queues(client)
            _prefect(settings, api, "--no-prompt", "deploy", "--all")
            # The blocks that settings name are on this very server.
            register_automations(with_secrets(settings))
        except httpx.HTTPError as error:
            told = concealed(str(error).splitlines()[0] if str(error) else type(error).__name__)
            raise ServerTrouble(f"the Prefect server must take our deployments, got {told}: see its log") from None


def _make_queues(client: SyncPrefectClient) -> None:
    with suppress(ObjectAlreadyExists):
        # Prefect's own command would have the server look a list of worker types up on the internet.
        from prefect.workers.process import ProcessWorker

        template = ProcessWorker.get_default_base_job_template()
        client.create_work_pool(WorkPoolCreate(name=POOL, type=ProcessWorker.type, base_job_template=template))
    for name, (priority, limit) in QUEUES.items():
        try:
            client.create_work_queue(name, concurrency_limit=limit, priority=priority, work_pool_name=POOL)
        except ObjectAlreadyExists:
            queue = client.read_work_queue_by_name(name, work_pool_name=POOL)
            client.update_work_queue(queue.id, concurrency_limit=limit, priority=priority)


def _prefect(settings: Settings, api: str, *arguments: str) -> None:
    environment = {
        **os.environ,
        **QUIET,
        "PREFECT_HOME": str(Home(settings.home).prefect),
        "PREFECT_API_URL": api,
        "NIGHTDESK_ROOT": str(project_root()),
    }
    command = [sys.executable, "-m", "prefect", *arguments]
    done = subprocess.run(  # noqa: S603  our own commands, no shell
        command, env=environment, cwd=project_root(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = " | ".join((done.stdout + done.stderr).strip().splitlines()[-3:])
        raise ServerTrouble(
            f"prefect {' '.join(arguments)} must succeed, got exit code {done.returncode}: {concealed(said)}"
        )
