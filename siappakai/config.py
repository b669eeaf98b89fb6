"""Settings, typed, read in one place: environment `SIAPPAKAI_*`, then the file.

The file is `siappakai.toml` in the state folder (or `SIAPPAKAI_CONFIG`). Nothing else in the
program reads the environment.
"""

from __future__ import annotations

import os
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal

from pydantic import Field, IPvAnyNetwork, SecretStr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

OPENSID_SOURCE = "https://github.com/OpenSID/OpenSID.git"
DEFAULT_STATE = "/var/lib/siappakai"
_LOOPBACK: tuple[IPvAnyNetwork, ...] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


class Settings(BaseSettings):
    """Everything an installation can set. Durations are seconds."""

    # No `.env`: root calls the program from any folder, and whoever owns that must set nothing.
    model_config = SettingsConfigDict(env_prefix="SIAPPAKAI_", extra="ignore", frozen=True)

    state: Path = Path(DEFAULT_STATE)
    run_dir: Path = Path("/run/siappakai")
    database_url: str = ""
    redis_url: str = ""
    key_file: Path | None = None
    language: Literal["id", "en"] = "id"
    host: str = "127.0.0.1"
    port: int = 8080
    allowed_hosts: list[str] = Field(default_factory=lambda: ["127.0.0.1", "localhost"])
    secure_cookies: bool = False
    # How many proxies in front of the panel to believe about caller, scheme and host.
    trusted_proxies: int = Field(default=0, ge=0, le=5)
    # Of the service (`siappakai service`): nginx answers the network by these, loopback without.
    certificate: str = ""
    certificate_key: str = ""
    # Whether this machine may be a server itself, prepared by the panel through sudo.
    local_server: bool = True
    session_key: SecretStr = SecretStr("")
    # Who may read /readyz and /metrics without a login: networks, or who knows the token that
    # has this SHA-256.
    metrics_allowed: list[IPvAnyNetwork] = Field(default_factory=lambda: list(_LOOPBACK))
    metrics_token_sha256: str = Field(default="", pattern="^([0-9a-f]{64})?$")
    # What one API token may ask of the panel, all its processes together.
    api_requests_per_minute: int = Field(default=600, ge=1)
    workers: int = Field(default=2, ge=1, le=64)
    release_source: str = OPENSID_SOURCE
    release_sources_allowed: list[str] = Field(default_factory=lambda: [OPENSID_SOURCE])
    https_proxy: str = ""
    source_timeout_seconds: float = Field(default=15, gt=0)
    git_timeout_seconds: float = Field(default=1800, gt=0)
    ssh_timeout_seconds: float = Field(default=15, gt=0)
    server_min_free_bytes: int = Field(default=3 * 1024**3, ge=0)
    server_max_skew_seconds: float = Field(default=30, gt=0)
    # A worker that dies is missed after a lease, found at the next tick, and its run settled by
    # a probe that waits `orphan_patience_seconds` for what it left on the server: lease + tick +
    # patience + a probe must stay below two minutes.
    lease_seconds: float = Field(default=30, gt=0)
    heartbeat_seconds: float = Field(default=5, gt=0)
    tick_seconds: float = Field(default=15, gt=0)
    # The lookout: its round, and how often it looks at each server.
    lookout_seconds: float = Field(default=10, gt=0)
    server_watch_seconds: float = Field(default=300, gt=0)
    orphan_patience_seconds: float = Field(default=10, ge=0)
    run_timeout_seconds: int = Field(default=4 * 3600, gt=0)
    global_parallelism: int = Field(default=8, ge=1)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - there is no such file
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Add the settings file below the environment; explicit arguments win over all."""
        file = TomlConfigSettingsSource(settings_cls, toml_file=_settings_file())
        return (init_settings, env_settings, file, file_secret_settings)

    @cached_property
    def registry_url(self) -> str:
        """Database URL of the registry; SQLite in the state folder unless one is set."""
        return self.database_url or f"sqlite:///{self.state}/registry.sqlite3"

    @cached_property
    def queue_url(self) -> str:
        """Redis URL; the private Redis on a unix socket unless one is set."""
        return self.redis_url or f"unix://{self.run_dir}/redis.sock"

    @cached_property
    def credentials_file(self) -> Path:
        """Key ring that seals stored secrets; never inside the registry or its backups."""
        return self.key_file or self.state / "credentials.key"


def _settings_file() -> Path:
    given = os.environ.get("SIAPPAKAI_CONFIG")
    return (
        Path(given)
        if given
        else Path(os.environ.get("SIAPPAKAI_STATE", DEFAULT_STATE)) / "siappakai.toml"
    )


def share_folder(name: Literal["playbooks", "templates"]) -> Path:
    """Where `playbooks/` or `templates/` lie: in the checkout, or shipped inside the package."""
    package = Path(__file__).parent
    shipped = package / "_share" / name
    return shipped if shipped.is_dir() else package.parent / name
