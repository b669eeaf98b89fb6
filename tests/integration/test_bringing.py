"""An opened backup on its way to its server: once there is room, into a closed folder."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from siappakai.domain.states import RunState
from siappakai.errors import RefusedError
from siappakai.models import Run, Site
from siappakai.services import couriers, incoming
from siappakai.services.bringing import source_of
from siappakai.services.incoming import Bundle
from siappakai.services.leases import Lease, Tenure
from siappakai.services.servers import layout_of
from tests.factories import BY, make_run
from tests.integration import test_couriers

pytestmark = [pytest.mark.integration]
site = test_couriers.site


def opened(of: Site) -> Bundle:
    Path(layout_of(of.server).scratch).mkdir()
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("manifest.json"))
    made.seek(0)
    return incoming.receive_backup(of.village.code, made, backup_id=1, manifest_sha256="", by=BY)


def bring(of: Site, bundle: Bundle) -> Run:
    options = {"opened": {str(of.id): {"digest": bundle.digest}}, "scope": "site"}
    run = make_run("restore", [of], state=RunState.RUNNING, options=options)
    couriers.prepare(run, Tenure(Lease(run.id, run.token, run.state)))
    return run


def test_it_arrives_whole(site: Site) -> None:
    bundle = opened(site)
    run = bring(site, bundle)
    there = Path(source_of(site.server, run.targets[0].host))
    assert there.read_bytes() == (bundle.folder / incoming.FILES).read_bytes()


def test_what_finds_no_room_is_not_brought(site: Site) -> None:
    """A full disk stops the villages that are there."""
    bundle = opened(site)
    os.truncate(bundle.folder / incoming.FILES, 4 << 40)
    with pytest.raises(RefusedError, match=r"12582912 MB dan .* harus tetap kosong"):
        bring(site, bundle)
    assert list(Path(layout_of(site.server).scratch).iterdir()) == []
