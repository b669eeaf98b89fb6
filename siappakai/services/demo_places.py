"""Which places the demonstration itself registered: no others are removed with it."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, select

from siappakai.models import District, Regency, Setting, Site, Village, db

# Beside the settings people change, which `services.settings` names.
_KEY = "demo_places"


def noted() -> set[str]:
    """Return the codes of the regency, district and villages the demonstration registered."""
    found = db.session.get(Setting, _KEY)
    return set(found.value) if found is not None else set()


def note(codes: Iterable[str], *, by: str) -> None:
    """Add codes to those noted, in the open transaction."""
    db.session.merge(Setting(key=_KEY, value=sorted(noted() | set(codes)), updated_by=by))


def are_all() -> bool:
    """Tell whether the registry has no district or village but the demonstration's."""
    registered = {
        *db.session.scalars(select(District.code)),
        *db.session.scalars(select(Village.code)),
    }
    return registered <= noted()


def forget() -> None:
    """Remove the noted places, in the open transaction; those in use by others stay."""
    session, codes = db.session, noted()
    housed, peopled, divided = (
        select(Site.village_id),
        select(Village.district_code),
        select(District.regency_code),
    )
    session.execute(delete(Village).where(Village.code.in_(codes), Village.id.not_in(housed)))
    session.execute(delete(District).where(District.code.in_(codes), District.code.not_in(peopled)))
    session.execute(delete(Regency).where(Regency.code.in_(codes), Regency.code.not_in(divided)))
    session.execute(delete(Setting).where(Setting.key == _KEY))
