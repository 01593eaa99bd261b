import pytest
from django.test import RequestFactory

from limits import networks
from limits.networks import client_address, network_of, network_tag


def asked(remote, forwarded=None):
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return RequestFactory().get("/", REMOTE_ADDR=remote, headers=headers)


@pytest.mark.parametrize(
    ("proxies", "remote", "forwarded", "address"),
    [
        (0, "192.0.2.1", None, "192.0.2.1"),
        (0, "192.0.2.1", "198.51.100.7", "192.0.2.1"),
        (1, "10.0.0.2", "198.51.100.7", "198.51.100.7"),
        (1, "10.0.0.2", "6.6.6.6, 198.51.100.7", "198.51.100.7"),
        (2, "10.0.0.2", "6.6.6.6,198.51.100.7,10.0.0.9", "198.51.100.7"),
        (2, "10.0.0.2", "198.51.100.7", "198.51.100.7"),
        (1, "192.0.2.1", None, "192.0.2.1"),
        (1, "192.0.2.1", " , ", "192.0.2.1"),
        (1, "10.0.0.2", "198.51.100.7:4711", "198.51.100.7"),
        (1, "10.0.0.2", "[2001:db8::7]:4711", "2001:db8::7"),
        (0, "::ffff:192.0.2.1", None, "192.0.2.1"),
        (0, "fe80::1%eth0", None, "fe80::1"),
        (0, "", None, "None"),
        (1, "10.0.0.2", "6.6.6.6, unknown", "None"),
        (1, "10.0.0.2", "' OR 1=1", "None"),
    ],
)
def test_only_what_a_proxy_of_ours_wrote_is_believed(settings, proxies, remote, forwarded, address):
    settings.TRUSTED_PROXIES = proxies

    assert str(client_address(asked(remote, forwarded))) == address


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
    ],
)
def test_a_network_is_an_address_or_a_household(one, other, same):
    tags = {network_tag(client_address(asked(address))) for address in (one, other)}

    assert len(tags) == (1 if same else 2)


def test_nothing_of_the_address_is_in_the_tag():
    address = client_address(asked("192.0.2.1"))

    assert network_of(address) == "192.0.2.1/32"
    assert "192.0.2" not in network_tag(address)
    assert len(network_tag(address)) == 64


def test_a_proxy_that_was_not_told_of_is_logged_once(settings, caplog):
    settings.TRUSTED_PROXIES = 0
    networks._warn_of_proxy.cache_clear()

    for _ in range(3):
        client_address(asked("10.0.0.2", "198.51.100.7"))

    assert caplog.text.count("TRUSTED_PROXIES is 0") == 1
