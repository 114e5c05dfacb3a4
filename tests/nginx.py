"""nginx in front of the portal, as docs/nginx.conf sets it up."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests import processes

PROXY_FILE = processes.ROOT / "docs/nginx.conf"
_AROUND = """daemon off; pid {folder}/pid; error_log {folder}/error.log; {user} worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/portal.conf;
}}
"""


@dataclass(frozen=True)
class Proxy:
    """nginx as docs/nginx.conf has it, in front of a portal; `folder` holds its logs and what it writes on disk."""

    address: str
    plain: str
    folder: Path


@contextlib.contextmanager
def proxy(portal: str, certificate: Path, key: Path) -> Iterator[Proxy]:
    """nginx in front of the web process at the address `portal`. Raises Missing."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if not program:
        raise processes.Missing("There is no nginx on this machine (Debian: apt-get install nginx-light).")
    ports = {"80": processes.free_port(), "443": processes.free_port()}
    with tempfile.TemporaryDirectory(prefix="portal-test-") as name:
        folder = Path(name)
        text = PROXY_FILE.read_text()
        for old, new in {
            "server 127.0.0.1:8000;": f"server {urlsplit(portal).netloc};",
            "listen 80;": f"listen 127.0.0.1:{ports['80']};",
            "listen 443 ssl": f"listen 127.0.0.1:{ports['443']} ssl",
            "/etc/ssl/portal/fullchain.pem": str(certificate),
            "/etc/ssl/portal/privkey.pem": str(key),
            "/var/log/nginx/": f"{folder}/",
        }.items():
            assert old in text, old
            text = text.replace(old, new)
        (folder / "portal.conf").write_text(text)
        user = "user root;" if os.geteuid() == 0 else ""  # the folder is closed to others
        (folder / "nginx.conf").write_text(_AROUND.format(folder=folder, user=user))
        with processes.running("nginx", [program, "-p", name, "-c", f"{folder}/nginx.conf"]) as process:
            process.wait_until(lambda: processes.listens(ports["443"]))
            yield Proxy(f"https://127.0.0.1:{ports['443']}", f"http://127.0.0.1:{ports['80']}", folder)
