"""The page that tells users how to bring their own bars names every option, with its default, and its examples hold."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from nightdesk.sources import open_source
from nightdesk.sources.bar_form import BarForm
from nightdesk.sources.files import FilesOptions
from nightdesk.sources.http import HttpOptions

PAGE = (Path(__file__).parents[2] / "infra/operations/sources.md").read_text(encoding="utf-8")
ROWS = {row[1]: row[2] for row in re.finditer(r"^\| `(\w+)` \| ([^|]+) \|", PAGE, re.MULTILINE)}
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("form", [BarForm, FilesOptions, HttpOptions], ids=lambda form: form.__name__)
def test_every_option_is_there_with_its_default(form: type[BarForm]) -> None:
    for name, field in form.model_fields.items():
        written = "required" if field.is_required() else "none" if field.default is None else None
        assert (written or f"`{json.dumps(field.default)}`") in ROWS[name], name


def test_no_option_is_there_that_is_none() -> None:
    layouts = {"long", "wide", "symbol"}
    assert set(ROWS) - layouts == {*FilesOptions.model_fields, *HttpOptions.model_fields}


@pytest.mark.parametrize("example", EXAMPLES, ids=["files", "hours", "http"])
def test_each_example_is_taken(example: str) -> None:
    source = tomllib.loads(example)["source"]
    assert open_source(source["name"], **source["options"]).facts.name == source["name"]
