"""Git against real repositories: what is fetched, pinned, packed, and what is refused."""

from __future__ import annotations

import socket
import tarfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from siappakai.errors import InvalidInputError, NotFoundError, RefusedError, UnreachableError
from siappakai.gateways.git import (
    Git,
    Source,
    commit_of_archive,
    local_source,
    remote_source,
    sha256_of,
)
from tests.upstream import Upstream

pytestmark = pytest.mark.integration

ALLOWED = "https://example.org/opensid.git"


class QuietPages(SimpleHTTPRequestHandler):
    """Files over HTTP, without a line on standard error for each."""

    def log_message(self, *_arguments: object) -> None:
        return


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    return Upstream(tmp_path / "upstream")


@pytest.fixture
def source(upstream: Upstream) -> Source:
    return local_source(upstream.folder)


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return Git(tmp_path / "sources", timeout=30)


def test_tags_are_listed_with_the_commit_behind_them(
    upstream: Upstream, source: Source, git: Git, tmp_path: Path
) -> None:
    first = upstream.publish("v2409.0.0", "satu")
    second = upstream.publish("v2410.0.0", "dua", annotated=False)
    assert git.list_tags(source) == {"v2409.0.0": first, "v2410.0.0": second}
    assert not list((tmp_path / "sources").glob("*.git"))


def test_a_tag_comes_without_its_history(upstream: Upstream, source: Source, git: Git) -> None:
    first = upstream.publish("v2409.0.0", "satu")
    second = upstream.publish("v2410.0.0", "dua")
    assert git.fetch_tag("opensid", source, "v2410.0.0") == second
    assert git.read_file("opensid", second, "index.php") == "dua"
    assert git.has_commit("opensid", second)
    assert not git.has_commit("opensid", first)


def test_a_plain_web_server_gives_the_whole_history(
    upstream: Upstream, git: Git, tmp_path: Path
) -> None:
    upstream.publish("v2409.0.0", "satu")
    commit = upstream.publish("v2410.0.0", "dua")
    upstream.git("update-server-info")
    pages = partial(QuietPages, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), pages) as server:
        Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}/upstream/.git"
        # Not a source anybody could configure: the test has no certificate.
        plain = Source(url, "http")  # type: ignore[arg-type]
        try:
            assert git.fetch_tag("opensid", plain, "v2410.0.0") == commit
        finally:
            server.shutdown()


def test_a_moved_tag_is_seen(upstream: Upstream, source: Source, git: Git) -> None:
    before = upstream.publish("v2410.0.0", "asli")
    assert git.fetch_tag("opensid", source, "v2410.0.0") == before
    after = upstream.publish("v2410.0.0", "diganti")
    assert git.fetch_tag("opensid", source, "v2410.0.0") == after != before


def test_the_same_commit_gives_the_same_archive(
    upstream: Upstream, source: Source, git: Git, tmp_path: Path
) -> None:
    (upstream.folder / "run.sh").write_text("#!/bin/sh\n")
    commit = upstream.publish("v2410.0.0", "dua")
    other = Git(tmp_path / "elsewhere", timeout=30)
    files = [tmp_path / "one.tar.gz", tmp_path / "two.tar.gz"]
    for each, file in zip((git, other), files, strict=True):
        each.fetch_tag("opensid", source, "v2410.0.0")
        each.write_archive("opensid", commit, file)
    assert sha256_of(files[0]) == sha256_of(files[1])
    assert files[0].read_bytes()[4:8] == bytes(4)  # gzip's time stamp
    assert commit_of_archive(files[0]) == commit
    with tarfile.open(files[0]) as archive:
        assert sorted(archive.getnames()) == ["index.php", "run.sh"]


def test_a_file_that_is_no_archive_names_no_commit(tmp_path: Path) -> None:
    (tmp_path / "broken.tar.gz").write_bytes(b"\x1f\x8b not really")
    assert commit_of_archive(tmp_path / "broken.tar.gz") == ""


def test_a_missing_tag_and_a_missing_file_are_not_found(
    upstream: Upstream, source: Source, git: Git
) -> None:
    commit = upstream.publish("v2410.0.0", "dua")
    with pytest.raises(NotFoundError, match="tidak ada di sumber"):
        git.fetch_tag("opensid", source, "v2411.0.0")
    git.fetch_tag("opensid", source, "v2410.0.0")
    with pytest.raises(NotFoundError, match=r"nothing\.php"):
        git.read_file("opensid", commit, "nothing.php")


def test_a_source_that_is_gone_is_unreachable(git: Git, tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="Sumber rilis"):
        git.list_tags(local_source(tmp_path / "nowhere"))


def test_a_source_that_never_answers_runs_into_the_time_limit(git: Git) -> None:
    # A loopback port that accepts and says nothing.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/opensid.git"
        with pytest.raises(UnreachableError, match="batas waktu"):
            git.list_tags(remote_source(url, allowed=[url]), timeout=1)


@pytest.mark.parametrize(
    "tag", ["--upload-pack=touch owned", "-v", "v1 v2", "a:b", "../x", "v1\nv2", ""]
)
def test_a_hostile_tag_reaches_no_git(tag: str, source: Source, git: Git) -> None:
    with pytest.raises(InvalidInputError, match="tidak sah"):
        git.fetch_tag("opensid", source, tag)


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c 'touch owned'",
        "--upload-pack=touch owned",
        "-oProxyCommand=touch owned",
        "https://-oProxyCommand=x/y",
        "ssh://-oProxyCommand=x/y",
        "http://example.org/opensid.git",
        "git://example.org/opensid.git",
        "file:///etc",
        "git@example.org:opensid.git",
        "https://user:secret@example.org/opensid.git",
        "https://example.org/../opensid.git",
        "https://example.org/a b",
        f"{ALLOWED}\n",
    ],
)
def test_a_hostile_url_is_refused_even_on_the_allow_list(url: str) -> None:
    with pytest.raises(RefusedError, match="bukan URL"):
        remote_source(url, allowed=[url])


def test_only_urls_on_the_allow_list_and_absolute_paths_are_sources() -> None:
    assert remote_source(ALLOWED, allowed=[ALLOWED]).protocol == "https"
    url = "ssh://git@example.org:2222/desa/opensid.git"
    assert remote_source(url, allowed=[url]).protocol == "ssh"
    with pytest.raises(RefusedError, match="daftar yang diizinkan"):
        remote_source(ALLOWED, allowed=[])
    with pytest.raises(RefusedError, match="tidak mutlak"):
        local_source(Path("--upload-pack=touch owned"))


def test_git_itself_refuses_another_protocol(upstream: Upstream, git: Git) -> None:
    upstream.publish("v2410.0.0", "dua")
    with pytest.raises(UnreachableError, match="'file' not allowed"):
        git.list_tags(Source(str(upstream.folder), "https"))
    with pytest.raises(UnreachableError, match="'ext' not allowed"):
        git.list_tags(Source("ext::sh -c 'touch owned'", "https"))


def test_neither_hooks_nor_configuration_of_the_user_are_used(
    upstream: Upstream, source: Source, git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = upstream.publish("v2410.0.0", "dua")
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text('[url "/nowhere"]\n\tinsteadOf = /\n')
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert git.fetch_tag("opensid", source, "v2410.0.0") == commit
    hook = tmp_path / "sources/opensid.git/hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/owned\n")
    hook.chmod(0o755)
    upstream.publish("v2411.0.0", "tiga")
    git.fetch_tag("opensid", source, "v2411.0.0")
    assert not (tmp_path / "owned").exists()
