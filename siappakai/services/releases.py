"""The release catalogue: what the source offers, what is pinned, what may be installed."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from siappakai.ansible.plays import ReleaseVars
from siappakai.domain.naming import check_php
from siappakai.domain.versions import Version, is_version
from siappakai.errors import ConflictError, NotFoundError, RefusedError
from siappakai.gateways.git import checksum_file, commit_of_archive, sha256_of
from siappakai.models import Release, db
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import audit, sources
from siappakai.wording import say

APP = "opensid"
_HELPER = "donjo-app/helpers/opensid_helper.php"
_SCHEMA_VERSION = re.compile(r"define\(\s*'VERSI_DATABASE'\s*,\s*'(\d{10,20})'\s*\)")


@dataclass(frozen=True, slots=True)
class AvailableRelease:
    """A release the source offers. `moved` means it is pinned to another commit than this."""

    version: str
    commit: str
    pinned: bool
    moved: bool


@dataclass(frozen=True, slots=True)
class Archive:
    """A release as a tar.gz on this machine, its files at the top level."""

    path: Path
    sha256: str


def list_available(*, by: str = "siappakai") -> list[AvailableRelease]:
    """Ask the source what it offers, newest first; raises UnreachableError, RefusedError."""
    settings = current_settings()
    source, _ = sources.source_in_use(settings, by=by)
    tags = sources.git(settings).list_tags(source, timeout=settings.source_timeout_seconds)
    pinned = {release.version: release.commit for release in list_releases()}
    versions = sorted((tag for tag in tags if is_version(tag)), key=Version.parse, reverse=True)
    return [
        AvailableRelease(
            version=tag,
            commit=tags[tag],
            pinned=tag in pinned,
            moved=pinned.get(tag, tags[tag]) != tags[tag],
        )
        for tag in versions
    ]


def list_releases() -> list[Release]:
    """Return the pinned releases, newest first."""
    found = db.session.scalars(select(Release).where(Release.app == APP))
    return sorted(found, key=lambda release: Version.parse(release.version), reverse=True)


def get_release(version: str) -> Release:
    """Return a pinned release by its version; raises NotFoundError."""
    release = find_release(version)
    if release is None:
        raise NotFoundError(
            say("Rilis %(version)s belum disematkan.", version=version),
            say("Jalankan: siappakai release pin %(version)s", version=version),
        )
    return release


def find_release(version: str) -> Release | None:
    """Return a pinned release by its version, or None."""
    query = select(Release).where(Release.app == APP, Release.version == version)
    return db.session.scalar(query)


def pin_release(version: str, *, by: str) -> Release:
    """Fetch a release and write down its commit; a second time changes nothing.

    Raises InvalidInputError (field `version`), NotFoundError when the source has no such
    release, ConflictError when its tag has moved since it was pinned, UnreachableError.
    """
    settings = current_settings()
    tag = Version.parse(version).tag
    source, stand_in = sources.source_in_use(settings, by=by)
    git = sources.git(settings)
    commit = git.fetch_tag(APP, source, tag)
    release = Release(
        app=APP,
        version=tag,
        commit=commit,
        source=source.url,
        stand_in=stand_in,
        schema_version=_schema_version(git.read_file(APP, commit, _HELPER), tag),
        released_at=datetime.fromtimestamp(git.commit_time(APP, commit), UTC),
        **_seen(tag, stand_in=stand_in),
    )
    with transaction() as session:
        return _store(session, release, by=by)


def ensure_archive(release: Release) -> Archive:
    """Return a release as an archive on this machine, made from its pinned commit if need be.

    Raises ConflictError when the source no longer has that commit under the release's tag,
    UnreachableError, NotFoundError.
    """
    settings = current_settings()
    name = f"{release.app}-{release.version}-{release.commit[:12]}.tar.gz"
    path = settings.state / "archives" / name
    checksum = _kept_checksum(path)
    if checksum is None or commit_of_archive(path) != release.commit:
        git = sources.git(settings)
        if not git.has_commit(release.app, release.commit):
            _fetch_again(release)
        checksum = git.write_archive(release.app, release.commit, path)
    return Archive(path, checksum)


def _kept_checksum(path: Path) -> str | None:
    """Return the checksum of an archive as it was made; None when it is not whole any more."""
    try:
        kept = checksum_file(path).read_text().strip()
        return kept if sha256_of(path) == kept else None
    except FileNotFoundError:
        return None


def release_vars(release: Release) -> ReleaseVars:
    """Return a release as playbooks take it, its archive made ready on this machine."""
    archive = ensure_archive(release)
    return replace(
        unshipped_vars(release), archive=str(archive.path), archive_sha256=archive.sha256
    )


def unshipped_vars(release: Release) -> ReleaseVars:
    """Return a release as playbooks take it that need not bring its code."""
    return ReleaseVars(
        app=release.app,
        version=release.version,
        commit=release.commit,
        archive="",
        archive_sha256="",
        schema_version=release.schema_version,
        php_versions=list(release.php_versions),
        benign_patterns=list(release.benign_patterns),
    )


def check_php_seen(release: Release, php: str) -> None:
    """Raise RefusedError unless the release was seen working on a PHP version."""
    if php not in release.php_versions:
        known = ", ".join(release.php_versions) or "belum ada"
        raise RefusedError(
            say(
                "Rilis %(version)s belum terlihat bekerja pada PHP %(php)s (yang sudah: "
                "%(known)s).",
                version=release.version,
                php=php,
                known=known,
            ),
            say(
                "Cobalah pada satu situs uji, lalu catat: siappakai release php-seen "
                "%(version)s %(php)s",
                version=release.version,
                php=php,
            ),
        )


def newest_seen(php: str) -> str:
    """Return the newest release on offer that is known to work on a PHP version.

    Raises NotFoundError when there is none, UnreachableError, RefusedError.
    """
    offers = list_available()
    stand_in = sources.source_status().stand_in
    for offer in offers:
        # Of the stand-in too only what is listed: its others misbehave on purpose.
        is_listed = offer.version in _catalogue()[APP]
        if is_listed and php in _seen(offer.version, stand_in=stand_in)["php_versions"]:
            return offer.version
    raise NotFoundError(
        say("Tidak ada rilis yang sudah terlihat bekerja pada PHP %(php)s.", php=php),
        say("Sematkan satu rilis dan catat hasil uji: siappakai release php-seen."),
    )


def record_php_seen(version: str, php: str, *, by: str) -> Release:
    """Note an admin's word that a release works on a PHP version; it may be installed then.

    Raises InvalidInputError (field `php`), NotFoundError.
    """
    check_php(php)
    with transaction():
        release = get_release(version)
        if php not in release.php_versions:
            # A new list: a change inside a JSON value would go unnoticed.
            release.php_versions = sorted([*release.php_versions, php])
            audit.record("release.seen", version, by=by, detail={"php": php})
        return release


def _store(session: Session, release: Release, *, by: str) -> Release:
    if sources.source_status().stand_in != release.stand_in:
        raise ConflictError(say("Sumber rilis berganti sementara ini."), say("Ulangi penyematan."))
    known = find_release(release.version)
    if known is None:
        session.add(release)
        detail = {"commit": release.commit, "source": release.source}
        audit.record("release.pin", release.version, by=by, detail=detail)
        return release
    if known.commit != release.commit:
        raise _moved(known, release.commit)
    return known


def _fetch_again(release: Release) -> None:
    settings = current_settings()
    source, stand_in = sources.source_in_use(settings, by="siappakai")
    if stand_in != release.stand_in:
        raise ConflictError(
            say("Rilis %(version)s bukan dari sumber yang kini dipakai.", version=release.version),
            say("Pilih rilis lain, atau kembalikan sumber rilisnya."),
        )
    commit = sources.git(settings).fetch_tag(release.app, source, release.version)
    if commit != release.commit:
        raise _moved(release, commit)


def _moved(release: Release, commit: str) -> ConflictError:
    return ConflictError(
        say(
            "Tag %(version)s di sumber telah berpindah: tersemat %(pinned)s, kini %(now)s.",
            version=release.version,
            pinned=release.commit[:12],
            now=commit[:12],
        ),
        say("Rilis yang sudah terbit tidak boleh berubah; tanyakan kepada penerbitnya."),
    )


def _schema_version(helper: str, tag: str) -> str:
    match = _SCHEMA_VERSION.search(helper)
    if match is None:
        raise NotFoundError(
            say(
                "Rilis %(tag)s tidak menyebut VERSI_DATABASE di %(helper)s.",
                tag=tag,
                helper=_HELPER,
            ),
            say("Pilih rilis lain."),
        )
    return match.group(1)


def _seen(version: str, *, stand_in: bool) -> dict[str, list[str]]:
    """Return what the catalogue knows of a release; nothing for one it does not list."""
    catalogue = _catalogue()
    listed = catalogue[APP].get(version, {"php_versions": [], "benign_patterns": []})
    php = catalogue["stand_in"]["php_versions"] if stand_in else listed["php_versions"]
    return {"php_versions": list(php), "benign_patterns": list(listed["benign_patterns"])}


@cache
def _catalogue() -> dict[str, Any]:
    return tomllib.loads(files("siappakai.services").joinpath("catalogue.toml").read_text())
