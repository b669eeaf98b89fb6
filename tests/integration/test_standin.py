"""The stand-in app behaves like OpenSID where the orchestrator depends on it."""

import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from siappakai.gateways.standin import RELEASES, build_repository
from tests.integration.standin_fixtures.daemons import mariadb_server, php_fpm, php_log
from tests.integration.standin_fixtures.village import Village

pytestmark = pytest.mark.integration

NewVillage = Callable[..., Village]
PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010806000000")
SQL_ERRORS = re.compile(r"SQLSTATE|Error Number|Gagal Jalankan")


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    # Not tmp_path: the web user must be able to walk down to its villages.
    folder = Path(tempfile.mkdtemp(prefix="standin-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    subprocess.run(["chmod", "-R", "u+w", str(folder)], check=True)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def releases(root: Path) -> Path:
    """Every release unpacked and read-only, as on a server."""
    repository = build_repository(root / "repository")
    target = root / "releases"
    for release in RELEASES:
        folder = target / release.tag
        (folder / "donjo-app/Middleware").mkdir(parents=True)
        archive = subprocess.run(
            ["git", "-C", str(repository), "archive", release.tag], check=True, capture_output=True
        ).stdout
        subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    subprocess.run(["chmod", "-R", "a-w", str(target)], check=True)
    return target


@pytest.fixture(scope="module")
def daemons(root: Path, releases: Path) -> Iterator[tuple[Path, Path]]:
    with (
        mariadb_server(root / "mariadb") as mariadb,
        php_fpm(root / "fpm", root / "villages", releases) as fpm,
    ):
        yield mariadb, fpm


@pytest.fixture
def new_village(root: Path, releases: Path, daemons: tuple[Path, Path]) -> NewVillage:
    def make(*, writable_config: bool = True) -> Village:
        number = len(list((root / "villages").iterdir()))
        mariadb, fpm = daemons
        name = f"desa_{number}"
        village = Village(root / "villages" / name, releases, fpm, mariadb, name)
        village.create(writable_config=writable_config)
        return village

    return make


@pytest.fixture(autouse=True)
def php_is_silent(root: Path) -> Iterator[None]:
    """No page of the stand-in is deprecated, or wrong, to the PHP it runs on."""
    log = php_log(root / "villages")
    log.unlink(missing_ok=True)
    yield
    assert not log.exists(), log.read_text()


def test_same_commits_every_time(root: Path) -> None:
    first = build_repository(root / "first")
    inode = first.stat().st_ino
    assert build_repository(first).stat().st_ino == inode, "a complete repository is left alone"
    references = [
        subprocess.run(
            ["git", "-C", str(build_repository(root / name)), "show-ref"],
            check=True,
            capture_output=True,
        ).stdout
        for name in ("first", "second")
    ]
    assert references[0] == references[1]
    for release in RELEASES:
        assert f"refs/tags/{release.tag}\n".encode() in references[0]


def test_foreign_folder_is_not_replaced(root: Path) -> None:
    (root / "foreign").mkdir()
    (root / "foreign" / "letter.txt").write_text("keep me")
    with pytest.raises(FileExistsError, match="foreign"):
        build_repository(root / "foreign")
    assert (root / "foreign" / "letter.txt").read_text() == "keep me"


def test_constants_can_be_grepped(releases: Path) -> None:
    for release in RELEASES:
        helper = (releases / release.tag / "donjo-app/helpers/opensid_helper.php").read_text()
        assert f"define('VERSION', '{release.version}');" in helper
        assert f"define('VERSI_DATABASE', '{release.database_version}');" in helper


def test_first_request_seeds_an_empty_database(new_village: NewVillage) -> None:
    village = new_village()
    key_before = village.app_key.read_text()
    answer = village.request("v2410.0.0")
    assert answer.status == 200
    assert answer.body.rstrip().endswith("</html>")
    kinds = dict(
        village.sql(
            "SELECT table_type, COUNT(*) FROM information_schema.tables"
            " WHERE table_schema = DATABASE() GROUP BY table_type"
        )
    )
    assert int(kinds["BASE TABLE"]) >= 240
    assert kinds["VIEW"] == "5"
    assert village.migrations()[-1] == "2024100101"
    current = "SELECT value FROM setting_aplikasi WHERE `key` = 'current_version'"
    assert village.sql(current) == [["24.10"]]
    assert village.app_key.read_text() != key_before
    assert village.sql("SELECT id, app_key FROM config") == [["1", village.app_key.read_text()]]
    assert not SQL_ERRORS.search(village.log())
    assert village.log().startswith("<?php defined('BASEPATH')")
    assert (village.folder / "desa/config/config.php").is_file()
    assert list((village.folder / "storage/fw/v2410.0.0/views").glob("*.php"))
    assert list((village.folder / "storage/fw/v2410.0.0/cache/data").rglob("*/*/*"))
    for path in ("/", "/index.php", "/siteman", "/index.php/siteman"):
        assert village.request("v2410.0.0", path).status == 200
    assert village.request("v2410.0.0", "/tidak-ada").status == 404


def test_references_form_a_circle(new_village: NewVillage) -> None:
    village = new_village()
    village.request("v2410.0.0")
    references = {
        tuple(row)
        for row in village.sql(
            "SELECT table_name, column_name, referenced_table_name"
            " FROM information_schema.key_column_usage"
            " WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL"
        )
    }
    assert len(references) >= 350
    assert references >= {
        ("tweb_penduduk", "id_kk", "tweb_keluarga"),
        ("tweb_penduduk", "id_cluster", "tweb_wil_clusterdesa"),
        ("tweb_keluarga", "nik_kepala", "tweb_penduduk"),
        ("tweb_wil_clusterdesa", "id_kepala", "tweb_penduduk"),
        ("tweb_penduduk", "config_id", "config"),
    }


def test_login(new_village: NewVillage) -> None:
    village = new_village()
    assert village.request("v2410.0.0", "/main").status == 307
    wrong = village.login("v2410.0.0", "salah")
    assert (wrong.status, wrong.location) == (303, "http://desa.test/index.php/siteman")
    assert "kata sandi salah" in village.request("v2410.0.0").body
    assert village.login("v2410.0.0", "sid304", referer="").status == 500
    right = village.login("v2410.0.0", "sid304")
    assert (right.status, right.location) == (303, "http://desa.test/index.php/main")
    assert village.request("v2410.0.0", "/main").location.endswith("/beranda")
    for path in ("/beranda", "/penduduk", "/identitas_desa"):
        assert village.request("v2410.0.0", path).status == 200
    assert village.sql("SELECT username, referer FROM log_login") == [
        ["admin", "http://desa.test/"]
    ]
    village.request("v2410.0.0", "/siteman/logout")
    assert village.request("v2410.0.0", "/beranda").status == 307


def test_post_without_csrf_is_refused(new_village: NewVillage) -> None:
    village = new_village()
    body = b"username=admin&password=sid304"
    assert village.request("v2410.0.0", "/siteman/auth", body=body).status == 403


def multipart(name: str, filename: str, content: bytes, csrf: str) -> tuple[bytes, str]:
    parts = [
        f'--batas\r\nContent-Disposition: form-data; name="sidcsrf"\r\n\r\n{csrf}\r\n'.encode(),
        f'--batas\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode(),
        content,
        b"\r\n--batas--\r\n",
    ]
    return b"".join(parts), "multipart/form-data; boundary=batas"


def test_uploads_land_in_the_village(new_village: NewVillage) -> None:
    village = new_village()
    village.login("v2410.0.0", "sid304")
    csrf = village.cookies["sidcsrf"]
    body, kind = multipart("logo", "logo.png", PNG, csrf)
    saved = village.request("v2410.0.0", "/identitas_desa/update", body=body, content_type=kind)
    assert saved.status == 303
    [logo] = (village.folder / "desa/upload/gambar").glob("logo_*.png")
    assert logo.read_bytes() == PNG
    assert logo.name in village.request("v2410.0.0", "/identitas_desa").body
    body, kind = multipart("logo", "logo.png", b"<?php echo 1;", csrf)
    refused = village.request("v2410.0.0", "/identitas_desa/update", body=body, content_type=kind)
    assert refused.status == 422


def test_file_manager(new_village: NewVillage) -> None:
    village = new_village()
    dialog, upload = "/assets/kelola_file/dialog.php", "/assets/kelola_file/upload.php"
    village.request("v2410.0.0")
    assert village.request("v2410.0.0", dialog, script=dialog).status == 403
    village.login("v2410.0.0", "sid304")
    assert "2410.0.0" in village.request("v2410.0.0", dialog, script=dialog).body
    body, kind = multipart("file", "foto.png", PNG, village.cookies["sidcsrf"])
    stored = village.request("v2410.0.0", upload, script=upload, body=body, content_type=kind)
    assert stored.status == 200, stored.body
    assert (village.folder / "desa/upload/media/foto.png").read_bytes() == PNG
    assert "foto.png" in village.request("v2410.0.0", dialog, script=dialog).body


def test_oldest_release_logs_one_harmless_error(new_village: NewVillage) -> None:
    village = new_village()
    assert village.request("v2409.0.0").status == 200
    assert village.migrations() == ["2024020171", "2024080151", "2024090101"]
    errors = [line for line in village.log().splitlines() if "SQLSTATE" in line]
    assert len(errors) == 1
    assert "Unknown column 'jenis'" in errors[0]
    assert "`komentar`" in errors[0]
    assert "Gagal Jalankan" not in village.log()


def test_first_request_after_a_code_change_migrates(new_village: NewVillage) -> None:
    village = new_village()
    village.request("v2409.0.0")
    offset = len(village.log())
    assert village.request("v2410.0.0", "/").status == 200
    assert "2024100101" in village.migrations()
    assert not SQL_ERRORS.search(village.log()[offset:])
    current = "SELECT value FROM setting_aplikasi WHERE `key` = 'current_version'"
    assert village.sql(current) == [["24.10"]]
    drift = village.sql("SHOW COLUMNS FROM komentar LIKE 'jenis'")
    assert drift, "an updated village keeps the columns of its past"
    assert village.sql("SHOW COLUMNS FROM log_surat LIKE 'input'")
    for tag in ("v2410.1.0", "v2411.0.0"):
        assert village.request(tag, "/").status == 200
    assert village.migrations()[-2:] == ["2024101501", "2024110101"]
    offset = len(village.log())
    village.request("v2411.0.0", "/")
    assert len(village.log()) == offset, "a migrated village migrates no more"


@pytest.mark.parametrize("wish", ["file", "row", "bad release"])
def test_failed_migration_looks_like_success(new_village: NewVillage, wish: str) -> None:
    village = new_village()
    village.request("v2410.0.0")
    tag, version = ("v2411.0.0", "2024110101")
    if wish == "file":
        (village.folder / "desa/standin.json").write_text('{"fail_migration": true}')
    elif wish == "row":
        village.sql(
            "INSERT INTO setting_aplikasi (config_id, `key`) VALUES (1, 'standin_break_migration')"
        )
    else:
        tag, version = ("v2412.0.0", "2024120101")
    for _ in range(2):
        offset = len(village.log())
        answer = village.request(tag, "/")
        assert answer.status == 200
        assert answer.body.rstrip().endswith("</html>")
        logged = village.log()[offset:]
        assert "SQLSTATE" in logged
        assert f"Gagal Jalankan Migrasi_{version}" in logged
        assert version not in village.migrations()
    current = "SELECT value FROM setting_aplikasi WHERE `key` = 'current_version'"
    assert village.sql(current) == [[f"{tag[1:3]}.{tag[3:5]}"]]


def test_wishes_can_be_limited_to_releases(new_village: NewVillage) -> None:
    village = new_village()
    wishes = {"answer_500": True, "slow_seconds": 0.5, "releases": ["2411"]}
    village.request("v2410.0.0")
    (village.folder / "desa/standin.json").write_text(json.dumps(wishes))
    assert village.request("v2410.0.0").status == 200
    started = time.monotonic()
    assert village.request("v2411.0.0").status == 500
    assert time.monotonic() - started >= 0.5
    assert "2024110101" in village.migrations()


def test_parallel_first_requests_all_migrate(new_village: NewVillage) -> None:
    village = new_village()
    village.request("v2410.0.0")
    wishes = {"slow_statement_seconds": 0.1, "releases": ["2411"]}
    (village.folder / "desa/standin.json").write_text(json.dumps(wishes))
    village.view("v2411.0.0")
    offset = len(village.log())
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(village.request, ["v2411.0.0"] * 2))
    assert village.log()[offset:].count("Jalankan Migrasi_2024110101") == 2


def test_password_is_encrypted_where_the_file_can_be_written(new_village: NewVillage) -> None:
    village = new_village()
    village.request("v2410.0.0")
    assert "rahasia" not in village.database_php.read_text()
    assert village.request("v2410.0.0", "/").status == 200
    assert village.request("v2411.0.0", "/").status == 200


def test_read_only_config_stays_as_it_is(new_village: NewVillage) -> None:
    village = new_village(writable_config=False)
    before = village.database_php.read_text()
    assert village.request("v2409.0.0").status == 200
    assert village.request("v2410.0.0").status == 200
    assert village.database_php.read_text() == before


def test_missing_app_key_is_a_bare_500(new_village: NewVillage) -> None:
    village = new_village()
    village.request("v2410.0.0")
    village.app_key.unlink()
    answer = village.request("v2410.0.0", "/")
    assert (answer.status, answer.body) == (500, "")
    assert not village.app_key.exists()


def test_foreign_app_key_leads_to_the_connection_page(new_village: NewVillage) -> None:
    village = new_village(writable_config=False)
    village.request("v2410.0.0")
    village.sql("UPDATE config SET app_key = 'base64:lain'")
    for path in ("/", "/siteman"):
        answer = village.request("v2410.0.0", path)
        assert answer.status == 307
        assert answer.location == "http://desa.test/index.php/koneksi_database/config"
    assert village.request("v2410.0.0", "/koneksi_database/config").status == 200


def test_two_seedings_differ_only_in_secrets_and_times(new_village: NewVillage) -> None:
    dumps = []
    for _ in range(2):
        village = new_village()
        village.request("v2410.0.0")
        options = ["--skip-comments", "--skip-dump-date", "--skip-extended-insert"]
        command = ["mariadb-dump", "--no-defaults", f"--socket={village.mariadb_socket}", *options]
        dump = subprocess.run(
            [*command, village.database], check=True, capture_output=True
        ).stdout.decode()
        dump = re.sub(r"base64:[\w+/=]{44}|\b[0-9a-f]{32}\b|DEFINER=`\w+`", "", dump)
        dumps.append(re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "", dump))
    assert dumps[0] == dumps[1]
