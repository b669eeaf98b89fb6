"""The release catalogue against real repositories, the stand-in's among them."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from siappakai.config import Settings
from siappakai.domain.states import SiteState
from siappakai.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    RefusedError,
    UnreachableError,
)
from siappakai.models import AuditEntry, db
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import releases, sources
from tests.factories import make_site
from tests.upstream import Upstream

pytestmark = pytest.mark.integration

BY = "penguji"
# As v2409.0.0 logged it on MariaDB 10.11; older ones write 'where clause'.
FIRST_SEEDING = (
    "ERROR - 2026-11-22 04:01:05 --> SQLSTATE[42S22]: Column not found: 1054 Unknown column "
    "'jenis' in 'WHERE' (SQL: select * from `komentar` where `jenis` = pesan-mandiri and "
    "`komentar`.`config_id` = 1)"
)


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    return Upstream(tmp_path / "upstream")


@pytest.fixture
def catalogue(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Upstream]:
    """A registry whose configured source is `upstream`, with two releases in it."""
    upstream.release("v2409.0.0", "2024090101")
    upstream.release("v2410.0.0", "2024100101")
    upstream.publish("beta", "not a release")
    monkeypatch.setenv("SIAPPAKAI_RELEASE_SOURCE", str(upstream.folder))
    app: Flask = request.getfixturevalue("registry")
    with app.app_context():
        yield upstream


def move(upstream: Upstream, name: str) -> Upstream:
    upstream.folder.rename(upstream.folder.with_name(name))
    return upstream


def actions() -> list[str]:
    return list(db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def test_what_the_source_offers_comes_newest_first_and_only_releases(catalogue: Upstream) -> None:
    offered = releases.list_available(by=BY)
    assert [item.version for item in offered] == ["v2410.0.0", "v2409.0.0"]
    assert not any(item.pinned or item.moved for item in offered)
    assert not sources.source_status().stand_in


def test_pinning_writes_down_commit_schema_and_what_was_seen(catalogue: Upstream) -> None:
    release = releases.pin_release("v2409.0.0", by=BY)
    assert release.commit == catalogue.git("rev-parse", "v2409.0.0^{commit}")
    assert release.schema_version == "2024090101"
    assert release.php_versions == ["8.2", "8.4"]
    (benign,) = release.benign_patterns
    assert re.search(benign, FIRST_SEEDING)
    assert re.search(benign, FIRST_SEEDING.replace("'WHERE'", "'where clause'"))
    assert not re.search(benign, FIRST_SEEDING.replace("`komentar`", "`penduduk`"))
    assert release.released_at is not None
    assert not release.stand_in
    again = releases.pin_release("v2409.0.0", by=BY)
    assert again.id == release.id
    assert actions() == ["release.pin"]
    assert [item.pinned for item in releases.list_available()] == [False, True]


def test_a_moved_tag_is_refused_and_nothing_changes(catalogue: Upstream) -> None:
    pinned = releases.pin_release("v2410.0.0", by=BY)
    before = pinned.commit
    catalogue.release("v2410.0.0", "2024100199")
    assert [item.moved for item in releases.list_available()] == [True, False]
    with pytest.raises(ConflictError, match="telah berpindah"):
        releases.pin_release("v2410.0.0", by=BY)
    assert releases.get_release("v2410.0.0").commit == before


def test_a_bad_version_and_an_unknown_one_are_told(catalogue: Upstream) -> None:
    with pytest.raises(InvalidInputError, match="tidak sah"):
        releases.pin_release("--upload-pack=x", by=BY)
    with pytest.raises(NotFoundError, match="tidak ada di sumber"):
        releases.pin_release("v2501.0.0", by=BY)
    with pytest.raises(NotFoundError, match="belum disematkan"):
        releases.get_release("v2410.0.0")


def test_a_release_that_names_no_schema_is_refused(catalogue: Upstream) -> None:
    shutil.rmtree(catalogue.folder / "donjo-app")
    catalogue.publish("v2411.0.0", "bare")
    with pytest.raises(NotFoundError, match="opensid_helper"):
        releases.pin_release("v2411.0.0", by=BY)


def test_an_unknown_release_needs_an_admins_word_before_it_is_installed(
    catalogue: Upstream,
) -> None:
    catalogue.release("v2507.1.0", "2025070101")
    release = releases.pin_release("v2507.1.0", by=BY)
    with pytest.raises(RefusedError, match=r"belum terlihat bekerja pada PHP 8\.2"):
        releases.check_php_seen(release, "8.2")
    releases.record_php_seen("v2507.1.0", "8.2", by=BY)
    db.session.expire_all()
    releases.check_php_seen(releases.get_release("v2507.1.0"), "8.2")
    with pytest.raises(InvalidInputError, match="tidak sah untuk php"):
        releases.record_php_seen("v2507.1.0", "8.2; rm", by=BY)
    assert actions()[-1] == "release.seen"


def test_the_archive_is_made_once_and_again_where_it_is_missing(catalogue: Upstream) -> None:
    release = releases.pin_release("v2410.0.0", by=BY)
    archive = releases.ensure_archive(release)
    made_at = archive.path.stat().st_mtime_ns
    assert releases.ensure_archive(release).path.stat().st_mtime_ns == made_at
    with tarfile.open(archive.path) as packed:
        assert "donjo-app/helpers/opensid_helper.php" in packed.getnames()
    # Another worker: neither archive nor mirror.
    shutil.rmtree(current_settings().state / "archives")
    shutil.rmtree(current_settings().state / "sources" / "opensid.git")
    assert releases.ensure_archive(release) == archive


@pytest.mark.parametrize("harm", ["altered", "truncated", "without its checksum"])
def test_a_harmed_archive_is_made_again(catalogue: Upstream, harm: str) -> None:
    release = releases.pin_release("v2410.0.0", by=BY)
    archive = releases.ensure_archive(release)
    whole = archive.path.read_bytes()
    if harm == "altered":
        # Behind the header, which still names the right commit.
        archive.path.write_bytes(whole[:-20] + b"x" + whole[-19:])
    elif harm == "truncated":
        archive.path.write_bytes(whole[:-20])
    else:
        archive.path.with_name(f"{archive.path.name}.sha256").unlink()
        archive.path.write_bytes(whole[:-20])
    assert releases.ensure_archive(release) == archive
    assert archive.path.read_bytes() == whole


def test_a_damaged_archive_is_made_again(catalogue: Upstream) -> None:
    release = releases.pin_release("v2410.0.0", by=BY)
    archive = releases.ensure_archive(release)
    archive.path.write_bytes(b"half")
    assert releases.ensure_archive(release) == archive


def test_an_archive_is_never_made_from_another_commit(catalogue: Upstream) -> None:
    release = releases.pin_release("v2410.0.0", by=BY)
    catalogue.release("v2410.0.0", "2024100199")
    shutil.rmtree(current_settings().state / "sources" / "opensid.git")
    with pytest.raises(ConflictError, match="telah berpindah"):
        releases.ensure_archive(release)


def test_playbooks_get_the_release_with_its_archive(catalogue: Upstream) -> None:
    release = releases.pin_release("v2409.0.0", by=BY)
    given = releases.release_vars(release)
    assert Path(given.archive).is_file()
    assert len(given.archive_sha256) == 64
    assert (given.version, given.commit) == ("v2409.0.0", release.commit)


def test_the_stand_in_is_used_where_the_source_fails_and_says_why(catalogue: Upstream) -> None:
    move(catalogue, "gone")
    status = sources.choose_source(current_settings(), by=BY)
    assert status.stand_in
    assert str(catalogue.folder) in status.reason
    assert sources.source_status() == status
    assert actions() == ["release.source"]
    release = releases.pin_release("v2410.0.0", by=BY)
    assert release.stand_in
    assert release.php_versions == ["8.2", "8.4"]
    assert releases.ensure_archive(release).path.is_file()


def test_the_newest_release_known_to_work_is_found(catalogue: Upstream) -> None:
    catalogue.release("v2507.1.0", "2025070101")
    assert releases.newest_seen("8.4") == "v2410.0.0"
    with pytest.raises(NotFoundError, match=r"bekerja pada PHP 8\.3"):
        releases.newest_seen("8.3")


@pytest.mark.parametrize("php", ["8.2", "8.4"])
def test_of_the_stand_in_one_that_behaves_is_found(catalogue: Upstream, php: str) -> None:
    move(catalogue, "gone")
    assert releases.list_available()[0].version == "v2412.0.0", "the bad one is on offer"
    assert releases.newest_seen(php) == "v2410.0.0"
    with pytest.raises(NotFoundError, match=r"bekerja pada PHP 7\.4"):
        releases.newest_seen("7.4")


def test_the_real_source_comes_back_when_no_site_uses_the_stand_in(catalogue: Upstream) -> None:
    move(catalogue, "gone")
    sources.choose_source(current_settings(), by=BY)
    removed = make_site(release=releases.pin_release("v2410.0.0", by=BY), state=SiteState.REMOVED)
    (catalogue.folder.with_name("gone")).rename(catalogue.folder)
    assert not sources.choose_source(current_settings(), by=BY).stand_in
    db.session.expire_all()
    assert removed.release_id is None
    assert releases.list_releases() == []
    assert not releases.pin_release("v2410.0.0", by=BY).stand_in


def test_kinds_never_mix_while_sites_use_one(catalogue: Upstream) -> None:
    make_site(release=releases.pin_release("v2410.0.0", by=BY))
    move(catalogue, "gone")
    status = sources.choose_source(current_settings(), by=BY)
    assert not status.stand_in
    assert "1 situs memakai rilis dari sumber sebenarnya" in status.reason
    with pytest.raises(ConflictError, match="1 situs memakai rilis dari sumber sebenarnya"):
        sources.use_source(current_settings(), stand_in=True, by=BY)
    with pytest.raises(UnreachableError):
        releases.pin_release("v2409.0.0", by=BY)


def test_an_admin_may_choose_the_stand_in_and_go_back(catalogue: Upstream) -> None:
    assert sources.use_source(current_settings(), stand_in=True, by=BY).stand_in
    release = releases.pin_release("v2410.0.0", by=BY)
    site = make_site(release=release)
    with pytest.raises(ConflictError, match="1 situs memakai aplikasi peraga"):
        sources.use_source(current_settings(), stand_in=False, by=BY)
    with transaction():
        site.state = SiteState.REMOVED
    assert not sources.use_source(current_settings(), stand_in=False, by=BY).stand_in


def test_a_source_that_is_not_allowed_is_refused(registry: Flask, tmp_path: Path) -> None:
    settings = Settings(state=tmp_path, release_source="https://example.org/other.git")
    with pytest.raises(RefusedError, match="daftar yang diizinkan"):
        sources.choose_source(settings, by=BY)


@pytest.mark.opensid
def test_the_real_opensid_is_pinned_and_packed(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    clone = os.environ.get("SIAPPAKAI_TEST_OPENSID_REPO")
    if clone is None:
        pytest.skip("SIAPPAKAI_TEST_OPENSID_REPO names no clone of OpenSID")
    monkeypatch.setenv("SIAPPAKAI_RELEASE_SOURCE", clone)
    app: Flask = request.getfixturevalue("registry")
    with app.app_context():
        schemas = {}
        for version in ("v2409.0.0", "v2410.0.0"):
            release = releases.pin_release(version, by=BY)
            schemas[version] = release.schema_version
            with tarfile.open(releases.ensure_archive(release).path) as packed:
                assert {"index.php", "vendor", "donjo-app"} <= set(packed.getnames())
        assert schemas == {"v2409.0.0": "2024090101", "v2410.0.0": "2024100101"}
