"""The health check of the web container: `python portal/healthcheck.py [PORT]`; exit status 0 if /healthz answers 200.
Only the standard library: it runs every few seconds and should not start Django for it.
"""

import http.client
import os
import sys
from urllib.parse import urlsplit


def main() -> int:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    # The name that people use: Django refuses requests for other names.
    host = urlsplit(os.environ.get("PUBLIC_URL", "")).hostname or "127.0.0.1"
    if not host.isascii():
        import idna  # only here: it is no part of the standard library

        host = idna.encode(host, uts46=True).decode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", "/healthz", headers={"Host": host})
        return 0 if connection.getresponse().status == 200 else 1
    except (OSError, http.client.HTTPException):
        return 1


if __name__ == "__main__":
    sys.exit(main())
