"""Which tests prove which fault. A number without a test, or a test that is gone, fails `test_matrix.py`."""

_KILLS = "tests/faults/test_kills.py"
_ENQUEUE = "tests/faults/test_enqueue.py"
_BROKER = "tests/faults/test_broker.py"
_DATABASE = "tests/faults/test_database.py"
_MESSAGES = "tests/faults/test_messages.py"
_ANSWERS = "tests/faults/test_answers.py"
_CLOCKS = "tests/faults/test_clocks.py"
_CLOCKS_SET = "tests/faults/test_clocks_set.py"
_FAILOVER = "tests/faults/test_failover.py"
_AROUND = "tests/faults/test_surroundings.py"
_SENDING = "tests/worker/test_create.py"
_SETTLING = "tests/worker/test_reconcile.py"
_ENDINGS = "tests/fivetran/test_client_endings.py"
_READS = "tests/fivetran/test_client_reads.py"
_WIRE = "tests/fivetran/test_client_wire.py"
_DEADLINES = "tests/fivetran/test_client_deadlines.py"
_WORKFLOW = "tests/workflow/test_requests.py"
_CARD = "tests/handover/test_card_and_return.py"
_WATCHING = "tests/worker/test_poll_connections.py"

# number -> (the fault, the tests)
MATRIX: dict[int, tuple[str, list[str]]] = {
    1: ("worker killed before the POST", [f"{_KILLS}::test_a_worker_killed_before_its_post_arrives"]),
    2: ("… after the body was read", [f"{_KILLS}::test_a_worker_killed_while_sending"]),
    3: ("… after the effect", [f"{_KILLS}::test_a_worker_killed_while_sending"]),
    4: ("… after half the answer", [f"{_KILLS}::test_a_worker_killed_while_sending"]),
    5: ("… after the answer, before the commit", [f"{_KILLS}::test_a_worker_killed_with_the_answer_in_its_hands"]),
    6: ("… right after the commit", [f"{_KILLS}::test_a_worker_killed_right_after_its_commit"]),
    7: (
        "the whole group killed",
        [
            f"{_KILLS}::test_a_worker_killed_while_sending",
            f"{_KILLS}::test_a_worker_killed_between_claim_and_sending",
        ],
    ),
    8: ("only the main process killed", [f"{_KILLS}::test_only_the_main_process_killed"]),
    9: ("worker frozen and resumed", [f"{_KILLS}::test_a_worker_frozen_past_its_deadline_writes_nothing"]),
    10: ("out of memory", [f"{_KILLS}::test_a_worker_without_memory_for_the_answer"]),
    11: ("a deploy", [f"{_KILLS}::test_a_deploy_in_the_middle", f"{_KILLS}::test_a_deploy_without_patience"]),
    12: ("broker killed, 100 waiting", [f"{_BROKER}::test_a_hundred_messages_lost_with_the_broker"]),
    13: ("broker emptied", [f"{_BROKER}::test_emptied_in_the_middle"]),
    14: (
        "broker refuses at approval",
        [
            f"{_BROKER}::test_refusing_when_somebody_approves",
            f"{_ENQUEUE}::test_the_broker_goes_away_after_it_was_asked",
        ],
    ),
    15: (
        "broker hung at approval",
        [f"{_BROKER}::test_hung_when_somebody_approves", f"{_ENQUEUE}::test_the_broker_goes_away_after_it_was_asked"],
    ),
    16: ("broker hung for long", [f"{_BROKER}::test_hung_for_long_with_workers_connected"]),
    17: ("broker out of memory", [f"{_BROKER}::test_full"]),
    18: ("wrong broker password", [f"{_BROKER}::test_locked_by_a_new_password"]),
    19: (
        "one message ten times",
        [
            f"{_MESSAGES}::test_one_message_ten_times_at_once",
            f"{_SENDING}::test_ten_messages_at_once_make_one_call",
            "tests/faults/test_race.py::test_exactly_one_claims_it",
        ],
    ),
    20: ("visibility timeout too short", [f"{_MESSAGES}::test_a_message_is_handed_out_again_while_it_waits"]),
    21: (
        "forged messages",
        [f"{_MESSAGES}::test_forged_and_foreign_messages", f"{_SENDING}::test_a_forged_message_does_nothing"],
    ),
    22: ("an unknown task", [f"{_MESSAGES}::test_forged_and_foreign_messages"]),
    23: (
        "a poison row",
        [
            f"{_SENDING}::test_a_poison_row_is_set_aside_and_the_others_go_on",
            f"{_SETTLING}::test_a_poison_row_is_left_to_a_person_and_the_others_are_settled",
        ],
    ),
    24: ("two approvers at once", [f"{_WORKFLOW}::test_two_approvers_at_once_are_one_approval"]),
    25: ("approval against rejection", [f"{_WORKFLOW}::test_an_approval_and_its_rival_at_once_are_one_decision"]),
    26: (
        "withdrawal against approval and claim",
        [
            f"{_WORKFLOW}::test_an_approval_and_its_rival_at_once_are_one_decision",
            f"{_DATABASE}::test_a_withdrawal_and_a_claim_at_once",
        ],
    ),
    27: (
        "the same form many times",
        [
            f"{_WORKFLOW}::test_a_form_sent_ten_times_at_once_is_one_request",
            "tests/views/test_filing.py::test_the_same_form_sent_eight_times_at_once_is_one_request",
        ],
    ),
    28: (
        "two people, one name",
        [
            f"{_WORKFLOW}::test_two_people_who_ask_for_one_name_at_once_get_one_request_and_one_reason",
            "tests/forms/test_request_form.py::test_who_may_see_the_holder_reads_who_it_is",
        ],
    ),
    29: (
        "edited after the approver looked",
        [
            f"{_CLOCKS}::test_edited_between_page_and_press",
            f"{_WORKFLOW}::test_what_was_edited_after_the_look_cannot_be_approved",
        ],
    ),
    30: ("the right lost before the press", [f"{_CLOCKS}::test_the_right_is_lost_between_page_and_press"]),
    31: ("database locked", [f"{_DATABASE}::test_locked_while_somebody_approves"]),
    32: ("database killed during the POST", [f"{_DATABASE}::test_killed_while_the_post_runs"]),
    33: ("sessions ended", [f"{_DATABASE}::test_sessions_ended_at_random"]),
    34: ("read-only at the commit of sending", [f"{_DATABASE}::test_read_only_at_the_commit_of_sending"]),
    35: ("SQLite with eight writers", [f"{_DATABASE}::test_eight_writers_on_sqlite"]),
    36: (
        "timeout with and without effect",
        [
            f"{_ANSWERS}::test_unclear_answers_with_and_without_effect",
            f"{_SETTLING}::test_an_effect_without_a_usable_answer_is_adopted",
            f"{_SETTLING}::test_without_an_effect_it_is_sent_again_only_after_the_settle_time",
        ],
    ),
    37: (
        "an effect that comes late",
        [
            f"{_ANSWERS}::test_an_effect_that_comes_after_the_timeout",
            f"{_SETTLING}::test_an_effect_that_shows_up_late_is_adopted",
        ],
    ),
    38: ("429 of every kind", [f"{_ANSWERS}::test_asked_to_wait", f"{_ENDINGS}::test_retry_after"]),
    39: (
        "a storm of 429",
        [
            f"{_ANSWERS}::test_a_storm_of_429",
            f"{_SENDING}::test_a_429_closes_the_gate_for_all_and_burns_no_attempt",
        ],
    ),
    40: ("500 before and after the effect", [f"{_ANSWERS}::test_unclear_answers_with_and_without_effect"]),
    41: (
        "a gateway's page",
        [
            f"{_ANSWERS}::test_unclear_answers_with_and_without_effect",
            f"{_ENDINGS}::test_every_other_error_leaves_the_outcome_open",
            f"{_ENDINGS}::test_an_error_without_fivetrans_body_leaves_the_outcome_open",
        ],
    ),
    42: (
        "a 201 that cannot be used",
        [
            f"{_ENDINGS}::test_a_success_without_a_usable_id_leaves_the_outcome_open",
            f"{_ENDINGS}::test_an_answer_cut_off_or_malformed_leaves_the_outcome_open",
        ],
    ),
    43: (
        "a dripping answer",
        [
            f"{_DEADLINES}::test_dripping_ends_at_the_deadline",
            f"{_ANSWERS}::test_unclear_answers_with_and_without_effect",
        ],
    ),
    44: (
        "giant and packed bodies",
        [f"{_WIRE}::test_a_giant_body_is_not_read", f"{_WIRE}::test_a_packed_body_is_not_unpacked"],
    ),
    45: ("redirects", [f"{_ENDINGS}::test_a_redirect_is_never_followed"]),
    46: (
        "TLS that is wrong",
        [
            f"{_WIRE}::test_a_certificate_of_an_unknown_authority",
            f"{_WIRE}::test_a_certificate_for_another_name",
            f"{_WIRE}::test_an_expired_certificate",
            f"{_WIRE}::test_an_old_protocol_leaves_the_outcome_open",
        ],
    ),
    47: (
        "no name, black hole, reset in the handshake",
        [
            f"{_ENDINGS}::test_a_name_that_does_not_resolve",
            f"{_ENDINGS}::test_a_server_that_takes_no_connection",
            f"{_WIRE}::test_a_reset_in_the_handshake_leaves_the_outcome_open",
            f"{_SENDING}::test_fivetran_away_sends_nothing_and_burns_no_attempt",
        ],
    ),
    48: ("reset within our body", [f"{_ENDINGS}::test_reset_in_the_middle_of_our_body_leaves_the_outcome_open"]),
    49: (
        "401 with twenty queued",
        [
            f"{_ANSWERS}::test_the_key_is_refused_in_the_middle_and_replaced",
            f"{_SENDING}::test_a_bad_key_stops_the_queue_and_a_probe_reopens_it",
        ],
    ),
    50: (
        "the key rotated during a POST",
        [
            f"{_ANSWERS}::test_the_key_is_refused_in_the_middle_and_replaced",
            f"{_READS}::test_the_key_is_read_for_each_call",
        ],
    ),
    51: ("the group deleted", [f"{_ANSWERS}::test_the_group_was_deleted"]),
    52: (
        "the name taken before we send",
        [f"{_SENDING}::test_a_name_that_a_stranger_holds_is_refused_before_anything_is_sent"],
    ),
    53: (
        "the name taken while ours is unknown",
        [f"{_SETTLING}::test_what_does_not_fit_is_never_adopted", f"{_SETTLING}::test_two_of_a_name_need_a_person"],
    ),
    54: (
        "a look-up that fails, or has pages",
        [f"{_SETTLING}::test_a_look_up_that_fails_leaves_it_unknown", f"{_READS}::test_a_list_is_read_to_its_end"],
    ),
    55: (
        "setup tests of any shape",
        [f"{_ANSWERS}::test_setup_tests_without_measure", f"{_SETTLING}::test_setup_tests_of_any_shape_are_kept"],
    ),
    56: (
        "a run of tests lost or doubled",
        [
            f"{_KILLS}::test_a_worker_killed_while_it_runs_the_setup_tests",
            f"{_ANSWERS}::test_a_run_of_tests_rung_twice",
        ],
    ),
    57: (
        "a Connect Card that is old, used, foreign or forged",
        [
            f"{_CARD}::test_forgery_an_expired_return_is_refused",
            f"{_CARD}::test_forgery_an_expired_card_is_noted_and_a_fresh_one_is_had",
            f"{_CARD}::test_forgery_a_used_return_is_refused",
            f"{_CARD}::test_forgery_another_users_return_is_refused",
            f"{_CARD}::test_forgery_a_made_up_state_is_refused",
            f"{_CARD}::test_forgery_the_state_of_another_request_brings_back_only_that_one",
            f"{_CARD}::test_forgery_a_foreign_id_in_the_address_is_never_read",
        ],
    ),
    58: (
        "a connection deleted at Fivetran",
        [
            f"{_WATCHING}::test_who_is_not_in_the_list_is_asked_for_and_only_then_gone",
            "tests/worker/test_connection_status.py::test_a_connection_that_is_gone_is_marked_and_frees_its_name",
            "tests/views/test_connection.py::test_gone_is_said_with_what_remains_possible",
        ],
    ),
    59: (
        "a host's clock is wrong",
        [f"{_CLOCKS}::test_a_worker_whose_clock_is_wrong", f"{_CLOCKS_SET}::test_what_waits_is_sent_within_a_minute"],
    ),
    60: (
        "a clock is set while everything runs",
        [
            f"{_CLOCKS}::test_a_clock_that_jumps_back_during_a_call",
            f"{_CLOCKS_SET}::test_what_waits_is_sent_within_a_minute",
            f"{_CLOCKS_SET}::test_a_call_under_way_has_its_whole_time",
            f"{_CLOCKS_SET}::test_an_effect_has_its_whole_time_to_show",
            "tests/worker/test_database_clock.py::test_what_lies_a_month_ahead_is_put_right",
        ],
    ),
    61: (
        "time zones",
        [f"{_AROUND}::test_the_daily_time_is_an_hour_of_utc_wherever_the_reader_is"],
    ),
    62: ("many sweepers and schedulers", [f"{_MESSAGES}::test_ten_sweepers_and_two_schedulers_at_once"]),
    63: ("no scheduler for an hour", [f"{_MESSAGES}::test_without_a_scheduler_for_an_hour"]),
    64: ("messages of another version", [f"{_MESSAGES}::test_a_message_of_an_older_version"]),
    65: (
        "an encryption key rotated: nothing is encrypted, for no secret is taken",
        [
            f"{_AROUND}::test_no_secret_is_stored_so_none_has_to_be_decrypted",
            "tests/forms/test_request_form.py::test_secrets_are_refused",
        ],
    ),
    66: ("a long history", ["tests/views/test_history_cost.py::test_the_list_costs_few_queries_however_many_rows"]),
    67: ("people who leave", [f"{_CLOCKS}::test_people_who_leave"]),
    68: ("no room for logs", [f"{_AROUND}::test_no_room_for_logs"]),
    69: ("the broker replaced by its replica", [f"{_FAILOVER}::test_a_replica_takes_the_brokers_place"]),
    70: ("the database server restarted, and crashed", [f"{_FAILOVER}::test_the_database_is_restarted"]),
    71: ("a worker killed while it tests a request", [f"{_KILLS}::test_a_worker_killed_while_it_tests_a_request"]),
}
