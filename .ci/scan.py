"""
`scan.py packages`: what is known against the pinned packages. `scan.py secrets`: what in the files looks like a secret.

Findings that do not concern us stand in .ci/advisories and .ci/not-secrets, each with the reason; any other one fails.
An advisory service that does not answer fails nothing, as a machine without a network must be able to lint; the exit
status is then 75, and `make lint` says so.
"""

import json
import subprocess
import sys
from pathlib import Path

CI = Path(__file__).resolve().parent
ROOT = CI.parent
LOCKS = ("base", "dev", "bench")
# For one answer of the service, and for all of them, in seconds.
TIMEOUT, PATIENCE = 5, 60
UNKNOWN = 75
# Hashes of packages, and texts of which translations are made.
UNSCANNED = ("requirements/", "locale/", "docs/pictures/")


def listed(name: str, parts: int) -> set[tuple[str, ...]]:
    """Return the first `parts` words of each line of a list; a line gives a reason behind them."""
    found = set()
    for line in (CI / name).read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            *words, reason = line.split(maxsplit=parts) + [""] * (parts + 1 - len(line.split(maxsplit=parts)))
            if not reason:
                sys.exit(f".ci/{name} gives no reason: {line}")
            found.add(tuple(words))
    return found


def packages() -> tuple[int, str]:
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--format=json", "--aliases=on"]
    command += ["--desc=off", "--progress-spinner=off", f"--timeout={TIMEOUT}"]
    command += [f"--requirement={ROOT / 'requirements' / f'{name}.txt'}" for name in LOCKS]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return UNKNOWN, f"the advisory service did not answer within {PATIENCE} seconds"
    try:
        found = json.loads(done.stdout)["dependencies"]
    except ValueError:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["pip-audit said nothing"]
        # pip-audit names what is wrong with a lock file; all else is the way to the service.
        return (1 if "requirement" in done.stderr.lower() else UNKNOWN), said[-1][:200]
    known, new = listed("advisories", 1), []
    for package in found:
        for finding in package.get("vulns", ()):
            if not any((name,) in known for name in (finding["id"], *finding["aliases"])):
                mended = ", ".join(finding["fix_versions"]) or "no version yet"
                new.append(f"{package['name']} {package['version']}: {finding['id']}, mended in {mended}")
    unasked = [package["name"] for package in found if "skip_reason" in package]
    if new:
        return 1, "\n".join(new)
    if unasked:
        # Such as an index that has packages, and no advisories.
        return (
            UNKNOWN,
            f"the advisory service knows {len(unasked)} of {len(found)} packages not: {' '.join(unasked)[:100]} ...",
        )
    return 0, f"{len(found)} packages"


def secrets() -> tuple[int, str]:
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    files = [name for name in files if not any(part in name for part in UNSCANNED) and (ROOT / name).is_file()]
    command = [sys.executable, "-m", "detect_secrets", "scan", "--no-verify", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    known, seen, new = listed("not-secrets", 2), set(), []
    for name, found in json.loads(done.stdout)["results"].items():
        for one in found:
            key = (name, one["hashed_secret"][:8])
            seen |= {key, ("*", key[1])} & known
            if not {key, ("*", key[1])} & known:
                new.append(f"{name}:{one['line_number']}: {one['type']}. If it is none: {' '.join(key)} and why")
    new += [f".ci/not-secrets: {' '.join(key)} is there no more" for key in sorted(known - seen)]
    return (1 if new else 0), "\n".join(new) or f"{len(files)} files"


if __name__ == "__main__":
    status, said = {"packages": packages, "secrets": secrets}[sys.argv[1]]()
    print(said)
    sys.exit(status)
