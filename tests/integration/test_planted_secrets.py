"""Secrets of every kind are planted, villages installed; no secret is seen where none may be."""

from __future__ import annotations

import http.client
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient

from siappakai.credentials import load_key_ring
from siappakai.domain.servers import Arrangement
from siappakai.domain.states import RunState
from siappakai.models import Role, Site, User, db
from siappakai.services import channels, enrolment, keys, runs, sessions, settings, tokens, totp
from siappakai.services.permissions import scopes_within
from siappakai.web import create_app
from siappakai.web.bearer import is_api_endpoint
from siappakai.web.identity import COOKIE_KEY
from tests import factories
from tests.engine import INSTALLED_SECONDS, PARTS, Engine
from tests.integration.test_engine import everything_of
from tests.planted import Planted, watching_processes
from tests.sites import NEW
from tests.sshd import private_sshd

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites are installed as root"),
    pytest.mark.timeout(300),
]

# What people ask the program on the command line.
COMMANDS = (
    ["audit", "list"],
    ["audit", "export", "-"],
    ["channel", "list"],
    ["alert", "list"],
    ["server", "list"],
    ["settings", "get"],
    ["token", "list"],
    ["user", "list"],
    ["village", "list"],
    ["doctor"],
)


@pytest.fixture
def planted() -> Iterator[Planted]:
    """Everything of this test happens while all processes are looked at."""
    with watching_processes() as found:
        yield found


def _person(planted: Planted) -> User:
    """Plant what a person has: password, phone, recovery codes, session, token."""
    password = secrets.token_urlsafe(20)
    person = factories.make_user("pemilik", Role.ADMIN, password)
    totp.begin(person.id, by=factories.BY)
    enrolled = totp.enrolment(person.id)
    assert enrolled is not None
    codes = totp.confirm(person.id, pyotp.TOTP(enrolled.secret).now(), by=factories.BY)
    session = sessions.begin(person.id, address="192.0.2.1", browser="")
    scopes = [scope.value for scope in scopes_within(Role.ADMIN)]
    _, token = tokens.create_token(person.id, name="Uji", scopes=scopes, days=1, by=factories.BY)
    planted.plant(
        admin_password=password,
        totp_secret=enrolled.secret,
        recovery_code=codes[0],
        session_id=session,
        api_token=token,
    )
    return person


def _channels(planted: Planted) -> None:
    """Plant the secrets of channels; a test message of each is on its way, to nobody."""
    bot, mail, post = (secrets.token_hex(16) for _ in range(3))
    addresses = {
        "Telegram": ("apprise", f"tgram://123456789:{bot}/-100123"),
        "Surel": ("apprise", f"mailto://jaga:{mail}@127.0.0.1:1?from=a@b.example&to=c@d.example"),
        "Webhook": ("webhook", f"http://127.0.0.1:1/hook?key={post}"),
    }
    for name, (kind, address) in addresses.items():
        channel, signing = channels.create_channel(
            name=name, kind=kind, address=address, by=factories.BY
        )
        channels.request_test(channel.id, by=factories.BY)
    planted.plant(telegram_token=bot, smtp_password=mail, webhook_address=post)
    planted.plant(webhook_signing=signing)


def _installation(planted: Planted, engine: Engine) -> None:
    """Plant the installation's own: key ring, key of sessions, private key of SSH."""
    (line, *_) = engine.settings.credentials_file.read_text().split()
    private = keys.private_key_text().strip().splitlines()
    planted.plant(master_key=line, ssh_private_key=private[len(private) // 2])


def _sites(planted: Planted, engine: Engine, sites: list[Site]) -> None:
    """Plant what each village has."""
    ring = load_key_ring(engine.settings.credentials_file)
    for number, site in enumerate(sites):
        for column in ("db_password", "app_key", "admin_password"):
            secret = ring.unseal(getattr(site, f"{column}_sealed"))
            planted.plant(**{f"{column}_{number}": secret})


def _enrol(planted: Planted, account: str) -> None:
    """Make this machine a second server, by a password that is used once."""
    password = secrets.token_urlsafe(18)
    planted.plant(ssh_password=password)
    subprocess.run(["chpasswd"], input=f"{account}:{password}\n", text=True, check=True)
    home = Path("~" + account).expanduser()
    arrangement = Arrangement(
        services="private", prefix="sq", root="/srv/planted", http_port=9581, https_port=9582
    )
    with private_sshd((account, password, home)) as sshd:
        shown = enrolment.inspect_host("127.0.0.1", sshd.port)
        enrolment.enrol_server(
            name="Satu lagi",
            address="127.0.0.1",
            port=sshd.port,
            user=account,
            fingerprint=shown.fingerprint,
            password=password,
            arrangement=arrangement,
            by=factories.BY,
        )


def _ask_running_panel(engine: Engine, planted: Planted, cookie: str) -> None:
    """Bring session and token before the panel's own process."""
    authorization = f"Bearer {planted.secrets['api_token']}"
    for page, headers in (
        ("/", {"Cookie": f"siappakai={cookie}"}),
        ("/api/v1/villages", {"Authorization": authorization}),
    ):
        link = http.client.HTTPConnection("127.0.0.1", engine.settings.port, timeout=30)
        with closing(link):
            link.request("GET", page, headers=headers)
            answer = link.getresponse()
            planted.look(page, answer.read())
            assert answer.status == 200, page


def _browser(panel: Flask, user: User, token: str = "") -> FlaskClient:
    client = panel.test_client()
    token = token or sessions.begin(user.id, address="192.0.2.1", browser="")
    with client.session_transaction() as session:
        session[COOKIE_KEY] = token
    return client


def _look_at_pages(planted: Planted, panel: Flask, known: dict[str, object]) -> int:
    """Look at every page somebody else can open, as each role; return how many were opened."""
    opened = 0
    addresses = panel.url_map.bind("localhost")
    for role in Role:
        client = _browser(panel, factories.make_user(role=role))
        for rule in panel.url_map.iter_rules():
            if "GET" not in (rule.methods or set()) or rule.endpoint == "static":
                continue
            arguments = {name: known.get(name, 999) for name in rule.arguments}
            headers = {}
            if is_api_endpoint(rule.endpoint):
                headers["Authorization"] = f"Bearer {planted.secrets['api_token']}"
            url = addresses.build(rule.endpoint, arguments)
            answer = client.get(url, headers=headers, buffered=True)
            assert answer.status_code < 500 or url == "/readyz", (url, answer.text)
            planted.look(f"{url} for {role}", answer.data)
            opened += answer.status_code == 200
    return opened


def test_no_planted_secret_is_seen_where_none_may_be(
    engine: Engine, engine_account: str, planted: Planted
) -> None:
    # The other admin of this test shall see pages, not the one that sets up a phone.
    settings.put(settings.REQUIRE_TOTP_FOR_ADMINS, value=False, by=factories.BY)
    owner = _person(planted)
    _channels(planted)
    _installation(planted, engine)
    sites = engine.villages(2)
    _sites(planted, engine, sites)
    _enrol(planted, engine_account)
    engine.start(*PARTS, "panel", "lookout")
    run = engine.install(sites)
    ended = engine.settle(run, INSTALLED_SECONDS)
    assert ended.state is RunState.SUCCEEDED, engine.told(ended)

    # A source that is refused without asking the network.
    elsewhere = {"release_source": "https://elsewhere.example/opensid.git"}
    panel = create_app(engine.settings.model_copy(update=elsewhere))
    known = {
        "channel_id": channels.list_channels()[0].id,
        "code": sites[0].village.code,
        "file_format": "csv",
        "run_id": run.id,
        "server_id": engine.server.id,
        "site_id": sites[0].id,
        "user_id": owner.id,
        "version": NEW,
    }
    cookie = _browser(panel, owner, planted.secrets["session_id"]).get_cookie("siappakai")
    assert cookie is not None
    _ask_running_panel(engine, planted, cookie.value)
    assert _look_at_pages(planted, panel, known) > 80
    with panel.app_context():
        db.engine.dispose()
    _look_at_what_is_kept(engine, planted, run.id)
    planted.look("the registry's texts of the run", everything_of(run))
    assert planted.looks > 1000
    assert planted.hits == set()
    _prove_the_eye_is_open(planted)


def _look_at_what_is_kept(engine: Engine, planted: Planted, run_id: int) -> None:
    """Look at logs, artifacts, exports, the registry's own files."""
    state, layout = engine.settings.state, engine.fleet.layout
    planted.look("log of the run", "\n".join(runs.log_page(run_id, lines=50_000).lines))
    assert not any(engine.settings.run_dir.glob("plays/*"))
    folders = [state, engine.settings.run_dir, Path(layout.log_dir)]
    folders += Path(layout.sites).glob("*/storage/logs")
    own = [engine.settings.credentials_file, state / "session.key"]
    assert planted.look_at_files(folders, but=own) > 10
    planted.look("the journal of sudo", _text(Path("/var/log/siappakai/sudo.log")))
    for words in COMMANDS:
        argv = [Path(sys.executable).with_name("siappakai"), *words, "--json"]
        said = subprocess.run(argv, check=False, capture_output=True, cwd="/")
        assert said.returncode in {0, 1}, (words, said.stderr)
        planted.look(f"siappakai {words}", said.stdout + said.stderr)


def _text(file: Path) -> bytes:
    return file.read_bytes() if file.exists() else b""


def _prove_the_eye_is_open(planted: Planted) -> None:
    """What is looked for would have been found: in arguments, in an environment, in a file."""
    secret = planted.secrets["api_token"]
    sleeper = subprocess.Popen(["sleep", "5"], env={"TOKEN": secret})
    other = subprocess.Popen(["sh", "-c", "sleep 5; exit", secret])
    try:
        planted.look_at_processes()
    finally:
        for process in (sleeper, other):
            process.kill()
            process.wait()
    assert {hit.split(" of ")[0] for hit in planted.hits} == {
        "api_token in cmdline",
        "api_token in environ",
    }
