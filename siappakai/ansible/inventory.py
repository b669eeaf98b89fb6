"""From facts of the registry to an Ansible inventory; pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from siappakai.ansible.plays import ReleaseVars, SiteSecrets, SiteVars
from siappakai.domain.naming import ServerLayout


@dataclass(frozen=True, slots=True)
class SiteHost:
    """One site as an inventory host; named by its slug."""

    site: SiteVars
    secrets: SiteSecrets
    release: ReleaseVars


@dataclass(frozen=True, slots=True)
class ServerHost:
    """One server as an inventory host, with the sites this run touches on it.

    `connection` holds Ansible's connection variables (ansible_host …).
    """

    name: str
    connection: dict[str, Any]
    layout: ServerLayout
    sites: list[SiteHost] = field(default_factory=list)
    releases: list[ReleaseVars] = field(default_factory=list)


def build_inventory(servers: list[ServerHost]) -> dict[str, Any]:
    """Return the inventory of a run in Ansible's YAML/JSON form.

    Every text in it is marked as data: Ansible takes inventory strings for templates, and one
    that people typed must not run anything on the machine that plays.

    Group `servers` holds the machines, group `sites` the villages' sites, the latter grouped
    by the server they lie on (`on_<server>`).
    """
    return {
        "all": {
            "children": {
                "servers": {"hosts": {server.name: _server_vars(server) for server in servers}},
                "sites": {
                    "children": {
                        f"on_{server.name.replace('-', '_')}": _sites_group(server)
                        for server in servers
                    }
                },
            }
        }
    }


def _server_vars(server: ServerHost) -> dict[str, Any]:
    known = {
        **server.connection,
        "layout": server.layout.as_vars(),
        "releases": [asdict(release) for release in _releases(server)],
        "sites": [asdict(host.site) for host in server.sites],
    }
    return {name: _as_data(value) for name, value in known.items()}


def _sites_group(server: ServerHost) -> dict[str, Any]:
    known = {
        **server.connection,
        "layout": server.layout.as_vars(),
        "server_host": server.name,
    }
    return {
        "vars": {name: _as_data(value) for name, value in known.items()},
        "hosts": {host.site.slug: _as_data(asdict(host)) for host in server.sites},
    }


def _releases(server: ServerHost) -> list[ReleaseVars]:
    needed = {(release.app, release.version): release for release in server.releases}
    needed |= {(host.release.app, host.release.version): host.release for host in server.sites}
    return list(needed.values())


def _as_data(value: Any) -> Any:
    """Return a value with every string in it wrapped so that Ansible never templates it."""
    if isinstance(value, str):
        return {"__ansible_unsafe": value}
    if isinstance(value, dict):
        return {key: _as_data(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_as_data(inner) for inner in value]
    return value
