"""`siappakai setup`."""

from siappakai.domain.states import RunState, ServerState
from tests.factories import make_run, make_server, make_village


def test_what_is_missing_is_listed_with_the_command_for_each(siappakai):
    make_village()
    server = make_server("Kominfo", state=ServerState.FAILED)
    run = make_run("server", [server], state=RunState.FAILED)
    found = siappakai("setup", "--json").json["items"]
    assert [(one["step"], one["done"]) for one in found] == [
        ("regency", True),
        ("villages", True),
        ("server", True),
        ("prepare", False),
        ("release", False),
        ("install", False),
    ]
    assert found[3]["run"] == run.id
    assert found[1]["seen"] == "1 desa di 1 kecamatan"
    for one in found:
        assert siappakai(*one["command"].split()[1:], "--help").exit_code == 0
    assert "siappakai release pin" in siappakai("setup").out
