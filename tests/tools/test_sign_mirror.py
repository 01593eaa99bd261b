"""The key stays with a person, who signs nothing broken and is told when the account has changed."""

import pytest

from tests.sizes import on_one_database
from tests.tools.mirrors import IBAN, OTHER_IBAN, write
from tools import sign_mirror
from tools import verify_mirror as verify

pytestmark = on_one_database


@pytest.fixture
def key_file(tmp_path):
    sign_mirror.make_key(tmp_path / "secret")
    return tmp_path / "secret"


@pytest.fixture
def mirror(tmp_path):
    (tmp_path / "mirror").mkdir()
    write(tmp_path / "mirror")
    return tmp_path / "mirror"


def test_a_key_is_its_owners_alone_and_is_never_overwritten(tmp_path, capsys):
    assert sign_mirror.main(["key", str(tmp_path / "secret")]) == 0
    secret = (tmp_path / "secret").read_bytes()
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    key = verify.read_key((tmp_path / "secret.pub").read_text())
    assert key.text in capsys.readouterr().out
    assert sign_mirror.main(["key", str(tmp_path / "secret")]) == 1
    assert (tmp_path / "secret").read_bytes() == secret


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda file: file.chmod(0o644), "chmod 600"),
        (lambda file: file.write_text("x"), "no secret key"),
        (lambda file: file.write_text(file.read_text()[:-30] + "A" * 29 + "\n"), "damaged|no secret key"),
        (lambda file: file.write_text(file.read_text().replace("RWQAAEIy", "RWRTY0Iy")), "has a password"),
        (lambda file: file.unlink(), "missing"),
    ],
)
def test_a_key_that_is_none_or_not_safe_signs_nothing(mirror, key_file, capsys, spoil, words):
    spoil(key_file)
    with pytest.raises(verify.Refused, match=words):
        sign_mirror.sign(mirror, key_file)
    assert sign_mirror.main(["sign", str(mirror), "--key", str(key_file)]) == 1
    assert "Not signed." in capsys.readouterr().err
    assert not (mirror / verify.SIGNATURE).exists()


def test_a_copy_that_is_not_whole_is_not_signed(mirror, key_file):
    (mirror / "index.html").write_text("x")
    with pytest.raises(verify.Refused, match=r"Changed: index\.html"):
        sign_mirror.sign(mirror, key_file)


def test_an_older_version_or_another_one_of_the_same_number_is_not_signed(mirror, key_file):
    sign_mirror.sign(mirror, key_file)
    sign_mirror.sign(mirror, key_file)  # the same again
    for other in ({"version": 6}, {"origin": "https://another.example.org"}):
        write(mirror, **other)
        with pytest.raises(verify.Refused, match="--version 8"):
            sign_mirror.sign(mirror, key_file)


def test_another_account_is_signed_only_on_a_persons_word(mirror, key_file, capsys):
    sign_mirror.sign(mirror, key_file)
    accounts = [{"fund": "strike", "holder": "Somebody", "iban": OTHER_IBAN, "bic": ""}]
    write(mirror, version=8, accounts=accounts)
    assert sign_mirror.main(["sign", str(mirror), "--key", str(key_file)]) == 1
    told = capsys.readouterr().err
    assert "THE ACCOUNT FOR GIFTS IS NOT THE ONE" in told
    assert IBAN in told
    assert OTHER_IBAN in told
    assert sign_mirror.main(["sign", str(mirror), "--key", str(key_file), "--new-accounts"]) == 0
    assert OTHER_IBAN in capsys.readouterr().out


def test_a_damaged_memory_of_what_was_signed_is_not_forgotten_silently(mirror, key_file):
    sign_mirror.sign(mirror, key_file)
    key_file.with_name("secret.signed").write_text("{")
    with pytest.raises(verify.Refused, match="damaged"):
        sign_mirror.sign(mirror, key_file)
