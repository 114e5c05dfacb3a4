"""Who may do what. `check_can_x` raises Denied with the reason in words; `can_x` is its boolean.

The reason stands on the disabled button and on the 403 page. Whether the status allows it is part of the answer.
"""

from connections.permissions import coverage
from connections.permissions.access import (
    Into,
    LetIn,
    Right,
    answers,
    approves,
    as_stored,
    check_requester_asks,
    keep_answer,
    let_approve,
    let_into,
    may_ask_into,
    reads_whole,
)
from connections.permissions.changes import (
    changes_visible_to,
    changes_waiting_for,
    check_can_approve_change,
    check_can_ask_for_change,
    check_can_decide_change,
    check_can_withdraw_change,
)
from connections.permissions.handover import (
    can_hand_over,
    check_can_hand_over,
    check_can_pass_on,
    check_can_revoke,
    check_is_source_owner,
    is_source_owner,
)
from connections.permissions.operations import (
    can_hand_back,
    can_refresh,
    can_settle,
    check_can_hand_back,
    check_can_operate,
    check_can_refresh,
    check_can_settle,
    check_sees_operations,
)
from connections.permissions.reach import (
    EVERYTHING,
    NOWHERE,
    MayAsk,
    Services,
    may_ask,
    sees_every_submitted,
    sight_of,
)
from connections.permissions.record import check_can_read_record, events_visible_to, notices_visible_to, reads_record
from connections.permissions.requests import (
    approvers_for,
    batches_visible_to,
    can_decide,
    can_edit,
    can_see,
    check_can_approve,
    check_can_clone,
    check_can_copy_live,
    check_can_decide,
    check_can_edit,
    check_can_file,
    check_can_reassign,
    check_can_rerun_tests,
    check_can_test,
    check_can_withdraw,
    may_approve_into,
    may_copy_from,
    nobody_decides,
    not_a_draft,
    parts_of,
    rows_visible_to,
    seen,
    sees_all_of,
    visible_to,
    waiting_for,
)
from connections.permissions.rights import (
    Denied,
    Person,
    check_standing,
    check_writes,
    holders,
    in_a_team,
    is_approver,
    is_operator,
    logged_in,
    reads_only,
    rights_of,
    sees_everything,
    sees_others,
    who_only_read,
)
from connections.permissions.teams import (
    check_can_share,
    check_can_stop_sharing,
    check_in_team,
    check_not_handed_to,
    check_own,
    continued_by,
    continues,
    oversees,
    read_for,
    team_ids,
    teams_requests,
    with_reader,
    writers_of,
    wrote,
)
from connections.permissions.trust import can_trust, check_can_trust, trust_approvers, trust_waiting_for
from connections.permissions.turns import needing, own_waiting_for, to_approve, to_go_on_with
