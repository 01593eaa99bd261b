"""A small mirror, signed by a key of its own."""

from hashlib import sha256

from tools import sign_mirror, verify_mirror

IBAN, OTHER_IBAN = "DE89370400440532013000", "BE71096123456769"
PAGES = {
    "index.html": "<!doctype html><title>Strike</title><p>Gifts: DE89 3704 0044 0532 0130 00</p>\n",
    "fund/index.html": f"<!doctype html><title>Fund</title><p>{IBAN}</p>\n",
    "static/css/site.css": "body { color: black }\n",
    "empty.txt": "",
}


def manifest(folder, **other):
    """Return a manifest of all that lies in the folder."""
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in (verify_mirror.MANIFEST, verify_mirror.SIGNATURE):
            content = path.read_bytes()
            files[name] = {"sha256": sha256(content).hexdigest(), "size": len(content)}
    return {
        "format": verify_mirror.FORMAT,
        "version": 7,
        "made_on": "2026-11-01",
        "expires_on": "2026-11-08",
        "origin": "https://solidarity.example.org",
        "onion": "",
        "accounts": [{"fund": "strike", "holder": "Streikfonds", "iban": IBAN, "bic": "COBADEFFXXX"}],
        "other_numbers": [],
        "files": files,
        **other,
    }


def write(folder, pages=PAGES, **other):
    for name, content in pages.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    (folder / verify_mirror.MANIFEST).write_bytes(verify_mirror.canonical(manifest(folder, **other)))


def sign_bytes(folder, key_file):
    """Sign whatever the manifest is, as somebody could who has the key and another program."""
    key, secret = sign_mirror.read_secret_key(key_file)
    content = (folder / verify_mirror.MANIFEST).read_bytes()
    signature = secret.sign(verify_mirror.hashlib.blake2b(content).digest())
    overall = secret.sign(signature + b"by hand")
    file = verify_mirror.signature_file(key.number, signature, "by hand", overall)
    (folder / verify_mirror.SIGNATURE).write_bytes(file)
