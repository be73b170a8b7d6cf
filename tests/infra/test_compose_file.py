"""docker-compose.yml against the code: every key, command, variable, port, user and file of it, without Docker."""

from __future__ import annotations

import copy
import functools
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import compose_file
import jsonschema
import mlflow.environment_variables
import pytest
import yaml
from mlflow.server.security_utils import is_allowed_host_header
from prefect.settings import Settings as PrefectSettings
from prefect.settings.legacy import _get_valid_setting_names

from nightdesk.operations.environment import QUIET
from nightdesk.settings import _NOT_SETTINGS, Settings, documented

ROOT = compose_file.ROOT
IMAGES = ROOT / "infra" / "images"
SECRETS = {"POSTGRES_PASSWORD": "a", "MINIO_ROOT_USER": "b", "MINIO_ROOT_PASSWORD": "c"}
SECRET = re.compile(r"PASSWORD|SECRET|ACCESS_KEY|ROOT_USER|TOKEN")
REQUIRED = re.compile(r"\$\{\w+:\?[^}]+\}")
PINNED = re.compile(r"[a-z0-9-]+(/[a-z0-9-]+)?:(?!latest)[\w.-]*\d[\w.-]*")
DURATION = {"type": "string", "pattern": r"^\d+(s|m)$"}
TEXTS = {"type": "array", "items": {"type": "string"}, "minItems": 1}

# Of the Compose specification what the file uses, as the specification has it, and not a key more.
SERVICE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["image", "cap_drop", "security_opt", "restart", "environment"],
    "properties": {
        "image": {"type": "string"},
        "build": {
            "type": "object",
            "additionalProperties": False,
            "required": ["context", "dockerfile"],
            "properties": {"context": {"type": "string"}, "dockerfile": {"type": "string"}},
        },
        "user": {"type": "string"},
        "command": TEXTS,
        "read_only": {"type": "boolean"},
        "init": {"type": "boolean"},
        "tmpfs": TEXTS,
        "cap_drop": TEXTS,
        "security_opt": TEXTS,
        "restart": {"type": "string", "pattern": r"^(no|always|unless-stopped|on-failure(:\d+)?)$"},
        "shm_size": {"type": "string", "pattern": r"^\d+(kb|mb|gb)$"},
        "stop_grace_period": DURATION,
        # Texts alone: YAML reads a bare true or 4200 as something that is no text, and programs read it otherwise.
        "environment": {"type": "object", "additionalProperties": {"type": "string"}},
        "env_file": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["path"],
                "properties": {"path": {"type": "string"}, "required": {"type": "boolean"}},
            },
        },
        "ports": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        "volumes": {"type": "array", "items": {"type": "string", "pattern": r"^[\w./-]+:/[\w./-]+(:ro)?$"}},
        "depends_on": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["condition"],
                "properties": {"condition": {"enum": ["service_healthy", "service_completed_successfully"]}},
            },
        },
        "healthcheck": {
            "type": "object",
            "additionalProperties": False,
            "required": ["test", "interval", "timeout", "retries", "start_period"],
            "properties": {
                "test": {**TEXTS, "contains": {"const": "CMD"}},
                "interval": DURATION,
                "timeout": DURATION,
                "start_period": DURATION,
                "retries": {"type": "integer", "minimum": 1},
            },
        },
    },
}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "services", "volumes"],
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"},
        "services": {"type": "object", "additionalProperties": SERVICE},
        "volumes": {"type": "object", "additionalProperties": {"type": "null"}},
    },
    "patternProperties": {"^x-": {}},
}

Document = dict[str, Any]


@functools.cache
def _raw() -> Document:
    return yaml.safe_load(compose_file.FILE.read_text(encoding="utf-8"))


@pytest.fixture
def raw() -> Document:
    """The file as it is written, its variables not filled in; a copy that a test may spoil."""
    return copy.deepcopy(_raw())


# What a check finds wrong, a line each: none for the file, and a test below spoils it to see that each check sees.


def wrong_keys(raw: Document) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(raw)]


def wrong_images(raw: Document) -> list[str]:
    found = [f"{name}: tag" for name, one in raw["services"].items() if not PINNED.fullmatch(one["image"])]
    for name, one in raw["services"].items():
        build = one.get("build")
        if build and not (ROOT / build["context"] / build["dockerfile"]).is_file():
            found.append(f"{name}: no {build['dockerfile']}")
        if not build and one["image"].startswith("nightdesk"):
            found.append(f"{name}: {one['image']} is built nowhere")
    return found


def wrong_users(raw: Document) -> list[str]:
    found = []
    for name, one in raw["services"].items():
        user = one.get("user") or (users(ROOT / one["build"]["dockerfile"])[-1:] or ["root"])[0]
        if user.split(":")[0] in ("", "0", "root"):
            found.append(f"{name}: runs as root")
        if one["cap_drop"] != ["ALL"] or one["security_opt"] != ["no-new-privileges:true"]:
            found.append(f"{name}: may become more than it is")
    return found


def wrong_ports(raw: Document) -> list[str]:
    given = compose_file._filled_in(raw, SECRETS)["services"]
    return [
        f"{name}: {port}"
        for name, one in given.items()
        for port in one.get("ports", ())
        if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)
    ]


def wrong_secrets(raw: Document) -> list[str]:
    found = []
    for name, one in raw["services"].items():
        for variable, value in one["environment"].items():
            if SECRET.search(variable) and not REQUIRED.fullmatch(value):
                found.append(f"{name}: {variable} is no needed variable")
            if re.search(r"://[^/@\s]*:[^/@\s]*@", value):
                found.append(f"{name}: {variable} has a password in its URL")
    return found


def wrong_ends(raw: Document) -> list[str]:
    """Services that neither tell their health nor end, and such as others wait for in the wrong way."""
    services, found = raw["services"], []
    for name, one in services.items():
        lasting = one["restart"] in ("always", "unless-stopped")
        if lasting != ("healthcheck" in one):
            found.append(f"{name}: neither healthy nor done")
        for other, how in one.get("depends_on", {}).items():
            wanted = "service_healthy" if "healthcheck" in services.get(other, {}) else "service_completed_successfully"
            if other not in services or how["condition"] != wanted:
                found.append(f"{name}: waits for {other} in vain")
    return found


def wrong_hosts(raw: Document) -> list[str]:
    """Addresses of services that are none, or that may not be up yet."""
    services = raw["services"]

    def before(name: str) -> set[str]:
        needs = set(services[name].get("depends_on", {}))
        return needs.union(*(before(one) for one in needs))

    found = []
    for name, one in services.items():
        for variable, value in one["environment"].items():
            host = re.search(r"(?:://|@)(?:\w+@)?([a-z]\w*):\d+", value)
            if host and host[1] not in before(name) and (name, host[1]) not in UNASKED:
                found.append(f"{name}: {variable} names {host[1]}")
    return found


UNASKED = (("deployments", "mlflow"), ("deployments", "minio"))
"""What registers the deployments shares the settings of what runs them, and asks neither."""


def wrong_volumes(raw: Document) -> list[str]:
    used, found = set(), []
    for name, one in raw["services"].items():
        for volume in one.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("."):
                found += [] if (ROOT / source).is_file() and volume.endswith(":ro") else [f"{name}: {volume}"]
            else:
                used.add(source)
    return found + sorted(used ^ set(raw["volumes"]))


def wrong_variables(raw: Document) -> list[str]:
    return [
        f"{name}: {variable}"
        for name, one in raw["services"].items()
        for variable in one["environment"]
        if not known(variable)
    ]


def loud(raw: Document) -> list[str]:
    ours = {name: one for name, one in raw["services"].items() if one["image"].startswith("nightdesk:")}
    return [name for name, one in ours.items() if not QUIET.items() <= one["environment"].items()]


@functools.cache
def known(variable: str) -> bool:
    """Whether the program that a variable is for reads it."""
    if variable.startswith("NIGHTDESK_"):
        ours = {name for _, name, _, _ in documented(Settings())} | {f"NIGHTDESK_{n}".upper() for n in _NOT_SETTINGS}
        return variable in ours
    if variable.startswith("PREFECT_"):
        return variable in _get_valid_setting_names(PrefectSettings)
    if variable.startswith("MLFLOW_"):
        named = vars(mlflow.environment_variables).get(variable)
        return named is not None or reads("mlflow", variable)
    if variable in OF_IMAGES or variable == "HOME":
        return True
    library = next((name for prefix, name in READ_BY.items() if variable.startswith(prefix)), None)
    return library is not None and reads(library, variable)


OF_IMAGES = {
    *("POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"),
    *("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", "MINIO_UPDATE", "MC_CONFIG_DIR"),
}
"""What the images of PostgreSQL and MinIO document: no code of theirs is here to be asked."""

READ_BY = {"AWS_": "botocore", "PGPASSWORD": "asyncpg", "MPLCONFIGDIR": "matplotlib", "NUMBA_": "numba"}
# Great Expectations has no analytics left to switch off; we say no all the same.
READ_BY |= {"DO_NOT_TRACK": "prefect", "GX_": "nightdesk"}


def reads(library: str, variable: str) -> bool:
    """Whether the sources of an installed library name a variable; numba's own leave its prefix out."""
    found = importlib.util.find_spec(library)
    assert found is not None
    assert found.submodule_search_locations
    name = variable.removeprefix("NUMBA_")
    # botocore's data are big, and are not code.
    for file in Path(found.submodule_search_locations[0]).rglob("*.py"):
        if re.search(rf"""["']{name}["']""", file.read_text(encoding="utf-8", errors="replace")):
            return True
    return False


CHECKS: list[Callable[[Document], list[str]]] = [
    *(wrong_keys, wrong_images, wrong_users, wrong_ports, wrong_secrets, wrong_ends, wrong_hosts, wrong_volumes),
    *(wrong_variables, loud),
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_nothing_is_wrong_with_the_file(raw: Document, check: Callable[[Document], list[str]]) -> None:
    assert check(raw) == []


def spoil(service: str, **changes: Any) -> Callable[[Document], None]:
    return lambda raw: raw["services"][service].update(changes)


def spoil_variable(service: str, variable: str, value: str) -> Callable[[Document], None]:
    return lambda raw: raw["services"][service]["environment"].update({variable: value})


@pytest.mark.parametrize(
    ("check", "spoiled"),
    [
        (wrong_keys, spoil("worker", comand=["prefect"])),
        (wrong_keys, spoil("worker", restart="sometimes")),
        (wrong_keys, spoil_variable("worker", "X", 4200)),  # type: ignore[arg-type]
        (wrong_images, spoil("postgres", image="postgres:latest")),
        (wrong_images, spoil("postgres", image="registry.example/postgres:17.6")),
        (wrong_images, spoil("minio", build={"context": ".", "dockerfile": "infra/images/none.Dockerfile"})),
        (wrong_users, spoil("postgres", user="root")),
        (wrong_users, spoil("worker", cap_drop=[])),
        (wrong_ports, spoil("mlflow", ports=["5000:5000"])),
        (wrong_ports, spoil("mlflow", ports=["${PUBLISH_ADDRESS:-0.0.0.0}:5000:5000"])),
        (wrong_secrets, spoil_variable("postgres", "POSTGRES_PASSWORD", "postgres")),
        (wrong_secrets, spoil_variable("postgres", "POSTGRES_PASSWORD", "${POSTGRES_PASSWORD:-postgres}")),
        (wrong_secrets, spoil_variable("worker", "NIGHTDESK_STORE__URL", "postgresql+psycopg://a:b@postgres:5432/c")),
        (wrong_ends, spoil("buckets", restart="always")),
        (wrong_ends, spoil("mlflow", depends_on={"buckets": {"condition": "service_healthy"}})),
        (wrong_hosts, spoil_variable("worker", "NIGHTDESK_TRACKING__URI", "http://tracking:5000")),
        (wrong_hosts, spoil("mlflow", depends_on={"postgres": {"condition": "service_healthy"}})),
        (wrong_volumes, spoil("minio", volumes=["things:/data"])),
        (wrong_volumes, spoil("postgres", volumes=["database:/var", "./infra/none.sql:/x.sql:ro"])),
        (wrong_variables, spoil_variable("worker", "NIGHTDESK_STORE__FEATURE", "s3://features")),
        (wrong_variables, spoil_variable("prefect", "PREFECT_API_DATABASE_URL", "x")),
        (wrong_variables, spoil_variable("mlflow", "MLFLOW_BACKEND_URI", "x")),
        (wrong_variables, spoil_variable("mlflow", "AWS_ENDPOINT", "x")),
        (loud, spoil_variable("worker", "DO_NOT_TRACK", "1")),
    ],
)
def test_what_is_wrong_would_be_seen(
    raw: Document, check: Callable[[Document], list[str]], spoiled: Callable[[Document], None]
) -> None:
    spoiled(raw)
    assert check(raw) != []


@pytest.mark.parametrize("missing", SECRETS)
def test_nothing_starts_without_its_secrets(missing: str) -> None:
    for value in ({}, {missing: ""}):
        with pytest.raises(compose_file.NotSet, match=missing):
            compose_file.services({**{name: one for name, one in SECRETS.items() if name != missing}, **value})


def test_the_example_names_every_variable_and_holds_no_secret() -> None:
    example = (ROOT / "infra" / "compose.env.example").read_text(encoding="utf-8")
    given = dict(line.partition("=")[::2] for line in example.splitlines() if line and not line.startswith("#"))
    assert given == dict.fromkeys(SECRETS, "")
    used = set(re.findall(r"\$\{(\w+)", compose_file.FILE.read_text(encoding="utf-8")))
    assert used == set(re.findall(r"^#? ?([A-Z_]+)=", example, flags=re.MULTILINE))
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {".env", "nightdesk.env"} <= set(ignored)


def test_published_elsewhere_the_pages_are_told_where_they_are() -> None:
    given = {**SECRETS, "PUBLISH_ADDRESS": "10.0.0.7", "PUBLISH_NAME": "desk.example", "PUBLISH_PREFECT": "80"}
    found = {one.name: one for one in compose_file.services(given)}
    assert found["prefect"].ports == (("10.0.0.7", 80, 4200),)
    assert found["prefect"].environment["PREFECT_SERVER_UI_API_URL"] == "http://desk.example:80/api"
    assert found["worker"].environment["PREFECT_UI_URL"] == "http://desk.example:80"


@pytest.mark.parametrize(
    ("host", "answers"),
    [
        ("mlflow:5000", True),
        ("127.0.0.1:5000", True),
        ("localhost:15000", True),
        ("desk.example:5000", True),
        ("evil.example:5000", False),
    ],
)
def test_mlflow_answers_to_the_names_by_which_it_is_found_and_to_no_other(host: str, answers: bool) -> None:
    given = {one.name: one for one in compose_file.services({**SECRETS, "PUBLISH_NAME": "desk.example"})}
    allowed = given["mlflow"].environment["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert is_allowed_host_header(allowed, host) is answers


def commands() -> dict[str, list[str]]:
    """Commands of our image, by service, and those of its health checks."""
    ours = [one for one in compose_file.services(SECRETS) if one.image.startswith("nightdesk:")]
    return {one.name: list(one.command) for one in ours}


@pytest.mark.slow
@pytest.mark.parametrize("service", ["prefect", "mlflow", "deployments", "worker"])
def test_a_command_is_there_and_knows_its_arguments(service: str) -> None:
    program, *arguments = commands()[service]
    executable = Path(sys.executable).with_name(program)
    done = subprocess.run([executable, *arguments, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Usage" in done.stdout
    told = done.stdout
    assert [word for word in arguments if word.startswith("--") and word not in told] == []


def test_scripts_of_a_command_are_in_the_image() -> None:
    program, script, *_ = commands()["buckets"]
    assert program == "python"
    assert script.startswith("/opt/nightdesk/")
    file = script.removeprefix("/opt/nightdesk/")
    assert (ROOT / file).is_file()
    assert let_in(file)


def test_health_checks_of_ours_are_python_that_compiles() -> None:
    for one in compose_file.services(SECRETS):
        if one.health and one.image.startswith("nightdesk:"):
            program, option, code = one.health
            assert (program, option) == ("python", "-c")
            compile(code, one.name, "exec")
            port = re.search(r"127\.0\.0\.1:(\d+)", code)
            assert port
            assert port[1] in (*one.command, *one.environment.values())


def instructions(file: Path) -> list[tuple[str, str]]:
    """Instructions of a Dockerfile as (name, rest), continued lines joined."""
    text = re.sub(r"\\\n\s*", "", file.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name.upper(), rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


def users(file: Path) -> list[str]:
    """Users that the last stage of a Dockerfile names."""
    found = instructions(file)
    last = max(number for number, (name, _) in enumerate(found) if name == "FROM")
    return [rest for name, rest in found[last:] if name == "USER"]


def let_in(file: str) -> bool:
    """Whether .dockerignore, which shuts out everything and lets some in, lets a file of ours in."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    hidden = any(part.startswith(".") for part in Path(file).parts)
    return not hidden and any(
        file == one or file.startswith(f"{one}/") for one in (x[1:] for x in lines if x[:1] == "!")
    )


@pytest.mark.parametrize("file", sorted(IMAGES.glob("*.Dockerfile")), ids=lambda file: file.stem)
def test_an_image_is_built_in_stages_from_pinned_ones_and_runs_as_nobody_special(file: Path) -> None:
    given = instructions(file)
    assert {name for name, _ in given} <= {"FROM", "RUN", "COPY", "ENV", "WORKDIR", "USER"}
    stages: list[str] = []
    for name, rest in given:
        if name == "FROM":
            image, *named = rest.split()
            assert PINNED.fullmatch(image), image
            stages += named[1:]
        elif name == "COPY":
            source, *paths = rest.split()
            if source.startswith("--from="):
                assert source.removeprefix("--from=") in stages
            else:
                assert all((ROOT / path).exists() for path in (source, *paths[:-1]))
        elif name == "RUN" and "pip install" in rest:
            assert "-c infra/constraints.txt" in rest
        elif name == "RUN" and "apt-get install" in rest:
            assert "--no-install-recommends" in rest
    assert len([name for name, _ in given if name == "FROM"]) > 1
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", users(file)[-1])
    assert given[-1][0] == "USER"
    assert not SECRET.search(file.read_text(encoding="utf-8"))


def test_the_image_gets_all_that_nightdesk_is_made_of_and_nothing_of_this_machine() -> None:
    project = ["pyproject.toml", "README.md", "LICENSE", "prefect.yaml", "infra/constraints.txt", "infra/buckets.py"]
    project += ["flows/cli.py", "tasks/stage.py", "platform/nightdesk/settings.py", "infra/automations/incidents.yaml"]
    project += ["infra/migrations/env.py", "platform/nightdesk/report/night.html.jinja"]
    assert [file for file in project if not (ROOT / file).is_file() or not let_in(file)] == []
    for file in (".env", "nightdesk.env", ".git/config", ".nightdesk/store.db", "tests/conftest.py", "infra/.env"):
        assert not let_in(file), file
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "**/.*" in lines[lines.index("*") :]


def test_postgresql_makes_the_databases_that_are_named() -> None:
    script = (IMAGES / "databases.sql").read_text(encoding="utf-8")
    given = {one.name: one for one in compose_file.services(SECRETS)}
    made = {given["postgres"].environment["POSTGRES_DB"], *re.findall(r"CREATE DATABASE (\w+);", script)}
    used = {
        found[1]
        for one in given.values()
        for value in one.environment.values()
        if (found := re.search(r"@postgres:5432/(\w+)$", value))
    }
    assert made == used


def test_the_buckets_that_are_named_are_made() -> None:
    given = {one.name: one for one in compose_file.services(SECRETS)}
    texts = [text for one in given.values() for text in (*one.command, *one.environment.values())]
    used = {found[1] for text in texts if (found := re.match(r"s3://([a-z]+)", text))}
    assert used == set(given["buckets"].command[2:])


def test_the_file_follows_the_schema_of_the_compose_specification(raw: Document) -> None:
    package = importlib.util.find_spec("check_jsonschema")
    if package is None or package.origin is None:
        pytest.skip("no schema of the specification itself: install check-jsonschema, which brings it")
    schema = Path(package.origin).parent / "builtin_schemas" / "vendor" / "compose-spec.json"
    follows = jsonschema.Draft202012Validator(json.loads(schema.read_text(encoding="utf-8")))
    assert [error.message for error in follows.iter_errors(raw)] == []
    raw["services"]["worker"]["comand"] = ["prefect"]
    assert list(follows.iter_errors(raw)) != []
