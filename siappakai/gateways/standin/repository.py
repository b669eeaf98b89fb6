"""Writes the stand-in app as a bare Git repository with one commit and tag per release."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parent
BRANCH = "refs/heads/umum"
IDENTITY = "SiapPakai <siappakai@localhost>"


@dataclass(frozen=True)
class Release:
    """One tag of the stand-in: the base app with overlays laid over it, in order."""

    tag: str
    database_version: str
    committed_at: int  # seconds since the epoch, fixed so that commit ids never change
    overlays: tuple[str, ...]

    @property
    def version(self) -> str:
        return self.tag.removeprefix("v")

    def files(self) -> dict[str, bytes]:
        """Content by path within the release, its version numbers filled in."""
        found: dict[str, bytes] = {}
        for root in (PACKAGE / "app", *(PACKAGE / "releases" / name for name in self.overlays)):
            found.update(_tree(root))
        return {path: self._filled(content) for path, content in sorted(found.items())}

    def _filled(self, content: bytes) -> bytes:
        return content.replace(b"@VERSION@", self.version.encode()).replace(
            b"@VERSI_DATABASE@", self.database_version.encode()
        )


RELEASES = (
    Release("v2409.0.0", "2024090101", 1_725_152_400, ("v2409",)),
    Release("v2410.0.0", "2024100101", 1_727_744_400, ("v2410",)),
    Release("v2410.1.0", "2024101501", 1_728_954_000, ("v2410", "v2410.1")),
    Release("v2411.0.0", "2024110101", 1_730_422_800, ("v2410", "v2410.1", "v2411")),
    Release("v2412.0.0", "2024120101", 1_733_014_800, ("v2410", "v2410.1", "v2411", "v2412")),
)


def build_repository(target: Path) -> Path:
    """Write the stand-in's repository to `target` and return it.

    The same program version always writes the same commit ids; a repository that is already
    complete is left alone, one of another program version is replaced. Raises
    `subprocess.CalledProcessError` when Git fails, `FileExistsError` when `target` holds anything
    else than a repository of ours and `OSError` when it cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
        fresh = Path(scratch) / "repository"
        _git(fresh.parent, "init", "-q", "--bare", "--template=", str(fresh))
        _git(fresh, "symbolic-ref", "HEAD", BRANCH)
        _git(fresh, "fast-import", "--quiet", stdin=b"".join(_stream(RELEASES)))
        if not _same_references(target, fresh):
            _clear(target)
            fresh.rename(target)
    return target


def _tree(root: Path) -> Iterator[tuple[str, bytes]]:
    for path in root.rglob("*"):
        if path.is_file():
            yield path.relative_to(root).as_posix(), path.read_bytes()


def _stream(releases: Iterable[Release]) -> Iterator[bytes]:
    """Speak Git's fast-import language: no work tree, no index, nothing of the user's setup."""
    for release in releases:
        message = f"Rilis {release.tag}".encode()
        yield f"commit {BRANCH}\n".encode()
        yield f"committer {IDENTITY} {release.committed_at} +0700\n".encode()
        yield b"data %d\n%s\ndeleteall\n" % (len(message), message)
        for path, content in release.files().items():
            yield f"M 100644 inline {path}\n".encode()
            yield b"data %d\n%s\n" % (len(content), content)
        yield f"\ntag {release.tag}\nfrom {BRANCH}\n".encode()
        yield f"tagger {IDENTITY} {release.committed_at} +0700\n".encode()
        yield b"data %d\n%s\n" % (len(message), message)


def _same_references(target: Path, fresh: Path) -> bool:
    if not (target / "HEAD").is_file():
        return False
    return _references(target) == _references(fresh)


def _clear(target: Path) -> None:
    if not target.exists():
        return
    head = target / "HEAD"
    ours = head.is_file() and head.read_text() == f"ref: {BRANCH}\n"
    if not ours and any(target.iterdir()):
        raise FileExistsError(f"{target} is not a repository of the stand-in app")
    shutil.rmtree(target)


def _references(repository: Path) -> bytes:
    return _git(repository, "for-each-ref", "--format=%(objectname) %(refname)")


def _git(folder: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    environment = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CEILING_DIRECTORIES": str(folder.parent),
    }
    return subprocess.run(
        ["/usr/bin/git", *arguments],
        cwd=folder,
        input=stdin,
        env=environment,
        check=True,
        capture_output=True,
    ).stdout
