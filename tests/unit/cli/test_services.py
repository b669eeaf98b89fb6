"""Who changes something through the command line can do so on a page, by the same service."""

import ast
from pathlib import Path

import siappakai

PACKAGE = Path(siappakai.__file__).parent
# Steps of other services, never asked for by themselves.
WITHIN = {
    "adoptions.planned_for",
    "backups.request_share",
    "incoming.receive_backup",
    "recovery_aftermath.settle",
    "registry_backups.renew",
    "restorations.request_many",
    "runs.create_server_run",
    "runs.create_site_run",
    "settings.put_if_unset",
    "sources.choose_source",
    "sources.source_in_use",
}
# Once per machine, or a key that must be seen by whoever sits at it.
AT_A_TERMINAL = {
    "accounts.ensure_first_admin",
    "backup_exports.export",
    "backup_exports.export_opened",
    "backup_keys.make_recovery_key",
    "demo_places.note",
    "places.set_district",
    "recovery.recover",
    "registry_backups.back_up",
    "rotation.rotate_key",
}
# Retries and what belongs to a run already asked for come by their own page.
THROUGH_RETRIES = {"adoptions.again", "withdrawals.again", "restorations.again"}
# A person's own login, and what pages do with several villages at once.
ON_A_PAGE = {
    "accounts.change_password",
    "accounts.set_language",
    "backup_exports.handed_out",
    "bulk.install_villages",
    "sessions.end_others",
    "settings.set_drain",
    "totp.new_recovery_codes",
    "totp.switch_off",
}
# Said here until their pages are made.
NO_PAGE_YET = {
    "backup_pruning.prune",
    "backups.request_copy",
    "mass_restores.restore_newest",
    "merges.request_create",
    "restores.request_restore",
    "store_pruning.prune",
}
# By their parts: `bulk.install_villages` on a page.
IN_PARTS = {"sites.plan_site", "sites.request_install"}


def _names(folder: str) -> set[str]:
    found: set[str] = set()
    for file in (PACKAGE / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.Name):
                found.add(node.id)
    return found


def _changing() -> set[str]:
    """The public functions of services that say on whose behalf something changes."""
    return {
        f"{file.stem}.{node.name}"
        for file in (PACKAGE / "services").glob("*.py")
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef)
        and not node.name.startswith("_")
        and "by" in {argument.arg for argument in node.args.kwonlyargs}
    }


def test_every_change_has_a_command_and_a_page() -> None:
    commands, pages = _names("cli"), _names("web")
    changing = _changing()
    without = {one for one in changing if one.partition(".")[2] not in commands}
    unpaged = {one for one in changing if one.partition(".")[2] not in pages}
    assert without == WITHIN | ON_A_PAGE | THROUGH_RETRIES
    assert unpaged == WITHIN | AT_A_TERMINAL | IN_PARTS | NO_PAGE_YET
