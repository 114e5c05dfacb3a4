"""`python -m tests.sandbox.go_fivetran PATH`: the end-to-end tests of Fivetran's Go client against the sandbox.

PATH is a checkout of github.com/fivetran/go-fivetran. Further arguments go to `go test`. docs/sandbox.md says what to
expect.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.sandbox.api import KEY, sandbox

HERE = Path(__file__).parent
FILES = ("--account", str(HERE / "account.json"), "--catalog", str(HERE / "services.json"))
TESTS = "./tests/e2e/"


def environment(root: str) -> dict[str, str]:
    """What the tests read: address, key, and any certificate."""
    return {
        "FIVETRAN_API_URL": f"{root}/v1",
        "FIVETRAN_APIKEY": KEY[0],
        "FIVETRAN_APISECRET": KEY[1],
        "FIVETRAN_TEST_CERTIFICATE_HASH": "aGFzaA==",
        "FIVETRAN_TEST_CERTIFICATE": "Y2VydGlmaWNhdGU=",
    }


def main(arguments: Sequence[str]) -> int:
    """The exit status of `go test`."""
    if not arguments or not (Path(arguments[0]) / TESTS).is_dir():
        print(__doc__, file=sys.stderr)
        return 2
    with sandbox(*FILES) as (api, _):
        command = ["go", "test", "-count=1", "-v", *arguments[1:], TESTS]
        env = os.environ | environment(api.root)
        output = subprocess.run(command, cwd=arguments[0], env=env, stdout=subprocess.PIPE, text=True, check=False)
    print(output.stdout)
    for ending in ("PASS", "SKIP", "FAIL"):
        print(f"{ending}: {output.stdout.count(f'--- {ending}: ')}")
    return output.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
