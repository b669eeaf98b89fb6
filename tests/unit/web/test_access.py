"""Every route, every method, every role, against what is declared here."""

from itertools import chain

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from siappakai.config import Settings
from siappakai.models import Role
from siappakai.web.bearer import is_api_endpoint
from siappakai.web.security import refuse_undeclared
from tests.unit.web.conftest import NewPanel

ANYBODY = "auth.code auth.login health.healthz preferences.save static"
# By address or token; test clients are on this machine.
MACHINES = "health.readyz metrics.show"
OPEN = {*ANYBODY.split(), *MACHINES.split()}
# By a token with this scope, never by a login; tests/unit/web/test_api_access.py walks them.
WITH_SCOPE = {
    "": "api.show_document",
    "villages:read": "api.list_villages api.show_village",
    "villages:write": "api.register_village api.update_village api.preview_import api.apply_import",
    "servers:read": "api.list_servers api.show_server",
    "servers:check": "api.check_server",
    "releases:read": "api.list_releases",
    "sites:install": "api.install_sites",
    "sites:check": "api.check_sites",
    "sites:remove": "api.remove_sites",
    "runs:read": "api.list_runs api.show_run api.list_targets api.show_log",
    "runs:write": "api.cancel_run api.retry_run",
    "alerts:read": "api.list_alerts",
}
SCOPE = {name: scope for scope, names in WITH_SCOPE.items() for name in names.split()}
WHO_MAY = {
    Role.VIEWER: (
        "alerts.show alerts.show_list "
        "auth.logout auth.password dashboard.show imports.export releases.show_list runs.live "
        "runs.log runs.show runs.show_list servers.show servers.show_list villages.show "
        "villages.show_list "
        "backups.show_list gabungan.show recovery.show schedules.show schedules.show_list "
        "sessions.end sessions.end_others sessions.show_list tokens.create tokens.revoke "
        "tokens.show_list totp.begin totp.confirm totp.qr "
        "totp.renew_recovery_codes totp.show totp.switch_off"
    ),
    Role.OPERATOR: (
        "alerts.acknowledge alerts.acknowledge_all "
        "gabungan.merge gabungan.pause gabungan.resume gabungan.verify "
        "recovery.back_up backups.hold backups.take_all backups.verify "
        "imports.confirm imports.discard imports.show imports.upload runs.cancel runs.retry "
        "schedules.pause schedules.resume "
        "servers.probe sites.check_health sites.choose_install sites.install "
        "villages.create villages.rename"
    ),
    Role.ADMIN: (
        "adoptions.adopt backups.download backups.release recovery.confirm_kit recovery.make_kit "
        "stores.add_bucket stores.add_folder stores.appoint_prover stores.dismiss_prover "
        "stores.edit stores.inspect_machine stores.remove stores.set_append_only stores.show_list "
        "consents.decide consents.decide_for consents.leave consents.reveal_users "
        "extracts.create extracts.fetch "
        "restores.confirm restores.forget restores.show restores.undo "
        "channels.create channels.messages channels.remove channels.renew_secret "
        "channels.set_enabled channels.set_threshold channels.show channels.show_list "
        "channels.test "
        "audit.show_list audit.verify_chain releases.ask_source releases.note_seen releases.pin "
        "releases.use_source servers.abandon servers.enrol "
        "servers.enrol_local servers.forget servers.inspect "
        "servers.inspect_host_key servers.pin_host_key servers.prepare servers.update "
        "schedules.create schedules.remove schedules.update "
        "settings.load_official_list settings.set_drain settings.set_fleet settings.set_regency "
        "settings.set_security settings.show setup.show sites.choose_remove sites.remove "
        "sites.renew_db_passwords sites.reveal_admin_login tokens.revoke_any tokens.show_all "
        "users.create users.disable "
        "users.enable users.end_session "
        "users.end_sessions users.reset_password users.reset_totp users.set_role users.show_list "
        "training.make users.show_sessions villages.delete villages.set_certificate"
    ),
}
LOWEST = {name: role for role, names in WHO_MAY.items() for name in names.split()}
ORDER = list(Role)
ARGUMENTS = {
    "alert_id": 999,
    "backup_id": 999,
    "channel_id": 999,
    "code": "5102012999",
    "draft_id": "none",
    "file_format": "csv",
    "filename": "base.css",
    "kind": "configured",
    "name": "tiada",
    "run_id": 999,
    "schedule_id": 999,
    "server_id": 999,
    "session_id": 999,
    "site_id": 999,
    "state": "off",
    "token_id": 999,
    "user_id": 999,
    "verb": "enable",
    "version": "v2401.0.0",
}
REFUSED = "Peran Anda tidak mengizinkan tindakan ini."


def test_the_table_above_names_exactly_the_routes_there_are(panel: Flask):
    declared = {*OPEN, *LOWEST, *SCOPE}

    assert declared == {rule.endpoint for rule in panel.url_map.iter_rules()}


@pytest.mark.walk
def test_a_stranger_gets_no_further_than_the_login(panel: Flask, stranger: FlaskClient):
    for rule, method, url in calls(panel):
        answer = stranger.open(url, method=method, buffered=True)
        if rule.endpoint in OPEN and method in (rule.methods or set()):
            assert answer.status_code != 401, (method, url)
            assert not answer.headers.get("Location", "").startswith("/login"), (method, url)
        elif method in {"GET", "HEAD"}:
            assert answer.status_code == 302, (method, url)
            assert answer.headers["Location"].startswith("/login"), (method, url)
        else:
            assert answer.status_code == 401, (method, url)


@pytest.mark.walk
@pytest.mark.parametrize("role", Role)
def test_a_role_reaches_what_is_declared_for_it_and_no_more(panel: Flask, sign_in, role: Role):
    browser = sign_in(role)
    for rule, method, url in calls(panel):
        if rule.endpoint in {"auth.logout", *OPEN}:
            continue
        answer = browser.open(url, method=method, buffered=True)
        allowed = ORDER.index(role) >= ORDER.index(LOWEST[rule.endpoint])
        foreign = method not in (rule.methods or set())
        if foreign:
            assert answer.status_code in {403, 405}, (method, url)
        elif allowed:
            assert answer.status_code not in {302, 401, 500}, (method, url, answer.text)
            assert REFUSED not in answer.text, (method, url)
        else:
            assert answer.status_code == 403, (method, url)


def test_an_unknown_address_tells_a_stranger_nothing(stranger: FlaskClient, viewer: FlaskClient):
    assert stranger.get("/secret").headers["Location"] == "/login?next=/secret"
    assert viewer.get("/secret").status_code == 404


def test_a_route_that_declares_no_role_is_refused_when_the_panel_is_made(
    new_panel: NewPanel, settings: Settings
):
    panel = new_panel(settings)
    panel.add_url_rule("/forgotten", "forgotten", lambda: "hello")

    with pytest.raises(RuntimeError, match="forgotten"):
        refuse_undeclared(panel)


def calls(panel: Flask, *, of_api: bool = False) -> list[tuple[Rule, str, str]]:
    """Return every rule of pages, or of the API, with its methods, HEAD, OPTIONS and DELETE."""
    with panel.test_request_context():
        adapter = panel.create_url_adapter(None) or panel.url_map.bind("localhost")
        return list(
            chain.from_iterable(
                [
                    (rule, method, adapter.build(rule.endpoint, _arguments(rule)))
                    for method in sorted({*(rule.methods or set()), "HEAD", "OPTIONS", "DELETE"})
                ]
                for rule in panel.url_map.iter_rules()
                if is_api_endpoint(rule.endpoint) is of_api
            )
        )


def _arguments(rule: Rule) -> dict[str, object]:
    return {name: ARGUMENTS[name] for name in rule.arguments}
