import pytest
from sqlalchemy import event, select, update

from siappakai.errors import ConflictError, InvalidInputError
from siappakai.models import AuditEntry, Setting, db
from siappakai.models.transactions import attempt, transaction
from siappakai.services import settings
from tests.factories import BY

pytestmark = pytest.mark.usefixtures("registry")


def test_settings_begin_with_their_defaults():
    assert not settings.is_draining()
    assert settings.get(settings.TIMEZONE) == "Asia/Jakarta"
    assert settings.global_parallelism() == 8


def test_only_who_set_it_can_take_it_back_unseen():
    settings.put_if_unset(settings.REQUIRE_TOTP_FOR_ADMINS, value=False, by="demo")
    settings.forget(settings.REQUIRE_TOTP_FOR_ADMINS, put_by=BY)
    assert settings.get(settings.REQUIRE_TOTP_FOR_ADMINS) is False
    settings.forget(settings.REQUIRE_TOTP_FOR_ADMINS, put_by="demo")
    assert settings.get(settings.REQUIRE_TOTP_FOR_ADMINS) is True


def test_a_change_is_kept_and_in_the_trail_once():
    settings.set_drain(drain=True, by=BY)
    settings.set_drain(drain=True, by=BY)
    settings.put(settings.PARALLELISM, 3, by=BY)

    assert settings.is_draining()
    assert settings.global_parallelism() == 3
    trail = list(db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)))
    assert [entry.subject for entry in trail] == ["drain", "parallelism"]
    assert trail[0].detail == {"before": False, "after": True}


@pytest.mark.parametrize(
    ("key", "value", "right"),
    [
        ("drain", "yes", "on atau off"),
        ("parallelism", 0, "1 sampai 256"),
        ("parallelism", 257, "1 sampai 256"),
        ("parallelism", True, "1 sampai 256"),
        ("parallelism", "8", "1 sampai 256"),
        ("timezone", "Mars/Olympus", "Asia/Makassar"),
        ("colour", "blue", "drain"),
    ],
)
def test_a_value_it_cannot_have_is_refused(key: str, value: object, right: str):
    with pytest.raises(InvalidInputError) as caught:
        settings.put(key, value, by=BY)

    assert caught.value.field == key
    assert right in caught.value.todo
    assert list(db.session.scalars(select(AuditEntry))) == []


def test_what_somebody_set_is_not_set_again_for_them():
    settings.put_if_unset(settings.REQUIRE_TOTP_FOR_ADMINS, value=False, by=BY)
    assert settings.get(settings.REQUIRE_TOTP_FOR_ADMINS) is False
    settings.put(settings.REQUIRE_TOTP_FOR_ADMINS, value=True, by=BY)
    settings.put_if_unset(settings.REQUIRE_TOTP_FOR_ADMINS, value=False, by=BY)
    assert settings.get(settings.REQUIRE_TOTP_FOR_ADMINS) is True


def test_settings_are_read_once_in_a_transaction_and_anew_in_the_next():
    asked: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    with transaction():
        settings.get(settings.TIMEZONE)
        asked.clear()
        assert not settings.is_draining()
        assert asked == []
        settings.set_drain(drain=True, by=BY)
        assert settings.is_draining()
    db.session.execute(update(Setting).where(Setting.key == "drain").values(value=False))
    db.session.commit()
    assert not settings.is_draining()


def test_a_setting_taken_back_with_its_part_of_a_transaction_is_not_remembered():
    def drain_in_vain() -> None:
        with attempt():
            settings.set_drain(drain=True, by=BY)
            assert settings.is_draining()
            raise ConflictError("no")

    with transaction():
        with pytest.raises(ConflictError):
            drain_in_vain()
        assert not settings.is_draining()
