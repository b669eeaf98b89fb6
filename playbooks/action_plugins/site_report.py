"""Ansible action: tell for one site what the call over all sites of its server did with it.

It runs on the machine that plays and asks the server nothing, so that a village costs no
module of its own, and still has its own result.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Gives the result at `report`, or says that there is none."""

    _VALID_ARGS = frozenset({"report"})
    _requires_connection = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the site's report as the result of this task."""
        result: dict[str, Any] = super().run(tmp, task_vars)  # type: ignore[no-untyped-call] # Ansible has no annotations
        report = self._task.args.get("report") or {
            "failed": True,
            "msg": "Nothing was reported of this site: the call over its server's sites did not"
            " come to its end. Run this again; it finishes what was begun.",
            "error": {"code": "interrupted", "params": {}},
        }
        return result | report
