"""What a failure means for the village: whether its site serves people, as far as was seen."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _

from siappakai.ansible.plays import CATALOGUE
from siappakai.models import Target

_OF_PEOPLE = frozenset({"home", "login"})


def meaning(failed: Target) -> str:
    """Return one sentence; it tells what the last look at the site saw, or that none was had."""
    if failed.started_at is None and not failed.result:
        return _("Pekerjaan ini belum menyentuh apa pun.")
    if CATALOGUE[failed.run.play].leaves_sites:
        return _("Situs desa tidak diubah dan tetap melayani seperti sebelumnya.")
    if failed.site_id is None:
        return _("Situs yang sudah ada di server ini tetap di tempatnya; periksa kesehatannya.")
    return _of_site(failed.result)


def _of_site(seen: dict[str, Any]) -> str:
    if seen.get("healthy"):
        return _("Situs desa melayani pengunjung seperti biasa.")
    if seen.get("state") == "absent":
        return _("Di server belum ada apa pun dari situs desa ini.")
    checks = {one.get("name"): bool(one.get("ok")) for one in seen.get("checks", [])}
    if not checks:
        return _("Keadaan situs desa belum dilihat; periksa kesehatannya.")
    if all(checks.get(name, False) for name in _OF_PEOPLE):
        return _("Situs desa masih melayani pengunjung, tetapi ada yang tidak beres.")
    return _("Situs desa tidak melayani pengunjung dengan baik.")
