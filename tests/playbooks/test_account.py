"""Accounts of sites, made by the machine's own programs."""

import grp
import os
import secrets
import subprocess
from pathlib import Path

import pytest

from playbooks.module_utils import account

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes accounts")


def test_an_account_whose_making_was_killed_gets_its_group(tmp_path: Path) -> None:
    name = f"t{secrets.token_hex(3)}-desa"
    made = account.create_account(name, "/nonexistent", str(tmp_path))
    try:
        assert not account.lacks_group(name)
        # As useradd leaves it that ends between its files.
        subprocess.run(["groupdel", "--force", name], check=True)
        assert account.lacks_group(name)
        found = account.find_account(name)
        assert found == made
        account.make_group(name, made, str(tmp_path))
        assert grp.getgrnam(name).gr_gid == made.gid
        assert not account.lacks_group(name)
    finally:
        account.remove_account(name, str(tmp_path))
    assert not account.lacks_group(name)
