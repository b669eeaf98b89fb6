"""The panel as it is served, and people in front of Chromium."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from siappakai.config import Settings
from siappakai.models import Setting
from siappakai.models.transactions import transaction
from siappakai.services.settings import REQUIRE_TOTP_FOR_ADMINS

_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_START_SECONDS = 120
REFUSAL = re.compile("status of (403|422)")


@pytest.fixture
def address(registry: Flask, tmp_path: Path) -> Iterator[str]:
    """Serve the panel over the test's registry with gunicorn on a free port; its address."""
    settings: Settings = registry.extensions["siappakai.settings"]
    with transaction() as session:
        session.merge(Setting(key=REQUIRE_TOTP_FOR_ADMINS, value=False))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "--no-control-socket"]
    command += ["--workers=2", "--threads=4"]
    with (tmp_path / "panel.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--bind", f"127.0.0.1:{port}", "siappakai.web.serving:panel()"],
            env={
                **os.environ,
                "SIAPPAKAI_STATE": str(settings.state),
                "SIAPPAKAI_RUN_DIR": str(settings.run_dir),
                "SIAPPAKAI_DATABASE_URL": settings.registry_url,
            },
            stdout=log,
            stderr=log,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url, server, tmp_path / "panel.log")
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    binary = shutil.which("chromium")
    if binary is None:
        pytest.skip("Chromium is not installed (Debian package chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def screen(chromium: Browser, address: str) -> Iterator[BrowserContext]:
    """A fresh browser profile with the width of a desk."""
    context = chromium.new_context(base_url=address, viewport={"width": 1280, "height": 860})
    context.set_default_timeout(20_000)
    yield context
    context.close()


@pytest.fixture
def page(screen: BrowserContext) -> Iterator[Page]:
    """A tab; the test fails when its console reports an error, such as a policy violation."""
    tab = screen.new_page()
    said: list[str] = []
    tab.on("console", lambda message: said.append(message.text) if message.type == "error" else 0)
    tab.on("pageerror", lambda error: said.append(str(error)))
    yield tab
    # A refusal is an answer of 403 or 422, which Chromium reports as well.
    assert [line for line in said if not REFUSAL.search(line)] == []


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            with urlopen(f"{url}/healthz", timeout=5):  # noqa: S310 - our own server
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"the panel did not start: {log.read_text()[-2000:]}")
