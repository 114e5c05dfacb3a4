"""How `gunicorn portal.wsgi` serves the portal; read from the folder it is started in. `--bind` says where."""

import os

# Threads that get whole requests only: portal/web.py says why and bounds every wait.
worker_class = "portal.web.BufferingWorker"
# Two processes, so that one that ends leaves another; WEB_CONCURRENCY is gunicorn's own variable for it.
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
# A thread waits for the database (20 connections a process), the broker and, five seconds at most, for Fivetran.
threads = 20
# Below the 1024 files that a process may usually open.
worker_connections = 500
# Seconds that a browser's connection is kept between two requests.
keepalive = 5
# A link that opens the form filled in has up to 8,000 bytes (connections/views/request_form/prefill_link.py).
limit_request_line = 8190
# Answers go through the worker's buffer, static files too.
sendfile = False
# Nothing on this machine steers the server but signals.
control_socket_disable = True
# The file by which a process shows that it lives must not wait for a disk.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
loglevel = (os.environ.get("LOG_LEVEL") or "info").lower()
