"""Prefect's automations, kept as files under infra/automations, and the blocks through which they send."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from prefect.blocks.notifications import SlackWebhook
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings
from pydantic import SecretStr

from nightdesk.alerts import Channel, channels_of
from nightdesk.errors import BadSetting
from nightdesk.settings import Settings

FAILED_NIGHTS = "nightdesk: failed nights"

BLOCKS = "nightdesk-"
"""How the names of our blocks begin; a channel's mark follows."""

CHANNEL, DEPLOYMENT = "{channel}", re.compile(r"\{deployment (.+)\}")


def register_automations(settings: Settings) -> list[str]:
    """Bring blocks and automations of the server that PREFECT_API_URL names to what settings and files say.

    Run again, it changes nothing twice: everything is found by its name. With no channel set, what sends messages is
    removed; an automation whose deployment the server does not have is left out. Returns a line for each thing done.

    Raises BadSetting where no server is named.
    """
    if get_current_settings().api.url is None:
        raise BadSetting("automations live on a Prefect server, got none: set PREFECT_API_URL")
    channels = channels_of(settings.alerts.urls)
    with get_client(sync_client=True) as client:
        blocks = [_save(channel) for channel in channels]
        notes = [_register(client, kept, blocks) for kept in _kept()]
        _remove_other_blocks(client, {f"{BLOCKS}{channel.mark}" for channel in channels})
    return [f"channel {channel.mark}: saved" for channel in channels] + notes


def automations_folder() -> Path:
    """The folder of automations: inside an installed wheel, or `infra/automations` of a checkout."""
    packaged = Path(__file__).with_name("kept_automations")
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "infra" / "automations"


def _kept() -> list[dict[str, Any]]:
    return [yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(automations_folder().glob("*.yaml"))]


def _save(channel: Channel) -> UUID:
    """Save a channel's block.

    SlackWebhook, whatever the channel: of the blocks that every server knows it alone hands any Apprise URL to Apprise
    as it is. Prefect's own Apprise block is abstract, and a block of ours no server but our own would know. What it
    cannot send it reports as an action that failed, which the custom webhook's block does not.
    """
    block = SlackWebhook(url=_with_lines(channel.url), allow_private_urls=True)
    return UUID(str(block.save(f"{BLOCKS}{channel.mark}", overwrite=True)))


def _with_lines(url: SecretStr) -> SecretStr:
    """A mail's URL that asks for plain text: what Prefect hands over Apprise else sends as HTML without lines."""
    plain = url.get_secret_value()
    if not plain.startswith(("mailto:", "mailtos:")) or "format=" in plain:
        return url
    return SecretStr(f"{plain}{'&' if '?' in plain else '?'}format=text")


def _register(client: SyncPrefectClient, kept: dict[str, Any], blocks: list[UUID]) -> str:
    name = kept["name"]
    actions, lacking = _filled_in(client, kept["actions"], blocks)
    standing = client.read_automations_by_name(name)
    for one in standing if lacking else standing[1:]:
        client.delete_automation(one.id)
    if lacking:
        return f"{name}: {'removed' if standing else 'left out'}, {lacking}"
    wanted = AutomationCore.model_validate({**kept, "actions": actions})
    if standing:
        client.update_automation(standing[0].id, wanted)
        return f"{name}: updated"
    client.create_automation(wanted)
    return f"{name}: created"


def _filled_in(
    client: SyncPrefectClient, actions: list[dict[str, Any]], blocks: list[UUID]
) -> tuple[list[dict[str, Any]], str]:
    """The actions with identifiers in the place of names, one for each channel; and what is lacking, if anything."""
    filled: list[dict[str, Any]] = []
    for action in actions:
        if action.get("block_document_id") == CHANNEL:
            filled += [{**action, "block_document_id": str(block)} for block in blocks]
        elif named := DEPLOYMENT.fullmatch(str(action.get("deployment_id"))):
            try:
                deployment = client.read_deployment_by_name(named[1])
            except ObjectNotFound:
                return [], f"for the server has no deployment {named[1]}"
            filled.append({**action, "deployment_id": str(deployment.id)})
        else:
            filled.append(action)
    return filled, "" if filled else "for no channel is set in alerts.urls"


def _remove_other_blocks(client: SyncPrefectClient, kept: set[str]) -> None:
    """Forget the secrets of channels that are no more."""
    for document in client.read_block_documents_by_type(SlackWebhook.get_block_type_slug(), include_secrets=False):
        if (document.name or "").startswith(BLOCKS) and document.name not in kept:
            client.delete_block_document(document.id)
