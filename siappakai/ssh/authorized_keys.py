"""The keys an account lets in, changed so that a broken link leaves it the old ones."""

from __future__ import annotations

import paramiko


def authorize(sftp: paramiko.SFTPClient, line: str) -> bool:
    """Let a public key in; return whether it was not there before."""
    _make_private_folder(sftp, ".ssh")
    present = _read(sftp, ".ssh/authorized_keys")
    if line in present.splitlines():
        sftp.chmod(".ssh/authorized_keys", 0o600)
        return False
    if present and not present.endswith("\n"):
        present += "\n"
    # Renamed into place: a broken link must not leave the account without its keys.
    with sftp.open(".ssh/authorized_keys.siappakai", "w") as file:
        sftp.chmod(".ssh/authorized_keys.siappakai", 0o600)
        file.write(f"{present}{line}\n")
    sftp.posix_rename(".ssh/authorized_keys.siappakai", ".ssh/authorized_keys")
    return True


def _make_private_folder(sftp: paramiko.SFTPClient, path: str) -> None:
    try:
        sftp.stat(path)
    except FileNotFoundError:
        sftp.mkdir(path, 0o700)
    sftp.chmod(path, 0o700)


def _read(sftp: paramiko.SFTPClient, path: str) -> str:
    try:
        with sftp.open(path) as file:
            return file.read().decode()
    except FileNotFoundError:
        return ""
