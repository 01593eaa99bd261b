import time

import pytest

from outbox.resolving import Names, Silent


def test_what_is_published_is_found_and_what_is_not_is_nothing(names):
    names.publish("a.example.org", "TXT", '"one " "string"', '"another"')
    names.publish("a.example.org", "MX", "10 mx.example.org.")
    names.publish("a.example.org", "AAAA", "2001:db8::1")
    names.publish("1.2.0.192.in-addr.arpa", "PTR", "mail.example.org.")
    names.publish("none.example.org", "MX", "0 .")

    found = Names()
    assert sorted(found.texts("a.example.org")) == ["another", "one string"]
    assert found.mail_servers("a.example.org") == ["mx.example.org"]
    assert found.mail_servers("none.example.org") == [""]
    assert found.addresses("a.example.org") == ["2001:db8::1"]
    assert found.names_of("192.0.2.1") == ["mail.example.org"]
    assert found.texts("none.example.org") == found.texts("nobody.example.org") == []


def test_a_text_of_many_strings_comes_in_one_piece(names):
    names.publish("key.example.org", "TXT", " ".join(f'"{letter * 250}"' for letter in "abc"))
    assert Names().texts("key.example.org") == ["a" * 250 + "b" * 250 + "c" * 250]


def test_a_silent_server_is_waited_for_once(names, settings):
    settings.DNS_TIMEOUT_SECONDS, names.silent = 0.2, True
    found, start = Names(), time.monotonic()
    for _ in range(20):
        with pytest.raises(Silent):
            found.texts("a.example.org")
    assert time.monotonic() - start < 1.5


def test_a_server_in_trouble_is_no_answer(names):
    names.broken = True
    with pytest.raises(Silent):
        Names().texts("a.example.org")


@pytest.mark.parametrize("server", ["127.0.0.1:1", "::1"])
def test_a_machine_without_a_server_is_no_answer(settings, server):
    settings.DNS_RESOLVERS, settings.DNS_TIMEOUT_SECONDS = [server], 0.1
    with pytest.raises(Silent):
        Names().texts("a.example.org")


def test_what_is_no_address_has_no_name():
    with pytest.raises(ValueError, match="not an IP address"):
        Names().names_of("mail.example.org")
