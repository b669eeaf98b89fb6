"""Finding the newest backup of a registry with a kit alone, and bringing it here, verified."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Final

from siappakai.credentials import KeyRing
from siappakai.domain import registry_backups as rules
from siappakai.domain.recovery_kit import Kit, KitStore
from siappakai.domain.stores import Vault
from siappakai.errors import NotFoundError, RefusedError, SiapPakaiError, UnreachableError
from siappakai.gateways.sealing import opened
from siappakai.services.stores import open_place
from siappakai.wording import say

_PIECE: Final = 1 << 20
_MANIFEST_BYTES: Final = 1 << 16
# What stays free on this machine's disk.
_RESERVE: Final = 1 << 28


@dataclass(frozen=True, slots=True)
class Candidate:
    """A backup of a registry, and the stores that have it."""

    name: str
    taken_at: datetime
    stores: tuple[KitStore, ...]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A verified backup on this machine: what it says of itself, and its dump."""

    name: str
    store: str
    manifest: rules.Manifest
    dump: Path


class Search:
    """One search: the kit, the recovery key, and what could not be used, by name.

    `silent` are the stores that did not tell what they have: a newer backup may be there.
    """

    def __init__(self, kit: Kit, identity: str, timeout: float) -> None:
        self._kit = kit
        self._identity = identity
        self._timeout = timeout
        self.problems: dict[str, SiapPakaiError] = {}
        self.silent: list[str] = []

    def candidates(self) -> list[Candidate]:
        """Return the backups there are, the newest first.

        Raises UnreachableError when no store answers, NotFoundError when none has a backup.
        """
        holders: dict[str, list[KitStore]] = {}
        for store in self._kit.stores:
            for name in self._names(store):
                holders.setdefault(name, []).append(store)
        if len(self.problems) == len(self._kit.stores):
            raise UnreachableError(
                say("Tidak satu pun penyimpanan terjangkau: %(told)s", told=self.told()),
                say("Periksa jaringan mesin ini dan penyimpanannya; tidak ada yang diubah."),
            )
        found = [
            Candidate(name, at, tuple(holding))
            for name, holding in holders.items()
            if (at := rules.taken_at_of(name)) is not None
        ]
        if not found:
            raise NotFoundError(
                say("Tidak ada cadangan registri di penyimpanan. %(told)s", told=self.told()),
                say("Periksa folder registry/ di sana; tidak ada yang diubah."),
            )
        return sorted(found, key=lambda one: (one.taken_at, one.name), reverse=True)

    def fetch(self, candidate: Candidate, folder: Path) -> Fetched:
        """Bring a backup into a folder, from the first store that has it whole.

        Raises SiapPakaiError: for another key, another installation's, a damaged one.
        """
        problem: SiapPakaiError | None = None
        for store in candidate.stores:
            try:
                with self._open(store) as vault:
                    path = f"{rules.FOLDER}/{candidate.name}"
                    manifest = self._unpack(vault.read(path), folder / rules.DUMP)
                rules.refuse_renamed(candidate.name, manifest)
            except SiapPakaiError as error:
                self.problems[f"{store.name}: {candidate.name}"] = error
                # The first is told: what comes after it may only be another store that is down.
                problem = problem or error
            else:
                return Fetched(candidate.name, store.name, manifest, folder / rules.DUMP)
        raise problem or NotFoundError(say("Cadangan itu tidak ada di penyimpanan mana pun."))

    def told(self) -> str:
        """Return what could not be used, and why."""
        return "; ".join(f"{name}: {problem.what}" for name, problem in self.problems.items())

    def _names(self, store: KitStore) -> list[str]:
        try:
            with self._open(store) as vault:
                return list(vault.sizes(rules.FOLDER))
        except SiapPakaiError as problem:
            self.problems[store.name] = problem
            self.silent.append(store.name)
            return []

    def _open(self, store: KitStore) -> AbstractContextManager[Vault]:
        private_key = self._kit.ssh_private
        return open_place(store.kind, store.place, store.secret, private_key, self._timeout)

    def _unpack(self, sealed: Iterator[bytes], target: Path) -> rules.Manifest:
        """Open a backup and write its dump; raises RefusedError unless it is as it was made."""
        target.unlink(missing_ok=True)
        with opened(sealed, self._identity) as entries:
            name, content = next(entries, ("", None))
            if name != rules.MANIFEST or content is None:
                raise rules.not_ours()
            manifest = rules.Manifest.read(content.read(_MANIFEST_BYTES))
            name, content = next(entries, ("", None))
            if name != rules.DUMP or content is None:
                raise rules.not_ours()
            digest = _copy(content, target)
        if digest != manifest.sha256 or target.stat().st_size != manifest.size:
            raise RefusedError(
                say("Cadangan itu rusak dan tidak dapat dibaca."),
                say("Pakai salinan di penyimpanan lain, atau cadangan yang lebih lama."),
            )
        self._prove(manifest)
        return manifest

    def _prove(self, manifest: rules.Manifest) -> None:
        """Make sure that the panel of this kit made it, and the kit opens what is sealed there."""
        try:
            ring = KeyRing([key.encode() for key in self._kit.key_ring])
            is_ours = ring.unseal(manifest.proof) == manifest.claim
        except SiapPakaiError:
            is_ours = False
        if not is_ours:
            raise RefusedError(
                say("Cadangan itu tidak dibuat dengan kunci induk di kit ini."),
                say("Pakai kit terbaru dari panel itu; kunci induknya diganti setelah kit ini."),
            )


def _copy(source: IO[bytes], target: Path) -> str:
    """Copy a stream into a new closed file; return its checksum."""
    digest = hashlib.sha256()
    target.touch(mode=0o600, exist_ok=False)
    with target.open("wb") as file:
        while piece := source.read(_PIECE):
            if shutil.disk_usage(target.parent).free < _RESERVE + len(piece):
                raise RefusedError(
                    say("Disk mesin ini tidak cukup untuk registri itu."),
                    say("Kosongkan disk, lalu ulangi."),
                )
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()
