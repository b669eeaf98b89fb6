"""Sentences remember how they were made, in memory and in the registry."""

import json
from copy import deepcopy

from siappakai.wording import Wording, join, pack, say, unpack


def test_a_sentence_is_the_string_it_says():
    text = say("Porta %(port)s dipakai %(process)s.", port=80, process="nginx")

    assert text == "Porta 80 dipakai nginx."
    assert text.template == "Porta %(port)s dipakai %(process)s."


def test_a_sentence_without_places_may_hold_a_percent_sign():
    assert say("Cakram 90% penuh.") == "Cakram 90% penuh."


def test_what_is_stored_comes_back_with_what_it_was_made_of():
    inner = say("Kode %(code)s tidak sah.", code="51")
    outer = say("Baris %(row)s: %(what)s", row=7, what=inner)

    back = unpack(json.loads(json.dumps(pack(outer))))

    assert back == outer == "Baris 7: Kode 51 tidak sah."
    assert isinstance(back, Wording)
    assert back.template == outer.template
    assert isinstance(back.params["what"], Wording)
    assert back.params["what"].template == inner.template


def test_a_plain_text_is_stored_as_it_is():
    assert unpack(pack("Bajera")) == pack("Bajera") == "Bajera"


def test_a_copy_is_a_sentence_too():
    text = say("Porta %(port)s.", port=80)

    assert deepcopy(text).params == {"port": 80}


def test_sentences_one_after_the_other_keep_what_each_was_made_of():
    text = join(say("Porta %(port)s.", port=80), "", "50% of it", between="\n")

    assert text == "Porta 80.\n50% of it"
    assert isinstance(text, Wording)
    assert [part for part in text.params.values() if isinstance(part, Wording)] == ["Porta 80."]
    assert join("", "Bajera") == "Bajera"
    assert join("", "") == ""
