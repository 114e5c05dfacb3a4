"""What the machine does with approved requests: claim, look, send, and settle whatever ended unclearly.

The row is the queue. Every function here may be called at any time, by any number of workers, for any id, and does
nothing unless the row says so.
"""

from connections.provisioning.changing import apply_change
from connections.provisioning.clock import heed as heed_clock
from connections.provisioning.gate import probe, reopened
from connections.provisioning.observing import check
from connections.provisioning.reconciliation import reconcile
from connections.provisioning.sending import next_due, submit
from connections.provisioning.sweeping import Due, note_alive, sweep
from connections.provisioning.testing import run_tests
from connections.provisioning.trusting import send_trust
from connections.provisioning.watching import observe

__all__ = [
    "Due",
    "apply_change",
    "check",
    "heed_clock",
    "next_due",
    "note_alive",
    "observe",
    "probe",
    "reconcile",
    "reopened",
    "run_tests",
    "send_trust",
    "submit",
    "sweep",
]
