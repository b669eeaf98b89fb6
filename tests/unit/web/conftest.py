"""The panel over a fresh registry, and browsers of people with each role."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from copy import copy
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache

from siappakai.config import Settings
from siappakai.models import Role, Setting, User, db
from siappakai.models.transactions import transaction
from siappakai.services import sessions, tokens
from siappakai.services.settings import REQUIRE_TOTP_FOR_ADMINS
from siappakai.web import create_app
from siappakai.web.identity import COOKIE_KEY
from tests.factories import BY, make_user

NewPanel = Callable[[Settings], Flask]
SignIn = Callable[..., FlaskClient]
NewProgram = Callable[..., FlaskClient]


@pytest.fixture
def settings(registry: Flask) -> Settings:
    """The registry's settings; its release source is one that is refused without asking it."""
    present: Settings = registry.extensions["siappakai.settings"]
    return present.model_copy(update={"release_source": "https://elsewhere.example/opensid.git"})


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    """Templates compiled once, not once per panel."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def new_panel() -> Iterator[NewPanel]:
    """Makes panels, whose connections are closed at the end."""
    made: list[Flask] = []

    def make(settings: Settings) -> Flask:
        made.append(create_app(settings))
        return made[-1]

    yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()


@pytest.fixture(scope="session")
def shared_panel(
    tmp_path_factory: pytest.TempPathFactory,
    sqlite_template: Path,
    compiled_templates: FileSystemBytecodeCache,
) -> Iterator[Flask]:
    """A panel made once: putting its hundred routes together takes longer than most tests."""
    state = tmp_path_factory.mktemp("panel")
    app = create_app(Settings(state=state, database_url=f"sqlite:///{sqlite_template}"))
    app.jinja_env.bytecode_cache = compiled_templates
    app.testing = True
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def panel(
    shared_panel: Flask, registry: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Flask:
    """The panel over the test's registry. A test that adds routes makes its own."""
    engines = db._app_engines  # noqa: SLF001 - Flask-SQLAlchemy has no way to bind an app anew
    monkeypatch.setitem(engines, shared_panel, engines[registry])
    monkeypatch.setitem(shared_panel.extensions, "siappakai.settings", settings)
    monkeypatch.setattr(shared_panel, "config", copy(shared_panel.config))
    shared_panel.config["WTF_CSRF_ENABLED"] = False
    with transaction() as session:
        session.merge(Setting(key=REQUIRE_TOTP_FOR_ADMINS, value=False))
    return shared_panel


@pytest.fixture
def stranger(panel: Flask) -> FlaskClient:
    return panel.test_client()


@pytest.fixture
def sign_in(panel: Flask) -> SignIn:
    """Return a browser in which a new person of the given role is signed in."""

    def browser(role: Role, **changes: object) -> FlaskClient:
        user = make_user(role=role)
        for name, value in changes.items():
            setattr(user, name, value)
        client = panel.test_client()
        with client.session_transaction() as session:
            session[COOKIE_KEY] = sessions.begin(user.id, address="192.0.2.1", browser="")
        return client

    return browser


@pytest.fixture
def viewer(sign_in: SignIn) -> FlaskClient:
    return sign_in(Role.VIEWER)


@pytest.fixture
def operator(sign_in: SignIn) -> FlaskClient:
    return sign_in(Role.OPERATOR)


@pytest.fixture
def admin(sign_in: SignIn) -> FlaskClient:
    return sign_in(Role.ADMIN)


@pytest.fixture
def program(panel: Flask) -> NewProgram:
    """Return a program that sends a token of a new person, or of `owner`, with these scopes."""

    def make(*scopes: str, role: Role = Role.ADMIN, owner: User | None = None) -> FlaskClient:
        user = owner or make_user(role=role)
        text = tokens.create_token(user.id, name="Uji", scopes=scopes, days=1, by=BY)[1]
        db.session.commit()
        client = panel.test_client()
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {text}"
        return client

    return make


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    """URL of a private Redis."""
    program, path = shutil.which("redis-server"), tmp_path / "redis.sock"
    if program is None:
        pytest.skip("Redis is not installed (Debian package redis-server)")
    argv = [program, "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as process:
        until = time.monotonic() + 10
        while not path.exists() and time.monotonic() < until:
            time.sleep(0.01)
        yield f"unix://{path}"
        process.terminate()
