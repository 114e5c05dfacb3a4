"""What workers do with approved requests. The row is the queue: every function may be called at any time, by any number
of workers, for any id, and does nothing unless the row says so.
"""

from connections.queue.circuit_breaker import breaker_closed, probe
from connections.worker.changes import apply_change
from connections.worker.connection_status import check
from connections.worker.create import next_due, submit
from connections.worker.database_clock import heed as heed_clock
from connections.worker.poll_connections import observe
from connections.worker.reconcile import reconcile
from connections.worker.setup_tests import run_tests
from connections.worker.sweep import Due, note_alive, sweep
from connections.worker.trust import send_trust
