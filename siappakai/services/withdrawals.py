"""Villages leaving the gabungan, and asking again for what was asked of its server."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from siappakai.errors import InvalidInputError
from siappakai.models import Gabungan, Member, Run, Village, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import audit, merges, runs
from siappakai.wording import say


def request_withdraw(*, villages: Sequence[Village], confirmed_count: int, by: str) -> Run:
    """Ask for villages to be taken out of the gabungan; their number must be given again.

    Raises InvalidInputError for a wrong number or a village that is not in it.
    """
    with transaction():
        gabungan = merges.get_gabungan()
        strangers = [one.name for one in villages if merges.find_member(one) is None]
        if strangers or confirmed_count != len(villages):
            raise InvalidInputError(
                say(
                    "Yang akan dikeluarkan %(count)s desa, bukan %(confirmed_count)s; tidak ada di"
                    " gabungan: %(strangers)s.",
                    count=len(villages),
                    confirmed_count=confirmed_count,
                    strangers=", ".join(strangers) or "-",
                ),
                say("Periksa desanya dan ketik jumlah yang benar."),
                field="confirmed_count",
            )
        codes = [one.code for one in villages]
        return _withdraw(gabungan, codes, by=by)


def _withdraw(
    gabungan: Gabungan, codes: Sequence[str], *, by: str, retry_of: int | None = None
) -> Run:
    """Let villages leave: from now on, so that no merge asked for before brings them back."""
    query = select(Member).join(Village).where(Village.code.in_(codes))
    for member in db.session.scalars(query):
        member.withdrawn_at = utc_now()
    audit.record("gabungan.purge", ", ".join(codes), by=by)
    options = {"codes": list(codes)}
    return runs.create_server_run(
        merges.WITHDRAW, gabungan.server, by=by, options=options, retry_of=retry_of
    )


def again(run: Run, *, by: str) -> Run:
    """Ask again for what a run over the gabungan's server was asked for."""
    with transaction():
        gabungan = merges.get_gabungan()
        if run.play == merges.WITHDRAW:
            return _withdraw(gabungan, run.options["codes"], by=by, retry_of=run.id)
        return runs.create_server_run(
            run.play, gabungan.server, by=by, options=run.options, retry_of=run.id
        )
