"""What people do with requests. Each verb checks the right, moves the row and tells who needs to know, all or nothing.

Verbs take keywords only, and `by=`, the person. They raise `permissions.Denied` (with the reason), `StaleRow` (somebody
was faster; read the row again) and `NameTaken`; the caller needs no other check.
"""

from connections.interactive import card_host, card_origins
from connections.models import known_account
from connections.workflow.changes import (
    approve_change,
    approved_values,
    ask_for_change,
    present_values,
    reject_change,
    withdraw_change,
)
from connections.workflow.decisions import approve, reject, request_changes
from connections.workflow.dry_run import ask_for_dry_run
from connections.workflow.exports import record_export
from connections.workflow.handover import (
    NobodyFound,
    WrongCode,
    enter_code,
    hand_over,
    issue_card,
    note_opened,
    note_unproved_return,
    pass_on,
    returned,
    revoke,
    send_code,
)
from connections.workflow.password_reset import ask_for_password_reset
from connections.workflow.requests import (
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
from connections.workflow.setup_tests import rerun_tests
from connections.workflow.teams import reassign, share_draft, stop_sharing
from connections.workflow.trust import approve_trust
from connections.workflow.webhooks import Forged, Unusable, take_webhook
