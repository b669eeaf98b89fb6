"""Git, for fetching releases: the only caller of the program.

A source is an `https://` or `ssh://` URL on the allow-list, or a local path that stands in the
configuration. Git runs without the user's or the system's configuration, without hooks, without
asking anybody anything, and with the one protocol of its source.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from siappakai.errors import InvalidInputError, NotFoundError, RefusedError, UnreachableError
from siappakai.wording import say

_GIT = "/usr/bin/git"
_URL = re.compile(
    r"(?P<protocol>https|ssh)://(?:[A-Za-z0-9._-]+@)?[A-Za-z0-9][A-Za-z0-9.-]*(?::\d{1,5})?"
    r"(?:/[A-Za-z0-9_~][A-Za-z0-9._~-]*)+/?"
)
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_APP = re.compile(r"[a-z][a-z-]{1,19}")
# Ownership is not checked: Git is only pointed at our own mirrors and at the configured path,
# and the panel's user owns neither when root ran the program once. No clean-up in the background.
_CONFIG = """\
[safe]
\tdirectory = *
[core]
\thooksPath = /dev/null
\taskPass = /bin/false
[credential]
\thelper =
[gc]
\tauto = 0
[maintenance]
\tauto = false
"""


@dataclass(frozen=True, slots=True)
class Source:
    """Where releases come from; made by `remote_source` or `local_source` only."""

    url: str
    protocol: Literal["https", "ssh", "file"]


def remote_source(url: str, *, allowed: Collection[str]) -> Source:
    """Return the source at `url`; raises RefusedError unless it is https/ssh and allowed."""
    match = _URL.fullmatch(url)
    if match is None:
        raise RefusedError(
            say("Sumber rilis “%(url)s” bukan URL https:// atau ssh:// yang sah.", url=url),
            say("Perbaiki release_source pada berkas pengaturan."),
        )
    if url not in allowed:
        raise RefusedError(
            say("Sumber rilis “%(url)s” tidak ada dalam daftar yang diizinkan.", url=url),
            say("Tambahkan ke release_sources_allowed pada berkas pengaturan."),
        )
    return Source(url, "https" if match["protocol"] == "https" else "ssh")


def local_source(path: Path) -> Source:
    """Return the source at an absolute local path; raises RefusedError for a relative one."""
    if not path.is_absolute():
        raise RefusedError(
            say("Jalur sumber rilis “%(path)s” tidak mutlak.", path=path),
            say("Tulis jalur yang dimulai dengan /."),
        )
    return Source(str(path), "file")


class Git:
    """Bare mirrors in `folder`, one per app. `timeout` is the limit in seconds of one call."""

    def __init__(self, folder: Path, *, timeout: float, proxy: str = "") -> None:
        self._folder = folder
        self._timeout = timeout
        self._proxy = proxy

    def list_tags(self, source: Source, *, timeout: float | None = None) -> dict[str, str]:
        """Return the commit of each tag of `source`, without fetching anything.

        Raises UnreachableError with Git's own reason.
        """
        output = self._run(
            "ls-remote", "--tags", "--", source.url, source=source, timeout=timeout
        ).decode()
        found = [line.split("\trefs/tags/", 1) for line in output.splitlines()]
        # An annotated tag has a second line, `tag^{}`: the commit that it points to. It follows
        # the tag's own line and replaces it.
        return {name.removesuffix("^{}"): commit for commit, name in found}

    def fetch_tag(self, app: str, source: Source, tag: str) -> str:
        """Bring one tag into the mirror of `app`, without history; return its commit.

        Raises NotFoundError when the source has no such tag, UnreachableError.
        """
        ref = f"refs/tags/{_checked(_TAG, tag)}"
        with self._locked(app) as mirror:
            if not (mirror / "HEAD").exists():
                self._run("init", "--quiet", "--bare", "--template=", str(mirror))
            command = ["-C", str(mirror), "fetch", "--quiet", "--no-tags", "--force"]
            refspec = ["--", source.url, f"{ref}:{ref}"]
            try:
                self._run(*command, "--depth=1", *refspec, source=source)
            except UnreachableError as error:
                if "shallow" not in error.what:
                    raise
                # A plain web server hands out whole histories only.
                self._run(*command, *refspec, source=source)
            return self._run("-C", str(mirror), "rev-parse", f"{ref}^{{commit}}").decode().strip()

    def has_commit(self, app: str, commit: str) -> bool:
        """Tell whether the mirror of `app` holds a commit with its files."""
        mirror = self._mirror(app)
        if not (mirror / "HEAD").exists():
            return False
        try:
            self._run("-C", str(mirror), "cat-file", "-e", f"{_checked(_COMMIT, commit)}^{{tree}}")
        except UnreachableError:
            return False
        return True

    def read_file(self, app: str, commit: str, path: str) -> str:
        """Return the text of a file at a commit; raises NotFoundError."""
        name = f"{_checked(_COMMIT, commit)}:{path}"
        try:
            content = self._run("-C", str(self._mirror(app)), "cat-file", "blob", name)
        except UnreachableError:
            raise NotFoundError(
                say(
                    "Berkas %(path)s tidak ada pada commit %(commit)s.",
                    path=path,
                    commit=commit[:12],
                ),
                say("Periksa sumber rilisnya."),
            ) from None
        return content.decode(errors="replace")

    def commit_time(self, app: str, commit: str) -> int:
        """Return when a commit was made, in seconds since 1970."""
        mirror, commit = str(self._mirror(app)), _checked(_COMMIT, commit)
        return int(self._run("-C", mirror, "show", "-s", "--format=%ct", commit))

    def write_archive(self, app: str, commit: str, target: Path) -> str:
        """Write the files of a commit to `target` as tar.gz; the same commit, the same bytes.

        Its SHA-256 is returned, and kept beside it (see `checksum_file`).
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".archive-") as scratch:
            plain, packed, note = (Path(scratch, name) for name in ("tar", "tar.gz", "sha256"))
            mirror, commit = str(self._mirror(app)), _checked(_COMMIT, commit)
            self._run("-C", mirror, "archive", "--format=tar", f"--output={plain}", commit)
            with (
                plain.open("rb") as content,
                packed.open("wb") as file,
                gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as z,
            ):
                shutil.copyfileobj(content, z, 1024 * 1024)
            checksum = sha256_of(packed)
            note.write_text(f"{checksum}\n")
            for made, place in ((packed, target), (note, checksum_file(target))):
                _to_disk(made)
                made.rename(place)
        return checksum

    def _mirror(self, app: str) -> Path:
        return self._folder / f"{_checked(_APP, app)}.git"

    @contextmanager
    def _locked(self, app: str) -> Iterator[Path]:
        """Keep other processes of this machine off a mirror while it changes."""
        mirror = self._mirror(app)
        self._folder.mkdir(parents=True, exist_ok=True)
        with mirror.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield mirror

    def _run(
        self, *arguments: str, source: Source | None = None, timeout: float | None = None
    ) -> bytes:
        with subprocess.Popen(
            [_GIT, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment(source),
            start_new_session=True,
        ) as process:
            try:
                output, complaint = process.communicate(timeout=timeout or self._timeout)
            except subprocess.TimeoutExpired:
                # The transport is a child of Git's; it goes with its process group.
                os.killpg(process.pid, signal.SIGKILL)
                raise _unreachable(source, "tidak menjawab dalam batas waktu") from None
        if process.returncode != 0:
            raise _failed(source, complaint.decode(errors="replace"))
        return output

    def _environment(self, source: Source | None) -> dict[str, str]:
        home = self._folder / "home"
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        config = self._folder / "gitconfig"
        if not config.exists() or config.read_text() != _CONFIG:
            # Renamed into place: another process may be reading it.
            fresh = config.with_suffix(f".{os.getpid()}")
            fresh.write_text(_CONFIG)
            fresh.rename(config)
        proxy = {"https_proxy": self._proxy} if self._proxy else {}
        return proxy | {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(config),
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": source.protocol if source else "none",
            "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oStrictHostKeyChecking=yes",
        }


def checksum_file(archive: Path) -> Path:
    """Where the SHA-256 of an archive is kept from when it was made."""
    return archive.with_name(f"{archive.name}.sha256")


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def commit_of_archive(path: Path) -> str:
    """Return the commit an archive says it was made from; empty when it is no such archive."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            archive.next()
            return archive.pax_headers.get("comment", "")
    except (tarfile.TarError, EOFError, OSError):
        return ""


def _checked(pattern: re.Pattern[str], text: str) -> str:
    if pattern.fullmatch(text) is None:
        raise InvalidInputError(
            say("Nama “%(text)s” tidak sah untuk Git.", text=text), say("Pilih dari daftar rilis.")
        )
    return text


def _failed(source: Source | None, complaint: str) -> NotFoundError | UnreachableError:
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    if any("couldn't find remote ref" in line for line in lines):
        return NotFoundError(say("Rilis itu tidak ada di sumber."), say("Pilih dari daftar rilis."))
    # The first complaint is the cause; what follows is advice about credentials and rights.
    causes = [line for line in lines if line.startswith(("fatal:", "error:", "ssh:"))] or lines
    return _unreachable(source, causes[0][:300] if causes else "Git berhenti tanpa keterangan")


def _unreachable(source: Source | None, reason: str) -> UnreachableError:
    name = source.url if source else "(cermin setempat)"
    return UnreachableError(
        say("Sumber rilis %(name)s: %(reason)s.", name=name, reason=reason),
        say("Periksa jaringan dan release_source, lalu coba lagi."),
    )
