"""Asks the web server whether it is ready; a container's health check is `python -m config.probing`."""

import sys
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from django.conf import settings

READY = "ready"


def ask() -> str:
    """Return the answer of /readyz: READY, or what is wrong."""
    address = f"http://127.0.0.1:{settings.PORT}/readyz"
    request = Request(address, headers={"Host": urlsplit(settings.BASE_URL).netloc})
    try:
        with urlopen(request, timeout=5) as response:  # noqa: S310 - our own address
            return response.read().decode().strip()
    except HTTPError as error:
        return error.read().decode(errors="replace").strip().partition("\n")[0] or f"it answered {error.code}"
    except OSError as error:
        return str(error)


if __name__ == "__main__":
    answer = ask()
    sys.exit(0 if answer == READY else answer)
