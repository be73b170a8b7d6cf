"""One typed settings object: `nightdesk.toml`, then environment `NIGHTDESK_*`, then the defaults given here."""

from __future__ import annotations

import datetime as dt
import difflib
import logging
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from nightdesk.concealment import SECRET_NAME, STARS, know, know_mapping, know_url
from nightdesk.concealment import without_password as without_password
from nightdesk.errors import BadSetting

FILE = "nightdesk.toml"

Horizon = Annotated[int, Field(ge=1, le=60)]


MASK = "**********"
"""What is shown in the place of a secret."""

_URL = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)[^\s'\"]*")

REFERENCE = "prefect-secret://"
"""How a value begins that names a secret block of Prefect's in the place of the secret itself; flows look it up."""

_SECRET_GROUPS = ("alerts", "store", "tracking", "source", "markets", "tuning")
"""Groups whose values may hold secrets: what does not hold there is told without its value."""

_NOT_SETTINGS = ("config", "root", "started_by", "desk", "desk_server")
"""Variables of ours that are no settings: the settings file, the root of deployments, who started a child, its desk."""


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceSettings(_Group):
    """Where bars come from."""

    name: str = Field("sample", description="Source of bars: a name from the registry of sources")
    options: dict[str, Any] = Field({}, repr=False, description="Options of that source, as its factory takes them")


class MarketSettings(_Group):
    """A market beside the lead, on its own calendar and in its own currency."""

    name: str = Field(
        pattern="^[a-z][a-z0-9-]{0,31}$", description="What it is called: its rows are kept under that name"
    )
    source: str = Field(description="Source of its bars: a name from the registry of sources")
    options: dict[str, Any] = Field({}, repr=False, description="Options of that source, as its factory takes them")


class StoreSettings(_Group):
    """Where rows are kept."""

    url: str | None = Field(
        None, repr=False, description="SQLAlchemy URL of the store; none: SQLite in the home folder"
    )
    features: str | None = Field(
        None,
        description="Bucket of the feature store, s3://bucket/prefix, opened by AWS_* variables; none: at home",
    )

    @field_validator("features")
    @classmethod
    def _in_a_bucket(cls, features: str | None) -> str | None:
        if features is not None and not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w.=-]+)*/?", features):
            raise ValueError("it must be s3://bucket or s3://bucket/prefix, without keys: those are AWS_* variables")
        return None if features is None else features.rstrip("/")


class QualitySettings(_Group):
    """When a batch of data stops the night."""

    max_broken_share: float = Field(
        0.01, ge=0, le=1, description="Largest share of broken rows in a batch, as a fraction"
    )
    min_symbol_share: float = Field(
        0.8, ge=0, le=1, description="Smallest share of the symbols of the day before that a day must have"
    )
    handful: int = Field(
        5, ge=0, description="Broken rows, or symbols less, that stop no night unless they are more than half of all"
    )
    ohlc_tolerance: float = Field(
        1e-4, ge=0, le=0.1, description="Rounding within which open, high, low and close may be out of order"
    )
    large_move: float = Field(0.35, gt=0, le=1, description="Return from close to close from which a move is noted")
    stale_days: int = Field(5, ge=2, le=60, description="Equal closes in a row, with volume, that are noted")
    price_error: float = Field(
        0.08, gt=0, le=1, description="Return that, taken back by the next bar, is noted as a suspected wrong price"
    )
    action_gap: float = Field(
        0.1, gt=0, le=1, description="Overnight return beyond the market's from which a split or spin-off is suspected"
    )
    action_confidence: float = Field(0.5, ge=0, le=1, description="Confidence from which that suspicion is told")
    look_back_days: int = Field(
        60, ge=5, le=250, description="Trading days before a batch that its checks compare it to"
    )


class UniverseSettings(_Group):
    """Which symbols are forecast and ranked; models learn from all of them."""

    rule: Literal["all", "members", "top_n"] = Field(
        "all",
        description="all: every symbol with bars; members: of the newest lists known; top_n: by money traded",
    )
    n: int = Field(500, ge=1, le=100_000, description="Symbols of rule top_n, in each market")
    window: int = Field(
        1000, ge=1, le=10_000, description="Trading days up to the as-of day over which rule top_n adds money traded"
    )


class TablesSettings(_Group):
    """From when rows of `nightdesk ingest` count as known."""

    fundamentals_lag_days: int = Field(
        90, ge=0, le=1000, description="Days from a period's end to its filing, where no filing date is known"
    )
    factors_lag_days: int = Field(
        60, ge=0, le=1000, description="Days from a month's end to the release of its factor returns"
    )


class FeatureSettings(_Group):
    """Which features a night builds, and models learn from; `nightdesk features` lists them."""

    groups: tuple[str, ...] = Field(
        ("nightly",), description="Groups built; nightly: the usual 20 and your own; all: every one that is registered"
    )
    windows: tuple[int, ...] = Field(
        (), description="Lengths in bars: of these groups, only features with one of them or with none; empty: any"
    )
    add: tuple[str, ...] = Field((), description="Features built besides, by name")
    leave_out: tuple[str, ...] = Field((), description="Features or groups not built after all")
    cross_sections: tuple[str, ...] = Field(
        (), description="Beside each chosen feature, where it stands among members: rank, z_score, sector_neutral"
    )


class TrainingSettings(_Group):
    """When and how models are trained."""

    recipes: tuple[str, ...] = Field(("ridge", "lightgbm"), description="Recipes fitted at each training")
    retrain_after: int = Field(
        6, ge=1, description="Trading days after which a night fits the recipes again; the weekly retrain is sooner"
    )
    folds: int = Field(4, ge=1, le=20, description="Test blocks of the purged walk-forward")
    first_train: int = Field(504, ge=60, description="Trading days before the first test block")
    every: int = Field(5, ge=1, description="Train on each such trading day: overlapping labels repeat themselves")
    threads: int = Field(0, ge=0, description="Threads of a fit; 0: one for each core")
    seed: int = Field(20130208, ge=0, description="Seed of every random choice")


class TuningSettings(_Group):
    """How recipes are tuned: by `nightdesk tune`, before the weekly retrain, and on the first night."""

    profile: Literal["quick", "full"] = Field(
        "quick", description="Of nightdesk tune. quick: a few trials within two minutes; full: twenty within ten"
    )
    weekly: Literal["full", "quick", "none"] = Field(
        "full", description="Profile with which a retrain searches before it fits; none: it does not search"
    )
    first_night: Literal["quick", "none"] = Field(
        "quick", description="Profile with which a night searches at horizons where nobody is served; none: it does not"
    )
    all_seconds: float | None = Field(
        None, gt=0, description="Seconds that all searches of one night or retrain share; none: the profile's"
    )
    trials: int | None = Field(
        None, ge=1, le=10_000, description="Trials of a study, earlier starts included; none: the profile's"
    )
    seconds: float | None = Field(
        None, gt=0, description="Seconds after which a start ends with what was done; none: the profile's"
    )
    workers: int = Field(1, ge=1, le=64, description="Processes that make trials, with one thread each")
    kept_blocks: int = Field(
        1, ge=1, le=19, description="Newest of training.folds that no trial sees: the winner is judged there"
    )
    core_hour_price: float = Field(0.0, ge=0, description="What an hour of one core costs, in any currency; 0: nothing")
    cost_limit: float | None = Field(
        None, gt=0, description="Cost at which a start ends with what was done, in the same currency; none: no limit"
    )
    storage: str | None = Field(
        None,
        repr=False,
        description="URL of studies (postgresql+psycopg://); none: beside the store if PostgreSQL, or at home",
    )


class EnsembleSettings(_Group):
    """Several of a night's models as one, and the intervals that all of them promise."""

    members: tuple[str, ...] | None = Field(
        None,
        description="Recipes of training.recipes that are weighed together, two or more; none: all of them; "
        "[]: no ensemble",
    )
    weights: dict[str, float] = Field(
        {}, description="Weight of each member, 0 or more; empty: evidence chooses the way of weighing"
    )
    coverage: float = Field(
        0.9, ge=0.5, le=0.99, description="Share of returns that the intervals of a forecast promise to hold"
    )


class EvaluationSettings(_Group):
    """What may be looked at."""

    sealed_from: dt.date | None = Field(
        None, description="Day from which on no walk-forward or look scores, unless unsealed with a reason; none: open"
    )


class PromotionSettings(_Group):
    """Who lets a model serve."""

    approval: Literal["automatic", "manual"] = Field(
        "automatic", description="automatic: a model that passes its gates serves; manual: a person is asked first"
    )
    replace: Literal["evidence", "backtest"] = Field(
        "evidence",
        description="What lets another recipe replace the served one. evidence: forecasts logged before the outcome; "
        "backtest: also a better walk-forward, which luck passes easily, and every page says so",
    )
    approval_wait_s: int = Field(
        3600, ge=1, le=86_400, description="Seconds a night waits for an answer; unanswered, the champion stays"
    )


class RecommendSettings(_Group):
    """The limits that suggested sizes keep to."""

    capital: float = Field(
        1_000_000.0, gt=0, le=1e12, description="What may be invested, in the currency of the lead market"
    )
    positions: int = Field(20, ge=1, le=500, description="Names held at most")
    max_weight: float = Field(0.1, gt=0, le=1, description="Largest share of the capital in one name")
    max_sector_weight: float = Field(0.3, gt=0, le=1, description="Largest share of the capital in one sector")
    max_participation: float = Field(
        0.01, gt=0, le=1, description="Largest share of the money traded a day in a name that a position may be"
    )
    max_turnover: float = Field(
        0.3, gt=0, le=2, description="Bought and sold in a night over the capital, where holdings are known"
    )
    volatility_target: float = Field(
        0.15, gt=0, le=5, description="Annualised volatility that the suggested book keeps to, as a fraction"
    )
    holdings: Path | None = Field(
        None, description="File of what is held, CSV or JSON: symbol, shares, perhaps cost; none: nothing is known"
    )

    @field_validator("holdings")
    @classmethod
    def _where_it_stands_now(cls, holdings: Path | None) -> Path | None:
        # A worker that starts a night stands elsewhere.
        return None if holdings is None else holdings.expanduser().absolute()


class TrackingSettings(_Group):
    """Where runs and models are recorded."""

    uri: str | None = Field(None, repr=False, description="MLflow tracking URI; none: SQLite in the home folder")


class ServersSettings(_Group):
    """The servers that `nightdesk up` starts on this machine."""

    host: str = Field("127.0.0.1", description="Address on which they listen; beyond loopback anybody can reach them")
    prefect_port: int = Field(4200, ge=1, le=65535, description="Port of the Prefect server")
    mlflow_port: int = Field(5000, ge=1, le=65535, description="Port of the MLflow server")
    prefect_database: str | None = Field(
        None,
        repr=False,
        description="Database URL of the Prefect server (postgresql+asyncpg://); none: SQLite in the home folder",
    )
    mlflow_database: str | None = Field(
        None,
        repr=False,
        description="Database URL of the MLflow server (postgresql+psycopg://); none: SQLite in the home folder",
    )
    start_seconds: float = Field(180, gt=0, description="How long a server may take to answer after its start")


class AlertSettings(_Group):
    """Who is told when something is wrong."""

    urls: tuple[SecretStr, ...] = Field(
        (), description="Apprise URLs of the channels, a JSON list: json://, mailtos://, slack:// and others; secret"
    )
    timeout_seconds: float = Field(
        10, gt=0, le=60, description="Longest wait for all channels together, each time that messages leave"
    )

    @field_validator("urls")
    @classmethod
    def _known_to_apprise(cls, urls: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if urls:
            from apprise import Apprise  # a third of a second, for those alone who have channels

            logging.getLogger("apprise").disabled = True  # it would show what it cannot read
            for number, url in enumerate(urls, 1):
                text = url.get_secret_value()
                if not text.startswith(REFERENCE) and not Apprise.instantiate(text):
                    raise ValueError(f"number {number} must be a URL that Apprise knows: see its list of services")
        return urls


class Settings(BaseSettings):
    """All settings of nightdesk; each can be set in `nightdesk.toml` or as `NIGHTDESK_GROUP__NAME`."""

    model_config = SettingsConfigDict(
        env_prefix="NIGHTDESK_",
        env_nested_delimiter="__",
        toml_file=FILE,
        extra="forbid",
        frozen=True,
    )

    home: Path = Field(Path(".nightdesk"), description="Folder of all state")
    horizons: tuple[Horizon, ...] = Field((5, 20), description="Forecast horizons, in trading days, 1 to 60")
    top: int = Field(10, ge=1, le=500, description="Length of the ranking shown in summary and report")
    source: SourceSettings = SourceSettings()
    markets: tuple[MarketSettings, ...] = Field(
        (), description="Markets beside the source's own, which leads: name, source and options of each"
    )
    store: StoreSettings = StoreSettings()
    quality: QualitySettings = QualitySettings()
    universe: UniverseSettings = UniverseSettings()
    tables: TablesSettings = TablesSettings()
    features: FeatureSettings = FeatureSettings()
    training: TrainingSettings = TrainingSettings()
    tuning: TuningSettings = TuningSettings()
    ensemble: EnsembleSettings = EnsembleSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    promotion: PromotionSettings = PromotionSettings()
    recommend: RecommendSettings = RecommendSettings()
    tracking: TrackingSettings = TrackingSettings()
    servers: ServersSettings = ServersSettings()
    alerts: AlertSettings = AlertSettings()

    @field_validator("horizons")
    @classmethod
    def _sorted_and_unique(cls, horizons: tuple[int, ...]) -> tuple[int, ...]:
        if not horizons:
            raise ValueError("at least one horizon is needed")
        return tuple(sorted(set(horizons)))

    @field_validator("markets")
    @classmethod
    def _named_once(cls, markets: tuple[MarketSettings, ...]) -> tuple[MarketSettings, ...]:
        names = [market.name for market in markets]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"each market must have a name of its own: {', '.join(twice)} is there twice")
        return markets

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, the environment over the file named by NIGHTDESK_CONFIG."""
        file = os.environ.get("NIGHTDESK_CONFIG", FILE)
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)


def settings_file() -> Path | None:
    """The file that settings are read from, absolute; None where there is none."""
    file = Path(os.environ.get("NIGHTDESK_CONFIG", FILE))
    return file.absolute() if file.is_file() else None


def read_settings() -> Settings:
    """Read settings from file and environment; only entry points call this.

    Raises BadSetting with one line for each value that does not hold.
    """
    file = os.environ.get("NIGHTDESK_CONFIG")
    if file is not None and not Path(file).is_file():
        raise BadSetting(f"NIGHTDESK_CONFIG must name a file, got {file!r}: there is none")
    try:
        settings = Settings()
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}, got {_told(e)}" for e in error.errors()]
        raise BadSetting("settings do not hold: " + "; ".join(lines)) from None
    except SettingsError as error:
        raise BadSetting(f"settings do not hold: {_not_json(error)}: write a list as [5, 20]") from None
    except tomllib.TOMLDecodeError as error:
        raise BadSetting(f"settings must be TOML, got {file or FILE}: {error}") from None
    _refuse_unknown_variables(settings)
    know_secrets(settings)
    return settings.model_copy(update={"home": settings.home.expanduser().absolute()})


def know_secrets(settings: Settings) -> None:
    """Hide the secrets in `settings` and in the environment from now on, wherever this process conceals."""
    urls = (settings.store.url, settings.tracking.uri, settings.servers.prefect_database)
    for url in filter(None, (*urls, settings.servers.mlflow_database, settings.tuning.storage)):
        know_url(url)
    for options in (settings.source.options, *(market.options for market in settings.markets)):
        know_mapping(options)
    for channel in settings.alerts.urls:
        know(*_secret_parts(channel.get_secret_value()))
    # Some other program's variable may be called so and hold an ordinary word: of those, only long ones.
    know_mapping({name: value for name, value in os.environ.items() if len(value) >= _LONG_ENOUGH})


_LONG_ENOUGH = 8
_TOKEN = 12
"""From this length on, a part of a channel's path is taken for a token: of a webhook the path is the password."""


def _secret_parts(channel: str) -> set[str]:
    """The parts of an Apprise URL that Apprise itself does not show, and what looks like a token in its path."""
    from apprise import Apprise

    sender = Apprise.instantiate(channel)
    if not sender:
        return set()
    know_url(channel)
    shown = str(sender.url(privacy=True))  # type: ignore[no-untyped-call]
    hidden = {part for part in re.split(r"[/:@?&=#+,]", channel) if part not in shown}
    tokens = {part for part in urlsplit(channel).path.split("/") if len(part) >= _TOKEN}
    return {part for part in hidden if len(part) >= _LONG_ENOUGH} | tokens


def _told(error: Any) -> str:
    """A value that does not hold, as it may be shown: whatever is or looks like a URL may hold a secret."""
    group, name, value = error["loc"][0], str(error["loc"][-1]), error["input"]
    # A whole group, misspelt or in the wrong place, may be that of a secret.
    secret = group in _SECRET_GROUPS or SECRET_NAME.search(name) or "database" in name or isinstance(value, dict)
    return MASK if secret else _URL.sub(rf"\1{MASK}", repr(value))


def _not_json(error: SettingsError) -> str:
    """Which variable could not be read as JSON: the error names its group at most, its cause holds the text."""
    got = getattr(error.__cause__, "doc", None)
    named = sorted(name for name, value in os.environ.items() if name.upper().startswith("NIGHTDESK_") and value == got)
    groups = tuple(f"NIGHTDESK_{group.upper()}" for group in (*_SECRET_GROUPS, "servers"))
    told = MASK if any(name.upper().startswith(groups) for name in named) else repr(got)
    return f"{' or '.join(named)} must be JSON, got {told}" if named else str(error)


def _refuse_unknown_variables(settings: Settings) -> None:
    """A misspelt variable would be passed over, and the night run with what was not meant."""
    known = {variable for _, variable, _, _ in documented(settings)} | {f"NIGHTDESK_{n}".upper() for n in _NOT_SETTINGS}
    known |= {f"NIGHTDESK_{name}".upper() for name in type(settings).model_fields}
    for name in os.environ:
        free = name.startswith(("NIGHTDESK_SOURCE__OPTIONS__", "NIGHTDESK_TEST_"))
        if name.startswith("NIGHTDESK_") and not free and name.upper() not in known:
            near = difflib.get_close_matches(name, known, n=1)
            cure = f"did you mean {near[0]}?" if near else "see nightdesk settings"
            raise BadSetting(f"a variable NIGHTDESK_* must name a setting, got {name}: {cure}")


def documented(settings: Settings) -> list[tuple[str, str, str, str]]:
    """Each setting as (name in the file, environment variable, value now, description)."""
    rows = []
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, _Group):
            for inner, description in type(value).model_fields.items():
                variable = f"NIGHTDESK_{name}__{inner}".upper()
                rows.append((f"{name}.{inner}", variable, _shown(getattr(value, inner)), description.description or ""))
        else:
            rows.append((name, f"NIGHTDESK_{name}".upper(), str(value), field.description or ""))
    return rows


def _shown(value: object) -> str:
    """A value as text; of secrets no more than how many there are."""
    if isinstance(value, tuple) and any(isinstance(one, SecretStr) for one in value):
        return f"{len(value)} secret"
    if isinstance(value, dict):
        return str(_without_secrets(value))
    return without_password(str(value))


def _without_secrets(options: dict[str, Any]) -> dict[str, Any]:
    """Options of a source as they may be shown: headers and whatever is named like a secret masked."""
    shown: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, dict):
            shown[name] = _without_secrets(value)
        elif SECRET_NAME.search(name):
            shown[name] = STARS
        else:
            shown[name] = without_password(value) if isinstance(value, str) else value
    return shown
