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
from connections.workflow.handing_over import (
    NobodyFound,
    WrongCode,
    enter_code,
    issue_card,
    note_opened,
    pass_on,
    returned,
    revoke,
    send_code,
)
from connections.workflow.testing import rerun_tests

__all__ = [
    "Filing",
    "NameTaken",
    "NobodyFound",
    "Unknown",
    "Unreachable",
    "WrongCode",
    "approve",
    "clone_values",
    "enter_code",
    "issue_card",
    "known_account",
    "live_values",
    "note_opened",
    "pass_on",
    "reject",
    "request_changes",
    "rerun_tests",
    "returned",
    "revoke",
    "save_draft",
    "send_code",
    "submit",
    "withdraw",
]
