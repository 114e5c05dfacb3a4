"""What people do with requests. Each verb checks the right, moves the row and tells who needs to know, all or nothing.

Verbs take keywords only and `by=`, the person. They raise `permissions.Denied` (not allowed, with the reason),
`MovedOn` (somebody was faster; read the row again) and `NameTaken`; whoever calls them needs no other check.
"""

from connections.workflow.deciding import approve, known_account, reject, request_changes
from connections.workflow.filing import (
    Filing,
    NameTaken,
    Unknown,
    Unreachable,
    clone_values,
    live_values,
    save_draft,
    submit,
    withdraw,
)
from connections.workflow.testing import rerun_tests
from connections.workflow.trusting import approve_trust

__all__ = [
    "Filing",
    "NameTaken",
    "Unknown",
    "Unreachable",
    "approve",
    "approve_trust",
    "clone_values",
    "known_account",
    "live_values",
    "reject",
    "request_changes",
    "rerun_tests",
    "save_draft",
    "submit",
    "withdraw",
]
