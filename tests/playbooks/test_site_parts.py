"""The small parts sites are made with: requests, logs, dumps, outcomes."""

import gzip
import os
import re
import subprocess
import tarfile
import time
import zlib
from pathlib import Path
from typing import Any

import pytest

from playbooks.module_utils import applog, fastcgi, golden, mariadb
from playbooks.module_utils.archive import rows_in_dump
from playbooks.module_utils.closing import _ACTIVE
from playbooks.module_utils.outcome import MySQLError, Refusal, Steps, failure

LOG = "log-2026-11-22.php"


def test_steps_tell_what_was_done_and_which_one_failed() -> None:
    steps = Steps()
    with steps.step("account") as step:
        step.changed = True
        time.sleep(0.01)
    with pytest.raises(OSError, match="full"), steps.step("folder"):
        raise OSError(28, "disk full")
    told = steps.result()
    assert told["changed"] is True
    assert [step["name"] for step in told["steps"]] == ["account", "folder"]
    assert told["steps"][0]["seconds"] >= 0.01
    assert "failed" not in told["steps"][0]
    assert told["steps"][1]["failed"] is True


@pytest.mark.parametrize(
    ("problem", "code", "words"),
    [
        (Refusal("domain_taken", "Taken.", domain="a.id"), "domain_taken", "Taken."),
        (OSError(28, "No space left"), "system_error", "No space left"),
        (MySQLError(1205, "Lock wait"), "database_error", "Lock wait"),
        (tarfile.ReadError("unexpected end"), "archive_damaged", "unexpected end"),
        (zlib.error("incorrect header"), "archive_damaged", "incorrect header"),
        (
            subprocess.CalledProcessError(1, ["useradd", "x"], stderr=b"no such group"),
            "program_failed",
            "useradd ended with 1: no such group",
        ),
    ],
)
def test_a_failure_has_words_and_a_code(problem: Exception, code: str, words: str) -> None:
    told = failure(problem)
    assert told["error"]["code"] == code
    assert words in told["msg"]


def test_a_request_is_framed_as_fastcgi_wants_it() -> None:
    framed = fastcgi.request({"A": "b", "LONG": "x" * 200})
    assert framed[:16] == bytes.fromhex("0101000100080000" + "0001000000000000")
    assert b"\x01\x01Ab" in framed
    assert b"\x04\x80\x00\x00\xc8LONGxxx" in framed
    assert framed.endswith(bytes.fromhex("0104000100000000" + "0105000100000000"))


@pytest.mark.parametrize(
    ("output", "status", "body"),
    [
        (b"Content-Type: text/html\r\n\r\n<html>", 200, "<html>"),
        (b"Status: 503 Service Unavailable\r\nX: y\r\n\r\n", 503, ""),
        (b"Status: oops\r\n\r\n", 500, ""),
    ],
)
def test_an_answer_without_a_status_is_a_200(output: bytes, status: int, body: str) -> None:
    answer = fastcgi.parse(output)
    assert (answer.status, answer.body) == (status, body)


@pytest.mark.parametrize(("active", "busy"), [(1, False), (2, True), (12, True)])
def test_php_is_busy_while_it_serves_more_than_our_question(active: int, busy: bool) -> None:  # noqa: FBT001
    page = f"pool: desa\nactive processes:     {active}\ntotal processes:      4\n"
    assert bool(_ACTIVE.search(page)) is busy


def test_only_new_and_unknown_errors_of_the_log_count(tmp_path: Path) -> None:
    log = tmp_path / LOG
    log.write_text("ERROR --> SQLSTATE[42S02] long ago\n")
    mark = applog.mark_end(str(tmp_path))
    assert mark == applog.Mark(LOG, log.stat().st_size)
    with log.open("a") as file:
        file.write("INFO --> fine\nERROR --> Error Number: 1054 komentar.jenis\n")
        file.write("ERROR --> SQLSTATE[42S22] penduduk\n")
        file.write("SQLSTATE[23000]: violation: 1048 Column 'user_agent' cannot be null (SQL:\n")
    (tmp_path / "log-2026-11-23.php").write_text("Gagal Jalankan migrasi\n")
    assert applog.unknown_errors(str(tmp_path), mark, [r"komentar\.jenis"]) == [
        "ERROR --> SQLSTATE[42S22] penduduk",
        "Gagal Jalankan migrasi",
    ]


def test_an_old_error_is_history_one_day(tmp_path: Path) -> None:
    log = tmp_path / LOG
    log.write_text("ERROR --> SQLSTATE[42S02] long ago\n")
    nowhere = applog.Mark("", 0)
    for hours, errors in ((23, 1), (25, 0)):
        written = time.time() - hours * 3600
        os.utime(log, (written, written))
        assert len(applog.unknown_errors(str(tmp_path), nowhere, [])) == errors


def test_a_log_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("SQLSTATE of somebody else")
    (tmp_path / LOG).symlink_to(tmp_path / "secret")
    assert applog.unknown_errors(str(tmp_path), applog.Mark("", 0), []) == []
    assert applog.mark_end(str(tmp_path / "missing")) == applog.Mark("", 0)


def test_a_pattern_that_is_no_expression_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as refusal:
        applog.unknown_errors(str(tmp_path), applog.Mark("", 0), ["("])
    assert refusal.value.code == "bad_benign_pattern"


def test_a_dump_is_split_into_its_statements() -> None:
    sql = "SET NAMES utf8mb4;\nCREATE TABLE `a` (\n `b` text COMMENT 'x;\\ny'\n);\n\nINSERT 1;\n"
    assert list(mariadb.statements(sql)) == [
        "SET NAMES utf8mb4",
        "CREATE TABLE `a` (\n `b` text COMMENT 'x;\\ny'\n)",
        "INSERT 1",
    ]


def test_what_a_dump_sets_again_around_each_table_is_left_out() -> None:
    sql = (
        "/*!40101 SET NAMES utf8mb4 */;\n"
        "/*!40101 SET @saved_cs_client     = @@character_set_client */;\n"
        "/*!40101 SET character_set_client = utf8mb4 */;\n"
        "CREATE TABLE `a` (`b` int);\n"
        "/*!40101 SET character_set_client = @saved_cs_client */;\n"
        "/*!50001 SET character_set_client      = utf8mb3 */;\n"
    )
    assert list(mariadb.statements(sql)) == [
        "/*!40101 SET NAMES utf8mb4 */",
        "CREATE TABLE `a` (`b` int)",
        "/*!50001 SET character_set_client      = utf8mb3 */",
    ]


@pytest.mark.parametrize("name", ["", "a", "x`; DROP", "desa.x", "Desa", "x" * 65])
def test_no_odd_name_reaches_a_statement(name: str) -> None:
    with pytest.raises(Refusal) as refusal:
        mariadb.full_dump_command("/run/sock", name)
    assert refusal.value.code == "bad_identifier"


def _packed(path: Path, text: str) -> Path:
    subprocess.run(["zstd", "-q", "-o", str(path)], input=text.encode(), check=True)
    return path


DUMP = """CREATE TABLE `config` (
  `id` int(11)
);
INSERT INTO `config` VALUES
(1,'a'),
(2,'(b');
CREATE TABLE `kosong` (
  `id` int(11)
);
-- Dump completed on 2026-11-22
"""


def test_the_rows_of_a_dump_are_counted(tmp_path: Path) -> None:
    assert rows_in_dump(_packed(tmp_path / "d.zst", DUMP)) == {"config": 2, "kosong": 0}


@pytest.mark.parametrize("text", [DUMP[:-40], ""])
def test_a_dump_without_its_end_is_not_whole(tmp_path: Path, text: str) -> None:
    with pytest.raises(Refusal) as refusal:
        rows_in_dump(_packed(tmp_path / "d.zst", text))
    assert refusal.value.code == "archive_incomplete"


def test_a_cut_off_archive_is_not_whole(tmp_path: Path) -> None:
    path = _packed(tmp_path / "d.zst", DUMP * 500)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(Refusal):
        rows_in_dump(path)


def test_a_snapshot_that_does_not_fit_is_not_used(tmp_path: Path) -> None:
    release: Any = {"commit": "a" * 40, "schema_version": "2024100101"}
    assert golden.why_unusable(tmp_path, release) == "there is no whole golden snapshot"
    for name in (golden.DUMP, golden.FILES):
        (tmp_path / name).write_bytes(gzip.compress(name.encode()))
    sums = {name: golden.sha256(tmp_path / name) for name in (golden.DUMP, golden.FILES)}
    manifest = re.sub("'", '"', str({**release, "sha256": sums}))
    (tmp_path / golden.MANIFEST).write_text(manifest)
    assert golden.why_unusable(tmp_path, release) == ""
    assert "commit" in golden.why_unusable(tmp_path, release | {"commit": "b" * 40})
    assert "schema" in golden.why_unusable(tmp_path, release | {"schema_version": "1"})
    (tmp_path / golden.DUMP).write_bytes(b"cut")
    assert "damaged" in golden.why_unusable(tmp_path, release)
    (tmp_path / golden.MANIFEST).write_text('{"commit": "aa')
    assert golden.why_unusable(tmp_path, release) == "there is no whole golden snapshot"
