"""A publisher's Git repository, for tests of fetching from one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


class Upstream:
    """A repository of a publisher, worked on by the git of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "--quiet", str(folder))

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=Penerbit", "-c", "user.email=penerbit@example.org"]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder.parent)}
        return subprocess.run(
            ["git", *identity, *arguments],
            cwd=self.folder.parent if arguments[0] == "init" else self.folder,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    def publish(self, tag: str, text: str, *, annotated: bool = True) -> str:
        """Commit `text` as index.php and put `tag` on it, moving it if need be."""
        (self.folder / "index.php").write_text(text)
        self.git("add", ".")
        self.git("commit", "--quiet", "--allow-empty", "-m", tag)
        self.git("tag", "--force", *(["-a", "-m", tag] if annotated else []), tag)
        return self.git("rev-parse", "HEAD")

    def release(self, tag: str, schema_version: str) -> str:
        """Publish what an OpenSID release shows of itself to the catalogue."""
        helper = self.folder / "donjo-app/helpers/opensid_helper.php"
        helper.parent.mkdir(parents=True, exist_ok=True)
        helper.write_text(f"<?php\ndefine('VERSI_DATABASE', '{schema_version}');\n")
        return self.publish(tag, schema_version)
