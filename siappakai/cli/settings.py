"""`siappakai settings`: what is changed while the panel runs (siappakai.toml is another thing)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import click

from siappakai.cli.command import Group
from siappakai.cli.context import actor
from siappakai.cli.output import Column, Listing
from siappakai.services import settings as registry_settings

_WORDS = {"true": True, "on": True, "false": False, "off": False, "default": None}

SettingValue = str | int | bool | None


@dataclass(frozen=True, slots=True)
class SettingRecord:
    """A setting kept in the registry; null stands for its default."""

    key: Annotated[str, Column("Pengaturan", "its key")]
    value: Annotated[SettingValue, Column("Nilai", "its value")]


settings = Group("settings", help="Settings changed while running: drain, parallelism, timezone.")


@settings.command("get", example="siappakai settings get drain")
@click.argument("keys", nargs=-1, metavar="[KEY]...")
def get_settings(keys: tuple[str, ...]) -> Listing[SettingRecord]:
    """Show settings, all of them unless some are named."""
    wanted = list(keys or registry_settings.KEYS)
    found = registry_settings.get_many(wanted)
    return Listing.of(SettingRecord(key, found[key]) for key in wanted)


@settings.command("set", changes=True, example="siappakai settings set drain on")
@click.argument("key")
@click.argument("value")
def put_setting(key: str, value: str) -> SettingRecord:
    """Change a setting: a number, a word, on or off; `default` takes it back."""
    registry_settings.put(key, _value(value), by=actor())
    return SettingRecord(key, registry_settings.get(key))


def _value(text: str) -> SettingValue:
    if text.isascii() and text.isdigit():
        return int(text)
    return _WORDS.get(text, text)
