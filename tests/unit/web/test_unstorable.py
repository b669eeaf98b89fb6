"""What a registry cannot store or look for is the asker's mistake, not the panel's."""

import pytest
from flask.testing import FlaskClient

from siappakai.models import Role, User, db
from tests.databases import every_database
from tests.factories import make_user

pytestmark = [every_database]


@pytest.mark.parametrize(
    "url",
    [
        "/villages/?query=%00",
        "/runs/?requested_by=%00&play=%00&server=%00",
        "/servers/?query=%00",
        "/audit/?subject=%00",
    ],
)
def test_a_search_for_nothing_storable_is_no_fault(admin: FlaskClient, url: str):
    answer = admin.get(url)
    is_refused = db.engine.name == "postgresql"
    assert answer.status_code == (422 if is_refused else 200)
    assert ("Buang karakter yang tidak terlihat" in answer.text) is is_refused


def test_what_cannot_be_stored_is_said_and_changes_nothing(admin: FlaskClient):
    user = make_user("ketut", Role.VIEWER)
    answer = admin.post(
        "/users/new", data={"username": "made", "name": "Ma\x00de", "role": "viewer"}
    )
    assert answer.status_code < 500
    db.session.rollback()
    assert db.session.query(User).filter(User.username == user.username).count() == 1
