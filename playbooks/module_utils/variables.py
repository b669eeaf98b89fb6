"""The variables a playbook hands to a module, typed; and the argument specification they give.

The same shapes exist as dataclasses on the panel's side, where a test compares both.
"""

from __future__ import annotations

from typing import Any, TypedDict, get_args, get_origin, get_type_hints


class PhpVars(TypedDict):
    version: str
    binary: str
    config: str
    pool_dir: str
    pid_file: str
    ini_dir: str
    service: str


class LayoutVars(TypedDict):
    prefix: str
    services: str
    root: str
    releases: str
    golden: str
    sites: str
    archive: str
    run_dir: str
    lock_dir: str
    scratch: str
    spool: str
    log_dir: str
    http_address: str
    http_port: int
    https_port: int
    web_user: str
    db_socket: str
    db_config: str
    db_data: str
    db_pid: str
    nginx_config: str
    nginx_sites: str
    nginx_pid: str
    php: list[PhpVars]


class ReleaseVars(TypedDict):
    app: str
    version: str
    commit: str
    archive: str
    archive_sha256: str
    schema_version: str
    php_versions: list[str]
    benign_patterns: list[str]


class IdentityVars(TypedDict):
    nama_desa: str
    kode_desa: str
    nama_kecamatan: str
    kode_kecamatan: str
    nama_kabupaten: str
    kode_kabupaten: str
    nama_propinsi: str
    kode_propinsi: str


class CertificateVars(TypedDict):
    chain: str
    key: str


class SiteVars(TypedDict):
    slug: str
    app: str
    code: str
    unix_user: str
    database: str
    db_user: str
    folder: str
    socket: str
    domain: str
    php: str
    release: str
    schema_version: str
    benign_patterns: list[str]
    run_token: int
    identity: IdentityVars
    certificate: CertificateVars | None


class SecretVars(TypedDict):
    db_password: str
    app_key: str
    admin_user: str
    admin_password_hash: str


class FileVars(TypedDict):
    """Rendered by the playbook from templates/server."""

    pool: str
    vhost: str
    database: str
    config: str


class OrderVars(TypedDict):
    """What the installation of one site is told; see module_utils/order.py."""

    release: ReleaseVars
    site: SiteVars
    secrets: SecretVars
    files: FileVars
    release_problem: str


class MergeVars(TypedDict):
    """One village to be merged; `slot` is its place in the gabungan, of so many `slots`."""

    slug: str
    database: str
    code: str
    run_token: int
    config_id: int
    slot: int
    slots: int
    shares: dict[str, str]
    identity: IdentityVars


class ExtractSecrets(TypedDict):
    """What a village that is taken out of a gabungan gets anew."""

    app_key: str
    password: str
    password_hash: str


# Masked wherever they would be shown; a user name is no secret, and masking "admin" would
# blacken half of every message.
_SECRET = frozenset({"db_password", "app_key", "admin_password_hash", "database"})
_SIMPLE = {str: "str", int: "int", bool: "bool"}


def argument(shape: Any, *, secret: bool = False) -> dict[str, Any]:
    """Return Ansible's specification of one required argument of the type `shape`."""
    members = [member for member in get_args(shape) if member is not type(None)]
    if get_origin(shape) is list:
        return {**_list_of(members[0]), "required": True}
    if get_origin(shape) is dict:
        return {"type": "dict", "required": True}
    if type(None) in get_args(shape):
        return {**argument(members[0]), "required": False, "default": None}
    if shape in _SIMPLE:
        return {"type": _SIMPLE[shape], "required": True, "no_log": secret}
    return {"type": "dict", "options": arguments(shape), "required": True}


def arguments(shape: Any) -> dict[str, Any]:
    """Return the specification of all members of a TypedDict."""
    secrets = _SECRET if shape is SecretVars or shape is FileVars else frozenset()
    return {
        name: argument(kind, secret=name in secrets) for name, kind in get_type_hints(shape).items()
    }


def _list_of(member: Any) -> dict[str, Any]:
    inner = argument(member)
    return {key: value for key, value in inner.items() if key == "options"} | {
        "type": "list",
        "elements": inner["type"],
    }
