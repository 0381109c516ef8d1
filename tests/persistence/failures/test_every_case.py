"""Which test shows which of the failures that must be survived.

Numbers are those of the design of persistence, its section on what must be survived. Each test
ends with a look at the server: no backend at work or in a transaction, no lock, no connection
out of its pool (``nexios.testing.leaks``).

Not here: the long mixed run (32) is a command, ``python benchmarks/long_run.py``.
"""

import ast
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[3]
PERSISTENCE: Final = "tests/persistence"
FAILURES: Final = f"{PERSISTENCE}/failures"

CASES: Final = {
    "1 backend killed in a transaction": (
        f"{FAILURES}/test_use_cases.py::test_a_backend_killed_before_the_commit_means_once_more",
        f"{FAILURES}/test_use_cases.py::test_one_that_dies_each_time_is_503",
        f"{FAILURES}/test_connections.py::test_a_backend_killed_inside_a_transaction_loses_all_of_it",
    ),
    "2 idle pooled connection killed": (
        f"{FAILURES}/test_connections.py::test_idle_connections_that_were_killed_are_replaced_unseen",
        f"{FAILURES}/test_connections.py::test_a_begin_finds_a_dead_backend_and_goes_on",
    ),
    "3 COMMIT reply lost": (
        f"{FAILURES}/test_use_cases.py::test_a_lost_answer_to_a_commit_that_happened_is_success",
        f"{FAILURES}/test_use_cases.py::test_a_lost_answer_that_nobody_can_explain_is_said_so",
    ),
    "4 cut before COMMIT arrives": (
        f"{FAILURES}/test_use_cases.py::test_a_commit_that_never_arrived_is_run_again",
        f"{FAILURES}/test_limits.py::test_a_connection_that_broke_before_commit_was_sent_leaves_no_doubt",
    ),
    "5 pool exhausted": (
        f"{FAILURES}/test_connections.py::test_an_exhausted_pool_refuses_in_time_and_recovers",
        f"{FAILURES}/test_clients.py::test_requests_beyond_the_pool_are_503_in_time_and_fine_when_it_is_free",
    ),
    "6 server stopped and started under load": (
        f"{FAILURES}/test_connections.py::test_a_server_that_is_away_gives_503_and_is_back_without_a_restart",
    ),
    "7 serialization failure": (
        f"{FAILURES}/test_use_cases.py::test_serializable_use_cases_keep_a_rule_across_aggregates",
        f"{FAILURES}/test_contention.py::test_write_skew_needs_serializable",
    ),
    "8 deadlock": (f"{FAILURES}/test_use_cases.py::test_a_deadlock_is_run_again",),
    "9 lock timeout": (
        f"{FAILURES}/test_limits.py::test_a_lock_that_is_let_go_in_time_is_retried_into_success",
        f"{FAILURES}/test_limits.py::test_a_lock_that_is_never_let_go_is_503",
    ),
    "10 statement timeout": (
        f"{FAILURES}/test_limits.py::test_a_statement_that_takes_too_long_undoes_its_use_case",
        f"{FAILURES}/test_limits.py::test_sqlite_stops_a_long_query_and_keeps_the_connection",
    ),
    "11 idle in transaction": (
        f"{FAILURES}/test_limits.py::test_waiting_inside_a_use_case_is_logged_with_its_name",
    ),
    "12 cancelled during a statement": (
        f"{FAILURES}/test_contention.py::test_a_cancelled_statement_frees_its_lock_and_keeps_its_backend",
    ),
    "13 cancelled during COMMIT": (
        f"{FAILURES}/test_contention.py::test_a_commit_that_was_sent_is_waited_for",
    ),
    "14 application killed in a transaction": (
        f"{FAILURES}/test_clients.py::test_a_process_killed_in_a_transaction_frees_its_locks",
    ),
    "15 HTTP client gone": (
        f"{FAILURES}/test_clients.py::test_a_read_ends_when_its_client_has_gone",
        f"{FAILURES}/test_clients.py::test_a_write_goes_on_when_its_client_has_gone",
    ),
    "16 worker killed in a handler": (
        f"{FAILURES}/test_deliveries.py::test_killed_workers_do_each_effect_once_in_order",
    ),
    "17 wake-up lost": (
        f"{FAILURES}/test_deliveries.py::test_polling_finds_what_no_wake_up_told",
        f"{FAILURES}/test_deliveries.py::test_a_listener_that_was_killed_looks_once_and_hears_again",
    ),
    "18 poison event": (
        f"{PERSISTENCE}/test_worker.py::test_a_poison_event_dies_after_its_attempts_and_the_stream_goes_on",
        f"{PERSISTENCE}/test_worker.py::test_a_blocking_consumer_stops_its_stream_until_it_is_redriven",
        f"{PERSISTENCE}/test_worker.py::test_redriven_deliveries_of_one_stream_keep_their_order",
    ),
    "19 duplicate from an outside broker": (
        f"{PERSISTENCE}/test_inbox.py::test_a_message_twice_has_one_effect",
        f"{PERSISTENCE}/test_inbox.py::test_a_message_twice_at_once_has_one_effect",
        f"{PERSISTENCE}/test_inbox.py::test_when_the_first_fails_the_second_does_it",
    ),
    "20 same idempotency key at once": (
        f"{FAILURES}/test_once.py::test_a_killed_winner_and_its_waiters_have_one_effect",
        f"{FAILURES}/test_once.py::test_an_unknown_outcome_is_safe_to_repeat_with_its_key",
    ),
    "21 schema changed under a running application": (
        f"{FAILURES}/test_limits.py::test_a_column_that_changes_its_type_is_not_seen_by_a_use_case",
        f"{FAILURES}/test_contention.py::test_a_column_that_changes_type_costs_one_repetition_at_most",
    ),
    "22 migration waits for a lock": (
        f"{PERSISTENCE}/test_migrations.py::test_a_migration_that_waits_for_a_lock_gives_up_and_traffic_lives",
    ),
    "23 too many connections, shutting down": (
        f"{FAILURES}/test_connections.py::test_a_server_that_is_full_is_unavailable",
        f"{FAILURES}/test_limits.py::test_a_server_that_shuts_down_is_unavailable",
    ),
    "24 read-only after failover": (
        f"{FAILURES}/test_connections.py::test_a_read_only_server_is_unavailable_and_its_connection_is_let_go",
    ),
    "25 disk full": (
        f"{FAILURES}/test_limits.py::test_a_full_disk_is_503_and_writes_nothing_partly",
    ),
    "26 stale version, lost update": (
        f"{FAILURES}/test_use_cases.py::test_a_stale_version_without_retries_is_a_conflict",
        f"{FAILURES}/test_use_cases.py::test_many_writers_all_land",
    ),
    "27 one unit of work, two tasks": (
        f"{FAILURES}/test_use_cases.py::test_two_tasks_of_one_use_case_share_one_transaction",
        f"{PERSISTENCE}/test_transactions.py::test_waiting_for_ones_own_sibling_ends",
    ),
    "28 clock steps back, clocks differ": (
        f"{FAILURES}/test_deliveries.py::test_killed_workers_do_each_effect_once_in_order",
        f"{FAILURES}/test_deliveries.py::test_the_due_time_is_the_servers_whatever_this_clock_says",
        f"{FAILURES}/test_deliveries.py::test_ids_of_one_millisecond_or_of_a_clock_that_went_back_differ",
    ),
    "29 types": (f"{PERSISTENCE}/test_columns.py::test_what_every_store_takes_comes_back",),
    "30 tenancy": (
        f"{PERSISTENCE}/test_tenancy.py::test_a_tenant_sees_and_changes_its_own_rows_only",
        f"{PERSISTENCE}/test_tenancy.py::test_a_login_that_ignores_row_security_is_refused_at_start",
        f"{PERSISTENCE}/test_tenancy.py::test_a_pooled_connection_does_not_carry_the_tenant_on",
    ),
    "31 transaction-mode pooler": (
        f"{FAILURES}/test_pooler.py::test_use_cases_run_through_a_pooler_in_transaction_mode",
    ),
    "33 caught statement error": (
        f"{PERSISTENCE}/test_transactions.py::test_a_caught_error_and_a_normal_end_is_a_failure",
    ),
    "34 deep lane behind a head that backs off": (
        f"{FAILURES}/test_deliveries.py::test_a_claim_reads_a_handful_of_pages_whatever_waits",
    ),
    "35 task outlives its transaction": (
        f"{PERSISTENCE}/test_transactions.py::test_a_task_that_outlives_its_block_is_told",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_tests_of_a_case_are_there(case: str) -> None:
    for place in CASES[case]:
        path, _, name = place.partition("::")
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        functions = ast.FunctionDef | ast.AsyncFunctionDef
        names = {node.name for node in ast.walk(tree) if isinstance(node, functions)}
        assert name in names, f"{place} shows case {case} and is gone"
