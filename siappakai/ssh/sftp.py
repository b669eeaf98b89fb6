"""A folder on another machine as a store of backups, over SFTP."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath

import paramiko

from siappakai.domain.stores import DeletionRefusedError, Upload
from siappakai.errors import NotFoundError, RefusedError
from siappakai.ssh import Connection, told
from siappakai.wording import say

_PIECE = 1 << 18
_PARTIAL = ".partial"


class SftpVault:
    """An open folder; see domain.stores.Vault."""

    def __init__(self, sftp: paramiko.SFTPClient, label: str, folder: str) -> None:
        self._sftp = sftp
        self._label = label
        self._folder = PurePosixPath(folder)

    def upload(self, name: str, size: int) -> Upload:
        """Begin a file, or go on with one that is `.partial` and not too long."""
        path = self._path(name)
        with told(self._label):
            self._make_folder(path.parent)
            partial = f"{path}{_PARTIAL}"
            offset = _size(self._sftp, partial)
            if offset > size:
                self._sftp.remove(partial)
                offset = 0
            return _SftpUpload(self._sftp, self._label, str(path), offset)

    def read(self, name: str) -> Iterator[bytes]:
        """Yield the content of a file; raises NotFoundError."""
        with told(self._label):
            try:
                file = self._sftp.open(str(self._path(name)))
            except FileNotFoundError:
                raise _missing(name, self._label) from None
            with file:
                # Many requests on their way at once: one by one each costs the line's delay.
                file.prefetch(file.stat().st_size, max_concurrent_requests=256)
                while piece := file.read(_PIECE):
                    yield piece

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the bytes of each whole file in a folder; empty when there is no such folder."""
        with told(self._label):
            try:
                found = self._sftp.listdir_attr(str(self._path(folder)))
            except FileNotFoundError:
                return {}
            except PermissionError:
                raise RefusedError(
                    say(
                        "Penyimpanan %(label)s tidak menunjukkan folder %(folder)s.",
                        label=self._label,
                        folder=folder,
                    ),
                    say("Perbaiki hak akses folder itu di penyimpanannya."),
                ) from None
        return {
            one.filename: one.st_size or 0 for one in found if not one.filename.endswith(_PARTIAL)
        }

    def delete(self, name: str) -> None:
        """Delete a file, there or not, and what a broken transfer left of it."""
        with told(self._label):
            for path in (str(self._path(name)), f"{self._path(name)}{_PARTIAL}"):
                with suppress(FileNotFoundError):
                    self._remove(path)

    def _remove(self, path: str) -> None:
        try:
            self._sftp.remove(path)
        except PermissionError:
            raise DeletionRefusedError(
                say("Penyimpanan %(label)s tidak mengizinkan penghapusan.", label=self._label),
                say("Pangkas cadangan lama dari sisi penyimpanan itu sendiri."),
            ) from None

    def _path(self, name: str) -> PurePosixPath:
        return self._folder / name

    def _make_folder(self, path: PurePosixPath) -> None:
        for folder in [*reversed(path.parents), path]:
            try:
                self._sftp.stat(str(folder))
            except FileNotFoundError:
                self._sftp.mkdir(str(folder), 0o700)


class _SftpUpload:
    """A file that grows beside its name, and is renamed when it is whole."""

    def __init__(self, sftp: paramiko.SFTPClient, label: str, path: str, offset: int) -> None:
        self.offset = offset
        self._sftp = sftp
        self._label = label
        self._path = path
        self._file = sftp.open(f"{path}{_PARTIAL}", "ab")
        # Answers are waited for at the end, where a full disk is noticed all the same.
        self._file.set_pipelined(pipelined=True)

    def write(self, piece: bytes) -> None:
        with told(self._label):
            self._file.write(piece)
            self.offset += len(piece)

    def finish(self) -> None:
        with told(self._label):
            self._file.close()
            self._sftp.posix_rename(f"{self._path}{_PARTIAL}", self._path)


@contextmanager
def open_folder(connection: Connection, folder: str) -> Iterator[SftpVault]:
    """Open a folder of an account as a store; it is made when something is first written."""
    with told(connection.label), connection.sftp() as sftp:
        yield SftpVault(sftp, connection.label, folder)


def _size(sftp: paramiko.SFTPClient, path: str) -> int:
    try:
        found = sftp.stat(path)
    except FileNotFoundError:
        return 0
    return found.st_size or 0 if stat.S_ISREG(found.st_mode or 0) else 0


def _missing(name: str, label: str) -> NotFoundError:
    return NotFoundError(
        say("Cadangan %(name)s tidak ada di penyimpanan %(label)s.", name=name, label=label),
        say("Pakai salinannya di penyimpanan lain."),
    )
