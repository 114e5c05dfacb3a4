"""What products of this kind have got wrong elsewhere: each lesson by number and name, and the tests that hold it.

`pytest -k lesson_04` runs those of the fourth, `pytest -m lesson` all. `file::test` is below `tests/`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Lesson:
    name: str
    tests: tuple[str, ...]


LESSONS: dict[int, Lesson] = {
    1: Lesson(
        "what is not approved as it stands never reaches Fivetran",
        (
            "worker/test_create.py::test_what_is_not_approved_is_never_sent",
            "worker/test_create.py::test_a_changed_body_is_set_aside",
            "worker/test_create.py::test_a_forged_message_does_nothing",
            "workflow/test_requests.py::test_a_withdrawn_request_is_never_due",
            "workflow/test_requests.py::test_what_was_edited_after_the_look_cannot_be_approved",
            "models/test_constraints.py::test_the_body_behind_an_approval_is_the_approved_one",
            "models/test_constraints.py::test_a_pending_request_cannot_be_approved_by_writing_its_status",
        ),
    ),
    2: Lesson(
        "nobody approves their own request, on no way",
        (
            "views/test_approvals.py::test_nobody_decides_on_an_own_request",
            "forms/test_batch.py::test_four_eyes_hold_for_every_row",
            "models/test_constraints.py::test_nobody_approves_their_own_request_not_even_by_sql",
            "models/test_constraints.py::test_an_approved_request_cannot_be_handed_to_its_approver",
            "workflow/test_transitions.py::test_transition_by_role",
            "worker/test_trust.py::test_nobody_approves_for_an_own_request_not_even_in_the_database",
            "teams/test_self_approval.py::test_3_a_shared_draft_that_the_approver_submitted",
            "teams/test_self_approval.py::test_6_a_request_that_was_handed_to_the_approver",
            "teams/test_self_approval.py::test_8_an_operator_who_hands_the_own_request_away_to_approve_it",
            "teams/test_self_approval.py::test_17_an_open_change_of_a_connection_that_was_handed_to_the_approver",
        ),
    ),
    3: Lesson(
        "two approvers in one second make one creation",
        (
            "lessons/test_lessons.py::test_two_approvers_in_one_second_make_one_creation",
            "workflow/test_requests.py::test_two_approvers_at_once_are_one_approval",
            "worker/test_create.py::test_ten_messages_at_once_make_one_call",
        ),
    ),
    4: Lesson(
        "a worker killed before, during or after its call makes no second connection",
        (
            "faults/test_kills.py::test_a_worker_killed_before_its_post_arrives",
            "faults/test_kills.py::test_a_worker_killed_while_sending",
            "faults/test_kills.py::test_a_worker_killed_with_the_answer_in_its_hands",
            "faults/test_kills.py::test_a_worker_killed_right_after_its_commit",
            "upgrade/test_backup_under_way.py::test_what_was_under_way_is_looked_up_and_made_once",
        ),
    ),
    5: Lesson(
        "whatever takes too long ends in a state with a reason",
        (
            "lessons/test_lessons.py::test_a_call_that_takes_too_long_ends_in_a_state_with_a_reason",
            "fivetran/test_client_deadlines.py::test_dripping_ends_at_the_deadline",
            "faults/test_kills.py::test_a_worker_frozen_past_its_deadline_writes_nothing",
            "faults/test_answers.py::test_setup_tests_without_measure",
        ),
    ),
    6: Lesson(
        "asked to wait, with or without a time, two hundred and fifty creations lose nothing",
        (
            "lessons/test_lessons.py::test_250_creations_wait_when_asked_to_and_each_is_made_once",
            "worker/test_create.py::test_a_429_closes_the_gate_for_all_and_burns_no_attempt",
            "faults/test_answers.py::test_asked_to_wait",
            "faults/test_answers.py::test_a_storm_of_429",
        ),
    ),
    7: Lesson(
        "lists of more than a hundred are whole, and a search finds what is not on the page",
        (
            "lessons/test_lessons.py::test_of_150_destinations_each_can_be_chosen",
            "lessons/test_lessons.py::test_a_search_finds_what_is_on_no_page_yet",
            "fivetran/test_client_reads.py::test_a_list_is_read_to_its_end",
            "views/test_history.py::test_pages_go_older_and_newer_without_loss",
            "views/test_history_search.py::test_search_finds_what_lies_beyond_the_first_look",
            "browser/test_picker.py::test_the_list_fits_a_thousand_services_into_one_answer",
        ),
    ),
    8: Lesson(
        "hidden values are neither shown nor sent",
        (
            "spec/test_rules.py::test_what_is_hidden_is_never_required_nor_sent",
            "forms/test_request_form.py::test_hidden_values_are_dropped",
            "browser/test_form.py::test_what_does_not_apply_is_neither_visible_nor_sent",
            "browser/test_form.py::test_what_was_typed_comes_back_with_its_condition",
        ),
    ),
    9: Lesson(
        "setup tests of any status, without a message, with HTML, of any size, are shown as text",
        (
            "lessons/test_lessons.py::test_setup_tests_of_any_shape_are_shown_as_text",
            "worker/test_hostile_answers.py::test_no_answer_breaks_a_job_or_a_page",
            "views/test_request_page.py::test_every_setup_test_is_shown_the_failed_ones_first",
            "views/test_request_page.py::test_markup_in_any_text_stays_text",
        ),
    ),
    10: Lesson(
        "a page or a run that is closed creates and loses nothing",
        (
            "lessons/test_lessons.py::test_whoever_leaves_while_tests_run_finds_them_done_and_no_page_makes_another_run",
            "workflow/test_requests.py::test_two_clicks_on_run_the_tests_again_are_one_run",
            "worker/test_stopped_short.py::test_a_run_of_tests_ends_with_its_connection",
            "browser/test_form.py::test_back_after_submitting_is_the_same_request",
        ),
    ),
    11: Lesson(
        "what belongs to others is not there",
        (
            "views/test_url_map.py::test_who_gets_which_page",
            "views/test_url_map.py::test_who_may_press_which_button",
            "views/test_url_map.py::test_who_may_name_which_row_in_a_form",
            "workflow/test_permissions.py::test_which_requests_exist_for_a_role",
            "views/test_access.py::test_no_route_leads_to_another_destination",
            "teams/test_pages.py::test_another_team_finds_nothing_there",
        ),
    ),
    12: Lesson(
        "where nobody could decide, it is said before anything waits",
        (
            "forms/test_presets.py::test_an_empty_group_stops_the_submission_and_says_why",
            "forms/test_presets.py::test_a_group_without_approvers_is_said_at_once",
            "forms/test_batch.py::test_nobody_files_where_nobody_can_decide",
            "workflow/test_requests.py::test_without_an_approver_nobody_waits_in_vain",
            "forms/test_presets.py::test_only_the_presets_group_is_told_sees_it_in_the_inbox_and_decides",
            "workflow/test_access.py::test_the_rules_of_a_destination_alone_count_and_other_destinations_stay_open",
            "workflow/test_access.py::test_a_rule_for_some_services_is_about_those",
            "workflow/test_access.py::test_without_an_approver_whom_a_rule_lets_in_nothing_is_filed",
            "views/test_access.py::test_the_pages_say_who_can_mend_that_nobody_may_decide",
        ),
    ),
    13: Lesson(
        "a requester who left, an approver who left and a group with a new name stop nothing",
        (
            "lessons/test_lessons.py::test_a_requester_who_left_leaves_a_request_that_is_decided",
            "lessons/test_lessons.py::test_an_approver_who_left_decides_nothing_and_another_does",
            "lessons/test_lessons.py::test_a_group_with_a_new_name_decides_as_before",
            "workflow/test_permissions.py::test_a_deactivated_account_holds_no_right_and_sees_nothing",
            "workflow/test_notifications.py::test_who_has_no_address_or_has_left_is_not_written_to",
            "teams/test_continuing.py::test_an_operator_hands_a_request_over_with_a_reason",
            "teams/test_continuing.py::test_what_a_colleague_who_left_has_to_do_waits_for_the_team",
            "views/test_access_rules_in_admin.py::test_a_group_may_be_renamed",
        ),
    ),
    14: Lesson(
        "no secret is found anywhere, and no mask is sent as a value",
        (
            "portal/test_canaries.py::test_no_canary_is_found_anywhere",
            "handover/test_secrets.py::test_the_canaries_are_found_nowhere",
            "workflow/test_requests.py::test_a_mask_is_never_cloned_as_a_value",
            "spec/test_secret_settings.py::test_a_value_under_such_a_name_is_kept_nowhere",
        ),
    ),
    15: Lesson(
        "an upgrade goes on with requests in every status",
        (
            "upgrade/test_before_rights.py::test_every_row_is_there_and_turns_search_and_history_are_as_they_were",
            "upgrade/test_before_rights.py::test_what_waited_is_sent_once_and_what_is_unclear_is_looked_up",
            "models/test_upgrade.py::test_everything_goes_on_after_the_upgrade",
        ),
    ),
    16: Lesson(
        "two requests of one kind show each its own values",
        ("lessons/test_lessons.py::test_two_requests_of_one_kind_show_each_its_own_values",),
    ),
    17: Lesson(
        "a mail leads to what it is about",
        (
            "workflow/test_notifications.py::test_a_mail_says_what_happened_and_links_to_the_request",
            "workflow/test_notifications.py::test_the_link_is_the_address_that_people_use",
            "lessons/test_lessons.py::test_the_link_of_a_mail_opens_the_request_after_the_log_in",
        ),
    ),
}

BY_TEST = {test: (number, lesson) for number, lesson in LESSONS.items() for test in lesson.tests}
