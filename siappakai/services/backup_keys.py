"""For whom backups are sealed: the recovery key, held offline, and the keys of provers."""

from __future__ import annotations

from sqlalchemy import select

from siappakai.credentials import new_age_pair
from siappakai.domain.states import ServerState
from siappakai.errors import ConflictError, RefusedError
from siappakai.models import Run, Server, db
from siappakai.models.transactions import transaction
from siappakai.services import audit, registry_backups, runs, servers, settings
from siappakai.wording import say


def make_recovery_key(*, replaces: bool = False, by: str) -> tuple[str, str]:
    """Return a new recovery key, private and public; the private one is kept nowhere.

    Backups taken before stay sealed for the old one. Raises ConflictError when there is a key
    already, unless it `replaces` that.
    """
    private, public = new_age_pair()
    with transaction():
        if settings.get(settings.RECOVERY_RECIPIENT) and not replaces:
            raise ConflictError(
                say("Kunci pemulihan sudah ada."),
                say("Buat yang baru hanya bila yang lama hilang: --replace."),
            )
        settings.put(settings.RECOVERY_RECIPIENT, public, by=by)
        audit.record("backup.key", public, by=by)
    registry_backups.renew(by=by)
    return private, public


def recipients() -> list[str]:
    """Return the public keys a backup is sealed for; raises RefusedError without recovery key."""
    recovery = settings.get(settings.RECOVERY_RECIPIENT)
    if not recovery:
        raise RefusedError(
            say("Belum ada kunci pemulihan, maka belum ada yang dapat dicadangkan."),
            say("Buat dan simpan di luar jaringan: siappakai backup make-key."),
        )
    provers = select(Server.proof_recipient).where(Server.is_prover, Server.proof_recipient != "")
    return [recovery, *db.session.scalars(provers.order_by(Server.id))]


def appoint_prover(server_id: int, *, by: str) -> Run:
    """Let a server prove backups: it makes a key of its own, for which they are sealed then.

    Raises RefusedError for a server that is not ready.
    """
    with transaction():
        server = servers.get_server(server_id)
        if server.state is not ServerState.READY:
            raise RefusedError(
                say("Server %(server)s belum siap.", server=server.name),
                say("Siapkan server itu dahulu."),
            )
        server.is_prover = True
        audit.record("backup.prover", server.name, by=by)
        return runs.create_server_run("prove", server, by=by, options={"backups": []})


def dismiss_prover(server_id: int, *, by: str) -> Server:
    """Prove nothing on a server any more; its key stays there, as it opens what was taken."""
    with transaction():
        server = servers.get_server(server_id)
        server.is_prover = False
        audit.record("backup.dismiss", server.name, by=by)
        return server


def provers() -> list[Server]:
    """Return the servers that prove backups and have made their key."""
    query = select(Server).where(Server.is_prover, Server.proof_recipient != "")
    return list(db.session.scalars(query.order_by(Server.id)))
