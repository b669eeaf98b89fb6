"""Whether a site got well with what came back: judged by what a backup can be to blame for.

A page that nginx does not deliver is asked for again from PHP-FPM itself. A site whose vhost or
certificate is ill is restored all the same: that is mended elsewhere, and often by then.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from . import fastcgi, health
from .opensid import LOGIN_PATH
from .outcome import Refusal

if TYPE_CHECKING:
    from collections.abc import Collection

    from .variables import LayoutVars, SiteVars

# What a site must do to be left with what came back; the rest a person may mend.
_VITAL = frozenset({"installed", "home", "login", "database", "release", "schema", "identity"})
_PAGES = {"home": "/", "login": LOGIN_PATH}
_OK = 200
_SECONDS = 60.0


def ill(layout: LayoutVars, site: SiteVars) -> dict[str, str]:
    """Return what a site must do and does not, with the reason."""
    report = health.examine(layout, [site])[site["slug"]]
    found = {one.name: one.detail for one in report.checks if one.name in _VITAL and not one.ok}
    blameless = {name for name, path in _PAGES.items() if name in found and _answers(site, path)}
    if found.get("installed") == health.NO_VHOST:
        blameless.add("installed")
    return {name: why for name, why in found.items() if name not in blameless}


def require_well(layout: LayoutVars, site: SiteVars, ill_before: Collection[str]) -> None:
    """Raise Refusal `restore_unwell` when a site fails in what it did not fail in before."""
    found = {name: why for name, why in ill(layout, site).items() if name not in ill_before}
    if found:
        what = "; ".join(f"{name}: {why}" for name, why in found.items())
        raise Refusal(
            "restore_unwell",
            f"{site['slug']} did not get well with what was brought back, and serves again what"
            f" it served before: {what}. Look at that, or choose another backup.",
            what=what,
        )


def _answers(site: SiteVars, path: str) -> bool:
    """Tell whether the application itself gives a whole page."""
    view = str(Path(site["folder"], "current").resolve())
    try:
        answer = fastcgi.get(
            site["socket"], view=view, path=path, host=site["domain"], seconds=_SECONDS
        )
    except OSError:
        return False
    return answer.status == _OK and "</html>" in answer.body[-2000:]
