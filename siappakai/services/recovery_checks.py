"""Whether this panel could be regained if its machine were lost now; part of `siappakai doctor`."""

from __future__ import annotations

from siappakai.errors import SiapPakaiError
from siappakai.services import recovery_kits, registry_backups, setup, stores
from siappakai.services.checks import Check, judged
from siappakai.services.recovery_kits import KitStanding, KitState


def look() -> list[Check]:
    """Return what there is to say of it; nothing before there is anything to lose."""
    if not is_needed():
        return []
    return [_registry_backup(), _kit()]


def is_needed() -> bool:
    """Tell whether there is something to lose: a site was installed, or a store is there."""
    return setup.is_over() or bool(stores.list_stores())


def kit_to_confirm() -> KitStanding | None:
    """Return how it stands with the kit while a person must see to it, else None."""
    if not is_needed():
        return None
    try:
        found = recovery_kits.standing()
    except SiapPakaiError:
        return None  # the key ring is missing: what there is to say then is said elsewhere
    return None if found.is_well else found


def _registry_backup() -> Check:
    found = registry_backups.standing()
    newest = found.newest
    detail = f"terakhir {newest.taken_at:%Y-%m-%d %H:%M} UTC" if newest else "belum pernah"
    return judged(
        "registry_backup",
        ok=found.is_possible and newest is not None and not found.is_late,
        detail=f"{detail}: {found.failure}" if found.failure else detail,
        todo="Perbaiki sebabnya, lalu: siappakai registry backup."
        if found.is_possible
        else "Buat kunci pemulihan (siappakai backup make-key) dan tambahkan penyimpanan.",
    )


def _kit() -> Check:
    try:
        found = recovery_kits.standing()
    except SiapPakaiError as error:
        return Check("recovery_kit", False, error.what, error.todo)  # noqa: FBT003 - ok
    return judged("recovery_kit", ok=found.is_well, detail=_SEEN[found.state], todo=_TODO)


_SEEN = {
    KitState.IMPOSSIBLE: "belum dapat dibuat: kunci pemulihan atau penyimpanan belum ada",
    KitState.UNCONFIRMED: "belum ada yang memastikan bahwa kit pemulihan disimpan",
    KitState.OUTDATED: "kit pemulihan yang disimpan sudah usang: isinya berubah sejak itu",
    KitState.CONFIRMED: "kit pemulihan disimpan dan masih berlaku",
}
_TODO = (
    "Buat dengan siappakai kit make (atau di halaman Cadangan), simpan di luar mesin ini, "
    "lalu: siappakai kit confirm NOMOR."
)
