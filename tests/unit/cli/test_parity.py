"""Whatever the panel does the command line does too, and the API nothing else."""

from collections.abc import Iterator

import click
from flask import Flask

from siappakai.cli import main
from siappakai.cli.command import Command, MachineCommand
from siappakai.web import create_app
from siappakai.web.bearer import is_api_endpoint

# The command for each thing a page can be told to do.
COMMANDS = {
    "adoptions.adopt": "village adopt",
    "alerts.acknowledge": "alert acknowledge",
    "alerts.acknowledge_all": "alert acknowledge",
    "backups.download": "backup export",
    "backups.hold": "backup hold",
    "backups.release": "backup release",
    "backups.take_all": "backup take",
    "backups.verify": "backup verify",
    "channels.create": "channel add",
    "channels.remove": "channel remove",
    "channels.renew_secret": "channel renew-key",
    "channels.set_enabled": "channel enable",
    "channels.set_threshold": "settings set",
    "channels.show": "channel update",
    "channels.test": "channel test",
    "consents.decide": "gabungan consent",
    "consents.decide_for": "gabungan consent",
    "consents.leave": "gabungan purge",
    "consents.reveal_users": "gabungan users",
    "extracts.create": "gabungan extract",
    "extracts.fetch": "gabungan extract",
    "gabungan.merge": "gabungan merge",
    "gabungan.pause": "gabungan pause",
    "gabungan.resume": "gabungan resume",
    "gabungan.verify": "gabungan verify",
    "imports.confirm": "village import",
    "imports.upload": "village import",
    "recovery.back_up": "registry backup",
    "recovery.confirm_kit": "kit confirm",
    "recovery.make_kit": "kit make",
    "releases.ask_source": "release available",
    "releases.note_seen": "release php-seen",
    "releases.pin": "release pin",
    "releases.use_source": "release source",
    "restores.confirm": "backup restore",
    "restores.forget": "backup forget",
    "restores.show": "backup restore",
    "restores.undo": "backup undo",
    "runs.cancel": "run cancel",
    "runs.retry": "run retry",
    "schedules.create": "schedule create",
    "schedules.pause": "schedule pause",
    "schedules.remove": "schedule delete",
    "schedules.resume": "schedule resume",
    "schedules.update": "schedule edit",
    "servers.abandon": "server abandon",
    "servers.enrol": "server enrol",
    "servers.enrol_local": "server enrol-local",
    "servers.forget": "server forget",
    "servers.inspect": "server inspect",
    "servers.inspect_host_key": "server inspect",
    "servers.pin_host_key": "server pin",
    "servers.prepare": "server prepare",
    "servers.probe": "server probe",
    "servers.update": "server update",
    "settings.load_official_list": "village official-list",
    "settings.set_drain": "settings set",
    "settings.set_fleet": "settings set",
    "settings.set_regency": "regency set",
    "settings.set_security": "settings set",
    "sites.check_health": "site health",
    "sites.install": "site install",
    "sites.remove": "site remove",
    "sites.renew_db_passwords": "site renew-db-password",
    "sites.reveal_admin_login": "site password",
    "stores.add_bucket": "store add-bucket",
    "stores.add_folder": "store add-folder",
    "stores.appoint_prover": "backup prover",
    "stores.dismiss_prover": "backup prover",
    "stores.edit": "store edit-folder",
    "stores.inspect_machine": "server inspect",
    "stores.remove": "store remove",
    "stores.set_append_only": "store append-only",
    "tokens.create": "token create",
    "tokens.revoke": "token revoke",
    "tokens.revoke_any": "token revoke",
    "training.make": "village copy",
    "users.create": "user add",
    "users.disable": "user disable",
    "users.enable": "user enable",
    "users.end_sessions": "user end-sessions",
    "users.reset_password": "user password",
    "users.reset_totp": "user reset-totp",
    "users.set_role": "user role",
    "villages.create": "village add",
    "villages.delete": "village delete",
    "villages.rename": "village update",
    "villages.set_certificate": "site certificate",
}
# The command for each thing a program may do by the API.
OF_THE_API = {
    "api.apply_import": "village import",
    "api.cancel_run": "run cancel",
    "api.check_server": "server probe",
    "api.check_sites": "site health",
    "api.install_sites": "site install",
    "api.preview_import": "village import",
    "api.register_village": "village add",
    "api.remove_sites": "site remove",
    "api.retry_run": "run retry",
    "api.update_village": "village update",
}
# A browser's own: who sits before it, what it remembers, pages that lead to others.
OF_A_BROWSER = {
    *("auth.code", "auth.login", "auth.logout", "auth.password", "preferences.save"),
    *("sessions.end", "sessions.end_others", "users.end_session"),
    *("totp.begin", "totp.confirm", "totp.renew_recovery_codes", "totp.switch_off"),
    *("imports.discard", "sites.choose_install", "sites.choose_remove"),
}
# Verbs that make no sense on a page: the machine itself, and what pages do in passing.
OF_A_TERMINAL = {
    "backup restore-many",
    "backup make-key",
    "channel disable",
    "demo remove",
    "demo start",
    "demo stop",
    "recover",
    "regency set-district",
    "registry rotate-key",
    "registry upgrade",
    "service activate",
    "service install",
    "service uninstall",
    "service upgrade",
    "site plan",
    "store edit-bucket",
    "user first",
}
# Said here until their pages are made; each leaves this set with its page.
NO_PAGE_YET = {
    *("backup copy", "backup prune"),
    "gabungan init",
    "store prune",
}
# Changes that cannot be rehearsed: they reach beyond the registry, or show a secret once.
NOT_REHEARSED = {
    "gabungan extract",
    "backup restore",
    "backup restore-many",
    "backup make-key",
    "store add-bucket",
    "store add-folder",
    "store edit-bucket",
    "store edit-folder",
    "store prune",
    "demo remove",
    "demo start",
    "demo stop",
    "kit make",
    "recover",
    "registry backup",
    "registry rotate-key",
    "registry upgrade",
    "user first",
    "release pin",
    "release source",
    "server enrol",
    "server enrol-local",
    "server pin",
    "server probe",
    "user add",
    "user password",
    "village adopt",
    "village copy",
}
READING = {"available", "due", "follow", "inspect", "key", "next", "site password"}
READING |= {"doctor", "download", "export", "get", "list", "log", "messages", "sessions"}
READING |= {"setup", "show", "status", "verify", "districts"}


def _commands(group: click.Group, above: tuple[str, ...] = ()) -> Iterator[tuple[str, Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if isinstance(found, click.Group):
            yield from _commands(found, (*above, name))
        elif isinstance(found, Command):
            yield " ".join((*above, name)), found


def test_whatever_a_page_does_a_command_does(registry: Flask) -> None:
    panel = create_app(registry.extensions["siappakai.settings"])
    posting = {
        rule.endpoint
        for rule in panel.url_map.iter_rules()
        if "POST" in (rule.methods or ()) and not is_api_endpoint(rule.endpoint)
    }
    assert posting == {*COMMANDS, *OF_A_BROWSER}
    assert set(COMMANDS.values()) <= dict(_commands(main)).keys()


def test_the_api_does_nothing_that_no_command_does(registry: Flask) -> None:
    panel = create_app(registry.extensions["siappakai.settings"])
    changing = {
        rule.endpoint
        for rule in panel.url_map.iter_rules()
        if is_api_endpoint(rule.endpoint) and (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}
    }
    assert changing == set(OF_THE_API)
    assert set(OF_THE_API.values()) <= dict(_commands(main)).keys()


def test_whatever_a_command_changes_a_page_changes() -> None:
    changing = {name for name, command in _commands(main) if _changes(name, command)}
    assert changing - set(COMMANDS.values()) == OF_A_TERMINAL | NO_PAGE_YET


def _changes(name: str, command: Command) -> bool:
    return command.changes or not READING & {name, name.rpartition(" ")[2]}


def test_what_changes_the_registry_can_be_rehearsed() -> None:
    silent = {
        name
        for name, command in _commands(main)
        if _changes(name, command) and not command.changes
        if not isinstance(command, MachineCommand)
    }
    assert silent == NOT_REHEARSED
