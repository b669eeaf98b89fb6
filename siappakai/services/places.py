"""The regency this panel serves, its districts, and its official list of villages."""

from __future__ import annotations

from sqlalchemy import select

from siappakai.domain.codes import parse_region_code
from siappakai.domain.places import check_name, check_word
from siappakai.errors import ConflictError, InvalidInputError, NotFoundError
from siappakai.models import District, OfficialVillage, Regency, db
from siappakai.models.transactions import transaction
from siappakai.services import audit, demo_places
from siappakai.wording import say

_REGENCY_DIGITS = 4
_DISTRICT_DIGITS = 6


def find_regency() -> Regency | None:
    """Return the regency this panel serves, or None before it was set."""
    return db.session.scalar(select(Regency))


def get_regency() -> Regency:
    """Return the regency this panel serves; raises NotFoundError before it was set."""
    regency = find_regency()
    if regency is None:
        raise NotFoundError(
            say("Kabupaten belum ditetapkan."),
            say("Isi kode dan nama kabupaten, atau muat daftar resminya, lebih dahulu."),
        )
    return regency


def hold_regency() -> Regency:
    """Return the regency, held until the open transaction ends; raises NotFoundError.

    Whoever registers places holds it first: two who register the same one at once come one
    after the other, and the second is told that it is there.
    """
    db.session.execute(select(Regency.code).with_for_update())
    return get_regency()


def set_regency(
    *,
    code: str,
    name: str,
    province_name: str,
    village_word: str = "desa",
    hamlet_word: str = "dusun",
    by: str,
) -> Regency:
    """Set the regency this panel serves, or change its names and words.

    `code` is dotted or plain. Raises InvalidInputError naming the bad field, and
    ConflictError when districts of another regency are registered already.
    """
    plain = parse_region_code(code, _REGENCY_DIGITS, field="code")
    name = check_name(name, field="name")
    province_name = check_name(province_name, field="province_name")
    village_word = check_word(village_word, field="village_word")
    hamlet_word = check_word(hamlet_word, field="hamlet_word")
    with transaction() as session:
        _replace_other_regency(plain)
        regency = session.get(Regency, plain) or Regency(code=plain)
        regency.name, regency.province_name = name, province_name
        regency.province_code = plain[:2]
        regency.village_word, regency.hamlet_word = village_word, hamlet_word
        session.add(regency)
        audit.record("regency.set", plain, by=by, detail={"name": name})
    return regency


def _replace_other_regency(code: str) -> None:
    """Make room for the regency `code`: another one goes unless places hang on it."""
    other = db.session.scalar(select(Regency).where(Regency.code != code))
    if other is None:
        return
    if db.session.scalar(select(District.code).limit(1)):
        if demo_places.are_all():
            raise ConflictError(
                say("Panel ini masih melayani %(other)s milik peragaan.", other=other.name),
                say("Hapus peragaannya dahulu: make clean-demo."),
            )
        raise ConflictError(
            say("Panel ini sudah melayani %(other)s dan kecamatannya terdaftar.", other=other.name),
            say("Pakai registri baru untuk kabupaten lain."),
        )
    db.session.delete(other)


def list_districts() -> list[District]:
    """Return the districts of the regency by code."""
    return list(db.session.scalars(select(District).order_by(District.code)))


def set_district(*, code: str, name: str, by: str) -> District:
    """Register a district of the regency, or rename it; raises InvalidInputError."""
    plain = parse_region_code(code, _DISTRICT_DIGITS, field="code")
    name = check_name(name, field="name")
    with transaction():
        hold_regency()
        district = ensure_district(plain, name)
        district.name = name
        audit.record("district.set", plain, by=by, detail={"name": name})
    return district


def ensure_district(code: str, name: str = "") -> District:
    """Return the district `code` in the open transaction, registering it when it is new.

    Its name is the official one, else `name`. Raises InvalidInputError when the district lies
    in another regency, or is new and nothing tells its name (field `district_name`).
    """
    district = db.session.get(District, code)
    if district is not None:
        return district
    regency = get_regency()
    if not code.startswith(regency.code):
        raise InvalidInputError(
            say(
                "Kode %(code)s tidak termasuk %(regency)s (%(regency_code)s).",
                code=code,
                regency=regency.name,
                regency_code=regency.code,
            ),
            say("Periksa empat angka pertamanya."),
            field="code",
        )
    official = db.session.scalar(
        select(OfficialVillage.district_name).where(OfficialVillage.district_code == code).limit(1)
    )
    if not (official or name):
        raise InvalidInputError(
            say("Kecamatan %(code)s belum terdaftar.", code=code),
            say("Isi nama kecamatannya."),
            field="district_name",
        )
    district = District(
        code=code,
        name=official or check_name(name, field="district_name"),
        regency_code=regency.code,
    )
    db.session.add(district)
    db.session.flush()
    return district


def find_official(code: str) -> OfficialVillage | None:
    """Return the official list's line for a plain village code, or None."""
    return db.session.get(OfficialVillage, code)


def has_official_list() -> bool:
    """Say whether the official list of the regency was loaded."""
    return db.session.scalar(select(OfficialVillage.code).limit(1)) is not None
