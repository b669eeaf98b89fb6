"""The folders and files of one site: what belongs to whom, and who may read it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .tree import ROOT_ID, Entry, owned, read_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .account import Account
    from .variables import FileVars

NOTE = ".siappakai.json"
MAINTENANCE = "maintenance"


def skeleton(account: Account, version: str) -> list[Entry]:
    """Return the folders every site has; root's where the village's PHP must not write."""
    fw = f"storage/fw/{version}"
    return [
        Entry("rel", 0o711),
        owned("storage", account, 0o750),
        owned("storage/logs", account, 0o750),
        owned("storage/fw", account, 0o750),
        owned(fw, account, 0o750),
        # realpath() of the compiled views: must be there before the first request.
        owned(f"{fw}/views", account, 0o750),
        owned(f"{fw}/cache", account, 0o750),
        owned("backup_inkremental", account, 0o750),
        owned("tmp", account, 0o700),
    ]


def village_folder(
    account: Account, web_group: int, files: FileVars, app_key: str, *, under: str = "desa"
) -> list[Entry]:
    """Return what the village's data folder starts with.

    Group and setgid let nginx read uploads. The configuration is root's, so that the
    application cannot rewrite it; it could move the folder away, which a health check tells.
    """
    return [
        Entry(under, 0o2750, account.uid, web_group),
        Entry(f"{under}/config", 0o750, ROOT_ID, account.gid),
        _config(f"{under}/config/database.php", account, files["database"]),
        _config(f"{under}/config/config.php", account, files["config"]),
        Entry(f"{under}/app_key", 0o640, account.uid, account.gid, app_key.encode()),
    ]


def _config(path: str, account: Account, text: str) -> Entry:
    return Entry(path, 0o640, ROOT_ID, account.gid, text.encode())


def settings(account: Account) -> list[Entry]:
    """Return the configuration of a village, without what is in it."""
    return [
        Entry("desa/config", 0o750, ROOT_ID, account.gid),
        _config("desa/config/database.php", account, ""),
        _config("desa/config/config.php", account, ""),
    ]


def current_link(version: str) -> Entry:
    """Return the link that decides which release a site serves."""
    return Entry("current", target=f"rel/{version}")


def note_entry(note: Mapping[str, Any]) -> Entry:
    """Return the file in which we remember how the site was installed."""
    text = json.dumps(note, indent=1, sort_keys=True) + "\n"
    return Entry(NOTE, 0o600, content=text.encode(), is_durable=True)


def read_note(folder: str) -> dict[str, Any]:
    """Return what is remembered of a site; empty when there is nothing."""
    text = read_file(folder, NOTE)
    return dict(json.loads(text)) if text else {}


def read_app_key(folder: str) -> str:
    """Return the application key on disk, or an empty string."""
    return (read_file(folder, "desa/app_key") or b"").decode(errors="replace").strip()
