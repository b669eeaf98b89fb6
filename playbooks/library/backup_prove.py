"""Ansible module: restore backups into scratch schemas and count them; see DOCUMENTATION."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible.module_utils.backup_proof import Proof, prove, public_key
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.outcome import EXPECTED, Refusal, Steps, failure
from ansible.module_utils.variables import LayoutVars, argument

DOCUMENTATION = """
module: backup_prove
short_description: Prove backups by restoring them into throw-away schemas
description:
  - Each backup is compared with its checksum, decrypted with this server's own key, loaded into
    a schema of its own, counted and hashed against its manifest, and dropped. One that fails is
    told of and does not stop the others. The key is made when there is none.
options:
  layout: {description: Where things lie on the server, type: dict, required: true}
  identity: {description: The file with the private key of this server, type: path, required: true}
  backups:
    description:
      - Per backup its name, the file that arrived, its size, checksum and the hash of its manifest.
    type: list
    elements: dict
    required: true
  parallelism: {description: Backups worked on at once, type: int, default: 2}
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(  # type: ignore[no-untyped-call] # Ansible has no annotations
        argument_spec={
            "layout": argument(LayoutVars),
            "identity": {"type": "path", "required": True},
            "backups": {"type": "list", "elements": "dict", "required": True},
            "parallelism": {"type": "int", "default": 2},
        },
    )
    given = module.params
    try:
        recipient = public_key(Path(given["identity"]))
    except (subprocess.SubprocessError, OSError) as problem:
        module.fail_json(**failure(problem))
    # Threads, as a proof is the work of MariaDB and other programs most of the time.
    with ThreadPoolExecutor(given["parallelism"]) as pool:
        proofs = list(pool.map(lambda one: _prove(given, one), given["backups"]))
    told = {one["name"]: proof for one, proof in zip(given["backups"], proofs, strict=True)}
    module.exit_json(changed=False, told={"server": {"recipient": recipient}, **told})


def _prove(given: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    """Return what was counted, or why it failed; what arrived is gone afterwards."""
    source, steps = Path(one["source"]), Steps()
    try:
        proof = Proof(
            layout=given["layout"],
            source=source,
            identity=Path(given["identity"]),
            size=one["size"],
            sha256=one["sha256"],
            manifest_sha256=one["manifest_sha256"],
        )
        return {"proof": prove(proof, steps)}
    except (Refusal, *EXPECTED) as problem:
        return {"proof": {}, **failure(problem)}
    finally:
        source.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
