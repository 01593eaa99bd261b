"""What `python -m bench.drill canaries` does with a thousand, with thirty."""

from base64 import b64encode
from hashlib import sha256

import pytest

from bench.canaries import Canary, Live, listening, look, places, purged_after, stored_values
from privacy.models import PurgeRun
from protests.models import Delivery, Signature


@pytest.mark.parametrize(
    "content",
    [
        b"... girlitz Q00007X ...",
        b"Girlitz".hex().upper().encode(),
        *(b64encode(b"." * before + b"zitronenzeisig.q00007x@example.org") for before in range(3)),
        sha256(b"zitronenzeisig.q00007x@example.org").hexdigest().encode(),
        sha256(b"Girlitz Q00007x").digest(),
        b"gAAAAciphertext",
    ],
)
def test_each_way_of_writing_them_would_be_found(content):
    assert look({"place": b"x" + content + b" y"}, [Canary(7)], [b"gAAAAciphertext"]).total >= 1
    assert look({"place": b"Nora Berg, nora@example.org"}, [Canary(7)], [b"gAAAAciphertext"]).total == 0


@pytest.mark.django_db(transaction=True)
def test_nothing_is_left_of_thirty_people_but_how_many_they_were(send_all, tmp_path):
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    with listening() as log:
        live = Live(30, send_all)
        live.sign()
        live.confirm()
        assert live.bounce() == 3
        live.give_and_write()
        stored = stored_values()
        found = look(places("", before), live.people, stored).by_place
        assert found["rows"]["stored"] >= len(stored)
        assert found["backup"]["stored"]
        live.end()
        signed = live.counted()
        assert signed == 24  # of thirty three did not confirm, and three withdrew

        purged_after(61)
        assert not Signature.objects.exclude(name="", email="", own_words="", organisation="").exists()
        assert not Signature.objects.filter(email_tag__isnull=False).exists()
        assert not Delivery.objects.exclude(reply="").exists()
        purged_after(800)
        hits = look(places(log.getvalue(), after), live.people, stored)

    assert PurgeRun.objects.get(kind="daily").failed == 0
    assert live.counted() == signed
    assert hits.total == 0, list(hits.lines())
