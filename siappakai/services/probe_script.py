"""Sent over standard input to `python3 -I - ROOT [CERTIFICATE]...`; prints what is there as JSON.

Reads files only and starts nothing. Runs as root, on the standard library of Python 3.9.
"""

from __future__ import annotations

import ipaddress
import json
import os
import platform
import re
import sys
import time
from pathlib import Path
from typing import Any

LISTENING = "0A"


def read(path: str | Path) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        # Processes end while we look at them, and not every kernel has every file.
        return ""


def system() -> dict[str, Any]:
    lines = (line.partition("=") for line in read("/etc/os-release").splitlines())
    release = {key: value.strip("\"'") for key, _, value in lines}
    return {
        "system": release.get("ID", ""),
        "system_version": release.get("VERSION_ID", ""),
        "system_name": release.get("PRETTY_NAME", "tidak dikenal"),
        "python": platform.python_version(),
        "systemd": Path("/run/systemd/system").is_dir(),
    }


def resources(root: str) -> dict[str, int]:
    kilobytes = dict(re.findall(r"^(\w+):\s+(\d+) kB", read("/proc/meminfo"), re.MULTILINE))
    folder = next(path for path in (Path(root), *Path(root).parents) if path.exists())
    disk = os.statvfs(folder)
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "memory_bytes": int(kilobytes["MemTotal"]) * 1024,
        "memory_free_bytes": int(kilobytes["MemAvailable"]) * 1024,
        "disk_bytes": disk.f_blocks * disk.f_frsize,
        "disk_free_bytes": disk.f_bavail * disk.f_frsize,
    }


def installed_packages(status: str) -> dict[str, str]:
    """Return the version of each installed package in the text of dpkg's status file."""
    packages = {}
    for paragraph in status.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Status|Version): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status") == "install ok installed":
            packages[fields["Package"]] = fields["Version"]
    return packages


def software() -> dict[str, Any]:
    packages = installed_packages(read("/var/lib/dpkg/status"))
    found = (re.fullmatch(r"php(\d+\.\d+)-fpm", name) for name in packages)
    return {
        "mariadb": re.sub(r"^\d+:", "", packages.get("mariadb-server", "")),
        "mariadb_running": "mariadbd" in {name for _, name in processes()},
        "php_versions": sorted(match.group(1) for match in found if match),
    }


def processes() -> list[tuple[Path, str]]:
    folders = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [(path, read(path / "comm").strip()) for path in folders]


def socket_owners() -> dict[str, str]:
    """Return the process name behind each socket, by inode."""
    owners = {}
    for folder, name in processes():
        try:
            links = [str(link.readlink()) for link in (folder / "fd").iterdir()]
        except OSError:
            continue
        owners.update({link[8:-1]: name for link in links if link.startswith("socket:[")})
    return owners


def address_of(text: str) -> str:
    """Return the address written in hexadecimal words of this machine's byte order."""
    words = [text[start : start + 8] for start in range(0, len(text), 8)]
    swapped = (bytes.fromhex(word)[:: -1 if sys.byteorder == "little" else 1] for word in words)
    return str(ipaddress.ip_address(b"".join(swapped)))


def listeners(tables: list[str], owners: dict[str, str]) -> list[dict[str, Any]]:
    """Return who listens, from the texts of /proc/net/tcp and tcp6."""
    rows = [line.split() for table in tables for line in table.splitlines()[1:]]
    found = set()
    for row in rows:
        if row[3] == LISTENING:
            address, _, port = row[1].partition(":")
            found.add((int(port, 16), address_of(address), owners.get(row[9], "")))
    return [{"address": at, "port": port, "process": name} for port, at, name in sorted(found)]


def certificates(paths: list[str]) -> dict[str, str]:
    """Return the first certificate in each file as PEM; empty where there is none."""
    pattern = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\\n?", re.DOTALL)
    found = ((path, pattern.search(read(path))) for path in paths)
    return {path: match.group(0) if match else "" for path, match in found}


def probe(root: str, certificate_paths: list[str]) -> dict[str, Any]:
    tables = [read("/proc/net/tcp"), read("/proc/net/tcp6")]
    return {
        **system(),
        **resources(root),
        **software(),
        "listeners": listeners(tables, socket_owners()),
        "certificates": certificates(certificate_paths),
        "clock": time.time(),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(probe(sys.argv[1], sys.argv[2:])))
