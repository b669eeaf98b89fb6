"""Ansible filter: what `site_install` is told of each site, from the facts of its host."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jinja2

# What a village is served by; see templates/server.
_TEMPLATES = {
    "pool": "site-pool.conf.j2",
    "vhost": "site-vhost.conf.j2",
    "database": "database.php.j2",
    "config": "config.php.j2",
}


def orders(
    slugs: Iterable[str], hostvars: Mapping[str, Any], problems: Mapping[str, str], templates: str
) -> list[dict[str, Any]]:
    """Return one order per site, with its files rendered from the folder `templates`.

    `problems` says why a release (`app-version`) could not be brought. One Jinja environment
    renders all: Ansible's own is made anew for each village and file.
    """
    # Settings as those of ansible.builtin.template, which renders the same files elsewhere.
    environment = jinja2.Environment(  # noqa: S701 - configuration files, not pages
        loader=jinja2.FileSystemLoader(templates),
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    return [_order(hostvars[slug], problems, environment) for slug in slugs]


def _order(
    host: Mapping[str, Any], problems: Mapping[str, str], environment: jinja2.Environment
) -> dict[str, Any]:
    facts = {name: host[name] for name in ("layout", "release", "secrets", "site")}
    known = {"ansible_managed": "Ansible managed", **facts}
    release = facts["release"]
    return {
        "release": release,
        "site": facts["site"],
        "secrets": facts["secrets"],
        "files": {
            name: environment.get_template(file).render(known) for name, file in _TEMPLATES.items()
        },
        "release_problem": problems.get(f"{release['app']}-{release['version']}", ""),
    }


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file."""
        return {"orders": orders}
