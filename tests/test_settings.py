"""Settings come from file, environment and arguments, in this order of weight; one that does not hold is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nightdesk.errors import BadSetting
from nightdesk.settings import Settings, documented, read_settings, without_password


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder and no setting in the environment."""
    for name in list(os.environ):
        if name.startswith("NIGHTDESK_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, text: str, name: str = "nightdesk.toml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def refusal() -> str:
    """The one line that a refused setting is told by."""
    with pytest.raises(BadSetting) as refused:
        read_settings()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_with_nothing_set_everything_has_a_default_below_the_working_folder(folder: Path) -> None:
    settings = read_settings()
    assert settings.home == folder / ".nightdesk"
    assert settings.home.is_absolute()
    assert (settings.horizons, settings.store.url, settings.tracking.uri) == ((5, 20), None, None)
    assert list(folder.iterdir()) == []


def test_a_file_in_the_working_folder_is_read(folder: Path) -> None:
    write(folder, 'top = 7\nhorizons = [20, 5, 20]\n[training]\nfolds = 3\nrecipes = ["ridge"]\n')
    settings = read_settings()
    assert (settings.top, settings.training.folds, settings.training.recipes) == (7, 3, ("ridge",))
    assert settings.horizons == (5, 20)
    assert settings.training.retrain_after == 6


def test_another_file_may_be_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, "top = 7")
    monkeypatch.setenv("NIGHTDESK_CONFIG", str(write(folder, "top = 8", "other.toml")))
    assert read_settings().top == 8
    monkeypatch.setenv("NIGHTDESK_CONFIG", "missing.toml")
    assert refusal() == "NIGHTDESK_CONFIG must name a file, got 'missing.toml': there is none"


def test_the_environment_wins_over_the_file_and_arguments_over_both(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, "top = 7\n[training]\nfolds = 3\nseed = 9\n")
    monkeypatch.setenv("NIGHTDESK_TOP", "8")
    monkeypatch.setenv("NIGHTDESK_TRAINING__FOLDS", "6")
    monkeypatch.setenv("NIGHTDESK_HORIZONS", "[1, 2]")
    settings = read_settings()
    assert (settings.top, settings.training.folds, settings.training.seed) == (8, 6, 9)
    assert settings.horizons == (1, 2)
    assert Settings(top=9).top == 9


def test_a_home_below_the_user_is_expanded(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("NIGHTDESK_HOME", "~/desk")
    assert read_settings().home == folder / "desk"


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("NIGHTDESK_TOP", "0", "top: Input should be greater than or equal to 1, got '0'"),
        ("NIGHTDESK_TOP", "many", "got 'many'"),
        ("NIGHTDESK_TRAINING__FOLDS", "99", "training.folds: Input should be less than or equal to 20, got '99'"),
        (
            "NIGHTDESK_STORE__FEATURES",
            "/srv/features",
            "store.features: .*it must be s3://bucket or s3://bucket/prefix",
        ),
        ("NIGHTDESK_STORE__FEATURES", "s3://key:word@bucket", "store.features: .*without keys.*, got \\*+"),
        ("NIGHTDESK_TRAINING__FOLD", "3", "training.fold: Extra inputs are not permitted, got '3'"),
        ("NIGHTDESK_QUALITY__MAX_BROKEN_SHARE", "1.5", "quality.max_broken_share: .*, got '1.5'"),
        ("NIGHTDESK_HORIZONS", "[5, 61]", "horizons.1: Input should be less than or equal to 60, got 61"),
        ("NIGHTDESK_HORIZONS", "[]", "horizons: .*at least one horizon is needed, got .*"),
        ("NIGHTDESK_TRAINING__RECIPES", "ridge", "NIGHTDESK_TRAINING__RECIPES must be JSON, got 'ridge': write"),
        ("NIGHTDESK_HORIZONS", "5,20", "NIGHTDESK_HORIZONS must be JSON, got '5,20': write a list as"),
    ],
)
def test_a_value_that_does_not_hold_is_named_with_its_setting(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(BadSetting, match=told):
        read_settings()
    refusal()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tip = 7", "settings do not hold: tip: Extra inputs are not permitted, got 7"),
        ("[training]\nfold = 3", "settings do not hold: training.fold: Extra inputs are not permitted, got 3"),
        ("top = 0\n[training]\nfolds = 0", "got 0; "),
        ("top = ", "settings must be TOML, got nightdesk.toml: Invalid value"),
    ],
)
def test_a_file_that_does_not_hold_is_refused(folder: Path, text: str, told: str) -> None:
    write(folder, text)
    assert told in refusal()


def test_settings_do_not_change_once_they_are_read() -> None:
    settings = read_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.top = 3
    with pytest.raises(ValueError, match="frozen"):
        settings.training.folds = 3


def test_every_setting_is_documented_and_its_variable_sets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = documented(read_settings())
    names = [name for name, *_ in rows]
    assert {"home", "horizons", "top", "source.name", "store.url", "training.seed", "tracking.uri"} <= set(names)
    assert len(names) == len(set(names))
    assert [name for name, _, _, description in rows if len(description) < 10] == []
    variables = {name: variable for name, variable, *_ in rows}
    monkeypatch.setenv(variables["training.seed"], "123")
    monkeypatch.setenv(variables["top"], "44")
    shown = {name: value for name, _, value, _ in documented(read_settings())}
    assert (shown["training.seed"], shown["top"]) == ("123", "44")


SECRET = "hunter2-should-never-be-seen"


def test_channels_are_read_and_never_shown(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv(
        "NIGHTDESK_ALERTS__URLS", f'["json://desk:{SECRET}@127.0.0.1/", "mailto://a:{SECRET}@b.example"]'
    )
    settings = read_settings()
    assert SECRET in settings.alerts.urls[0].get_secret_value()
    shown = {name: value for name, _, value, _ in documented(settings)}
    assert shown["alerts.urls"] == "2 secret"
    for text in (repr(settings), str(settings), settings.model_dump_json(), str(documented(settings))):
        assert SECRET not in text


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("NIGHTDESK_ALERTS__URLS", f"slack://{SECRET}", "NIGHTDESK_ALERTS__URLS must be JSON, got \\*+: write a list"),
        ("NIGHTDESK_ALERTS__URLS", f'["json://127.0.0.1/", "{SECRET}"]', "alerts.urls: .*number 2 must be a URL"),
        ("NIGHTDESK_ALERTS__URLS", f'["nothing://{SECRET}@127.0.0.1/"]', "number 1 must be a URL that Apprise knows"),
        ("NIGHTDESK_ALERTS__URLS", f'{{"a": "{SECRET}"}}', "alerts.urls: "),
        ("NIGHTDESK_ALERTS__URL", f'["json://{SECRET}"]', "alerts.url: Extra inputs are not permitted"),
        ("NIGHTDESK_ALERTS", f'{{"urls": 7, "x": "{SECRET}"}}', "alerts.urls: "),
        ("NIGHTDESK_ALERTS", f"[{SECRET}", "must be JSON"),
        ("NIGHTDESK_TOP", f"https://hooks.example/{SECRET}", "top: .*got 'https://\\*+'"),
    ],
)
def test_a_channel_that_does_not_hold_is_refused_without_a_word_of_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], variable: str, value: str, told: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(BadSetting, match=told) as refused:
        read_settings()
    assert SECRET not in str(refused.value) + "".join(capfd.readouterr())


def test_a_misspelt_group_of_the_file_shows_no_channel(folder: Path) -> None:
    write(folder, f'[alert]\nurls = ["slack://{SECRET}"]')
    assert "alert: Extra inputs" in (told := refusal())
    assert SECRET not in told


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://user:s%2Fecret@host:5432/name", "postgresql+psycopg://user:***@host:5432/name"),
        ("postgresql+psycopg://:se@cret@host/name", "postgresql+psycopg://:***@host/name"),
        ("postgresql+psycopg://user@host/name", "postgresql+psycopg://user@host/name"),
        ("http://localhost:5000", "http://localhost:5000"),
        ("sqlite:////srv/a:b@c/store.db", "sqlite:////srv/a:b@c/store.db"),
    ],
)
def test_no_password_is_shown(url: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert without_password(url) == shown
    monkeypatch.setenv("NIGHTDESK_STORE__URL", url)
    assert shown in [value for _, _, value, _ in documented(read_settings())]
