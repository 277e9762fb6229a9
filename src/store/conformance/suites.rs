//! Which cases run over which stores.

/// Runs each case over each store.
macro_rules! suite {
    ($($topic:ident: $($case:ident),+;)+) => {
        mod on_sqlite { $($(#[test] fn $case() { super::super::$topic::$case(&mut super::super::kits::sqlite()); })+)+ }
        mod on_postgres { $($(#[test] fn $case() { super::super::$topic::$case(&mut super::super::kits::postgres()); })+)+ }
        mod on_memory { $($(#[test] fn $case() { super::super::$topic::$case(&mut super::super::kits::memory()); })+)+ }
    };
}

/// Runs each case with two masters at once, over each store that several can have.
macro_rules! suite_of_two {
    ($($case:ident),+) => {
        mod two_on_postgres { $(#[test] fn $case() { super::super::two_masters::$case(super::super::two_masters::on_postgres()); })+ }
        mod two_on_memory { $(#[test] fn $case() { super::super::two_masters::$case(super::super::two_masters::on_memory()); })+ }
    };
}

/// Runs each case over each store that is of one master alone.
macro_rules! suite_alone {
    ($($case:ident),+) => {
        mod alone_on_sqlite { $(#[test] fn $case() { super::super::life::$case(&mut super::super::kits::sqlite()); })+ }
        mod alone_on_memory { $(#[test] fn $case() { super::super::life::$case(&mut super::super::kits::memory()); })+ }
    };
}

suite_alone! { a_superseded_master_is_refused_everything }

suite_of_two! {
    a_job_is_claimed_by_one_of_them, what_comes_before_the_jobs_that_one_has_taken_is_next, only_the_jobs_of_a_dead_one_are_released, one_that_was_taken_over_begins_anew,
    one_that_renews_is_not_taken_over, nobody_is_dead_to_one_that_was_away, what_one_makes_ready_the_other_hears,
    what_is_due_is_promoted_once, a_pause_reaches_the_other, a_job_that_runs_elsewhere_is_cancelled_there,
    a_tick_is_taken_by_one_of_them, what_becomes_of_a_processor_is_heard_elsewhere, the_end_of_a_job_is_heard_elsewhere, room_in_a_limited_queue_is_heard_elsewhere, one_of_them_prunes_until_it_is_gone, the_runs_of_both_are_counted_once, ids_and_batches_of_one_are_not_those_of_the_other
}

suite! {
    push: ids_grow_and_are_never_used_again, a_job_keeps_everything_it_was_pushed_with, a_label_stays_with_each_of_its_jobs,
        a_unique_key_gives_back_the_unfinished_job, a_unique_key_is_seen_within_a_batch,
        a_unique_key_is_free_after_each_ending, a_job_due_later_is_scheduled,
        data_that_looks_odd_comes_back_unchanged, a_batch_tells_only_of_the_queues_that_it_touched, what_another_process_pushes_is_noticed;
    bulk: a_staged_job_is_not_there_in_any_way, a_bulk_push_is_there_as_a_whole_with_its_commit,
        what_is_dropped_leaves_nothing_and_its_ids_are_not_given_again,
        a_bulk_push_of_which_a_part_was_dropped_can_neither_grow_nor_be_committed, a_bulk_push_that_is_committed_cannot_be_dropped_or_added_to, unique_keys_are_decided_when_a_bulk_push_is_opened,
        a_job_that_is_not_opened_yet_can_be_cancelled_and_deleted;
    claim: the_order_is_priority_then_due_then_id, a_claim_gives_every_detail_of_the_job,
        strict_order_takes_all_of_the_first_queue_first, shares_leave_room_and_take_what_is_left,
        unknown_and_paused_queues_give_nothing, a_claim_stops_at_its_bytes, a_claim_stops_at_its_total,
        a_job_past_its_expiry_is_cancelled_instead_of_claimed, a_job_past_its_expiry_is_cancelled_by_promotion,
        a_job_that_has_started_does_not_expire, promotion_makes_ready_what_is_due_in_bounded_steps,
        next_due_is_the_first_of_due_and_expiry, jobs_are_claimed_for_workers_in_order;
    limits: no_more_run_than_the_limit_and_the_end_of_one_opens_the_queue, jobs_of_a_queue_with_a_limit_are_not_claimed_ahead,
        a_rate_gives_its_burst_then_one_after_the_other, what_is_set_holds_until_its_time_or_until_it_is_taken_back,
        a_push_beyond_the_room_of_a_queue_adds_nothing, a_bulk_push_beyond_the_room_of_a_queue_is_not_committed, a_job_keeps_its_key_and_is_found_by_it;
    fairness: keys_take_turns_and_who_comes_late_waits_for_nobody, priority_comes_first_and_a_key_has_its_own_order,
        weights_are_shares_of_jobs_and_time_is_charged_when_it_is_known,
        a_key_at_its_limit_is_passed_over_until_one_of_it_has_ended, a_rate_of_a_key_holds_that_key_alone,
        jobs_that_wait_are_moved_to_the_lanes_of_their_keys_and_back, what_is_pushed_in_bulk_is_opened_in_the_lanes_of_keys,
        no_job_of_a_key_that_is_paused_starts_and_the_others_keep_their_order,
        a_key_can_be_paused_where_keys_take_turns_and_have_limits, a_claim_that_moves_many_jobs_out_of_the_way_says_so;
    lanes: commands_and_other_jobs_are_claimed_apart_each_in_its_order, a_job_that_comes_back_waits_in_its_lane_again,
        a_type_that_is_named_gets_a_lane_and_its_jobs_are_moved_in_steps,
        who_takes_every_type_takes_the_lanes_of_types_in_the_order_of_the_queue, a_job_is_found_wherever_it_waits,
        a_claim_from_many_lanes_comes_to_its_end, what_was_pushed_in_bulk_is_counted_and_opened_in_its_lanes,
        the_walk_goes_through_every_queue_and_a_queue_that_is_forgotten_takes_its_lanes_along;
    finish: a_success_is_recorded_with_its_result, a_failed_run_waits_for_its_retry,
        a_released_job_is_at_the_front_again, a_dead_job_says_why, a_cancelled_run_ends_its_job,
        an_error_is_kept_with_its_kind_its_number_and_where_it_happened, the_limit_of_attempts_is_the_one_that_was_in_force,
        a_stale_finish_changes_nothing, an_unclaimed_job_leaves_no_trace, an_unclaimed_job_can_expire_again,
        a_stale_unclaim_assign_or_progress_changes_nothing, progress_stays_until_the_job_goes, jobs_are_listed_by_filter,
        a_state_is_given_to_the_next_attempt, counters_come_back_at_the_next_claim, runs_are_listed_newest_first_by_filter;
    failures: failed_runs_are_counted_by_error_also_those_that_are_tried_again,
        a_batch_counts_its_failed_runs_once_however_often_it_is_sent, dead_jobs_are_counted_with_their_error_until_they_leave,
        errors_past_the_bound_of_a_type_are_one, errors_go_in_small_steps_once_no_job_is_dead_of_them,
        errors_are_listed_by_filter, what_is_said_of_an_error_stays_until_it_is_forgotten,
        a_failure_without_a_message_is_told_by_its_cause;
    operator: cancel_in_each_state, retry_in_each_state, delete_in_each_state, an_id_is_never_given_again,
        a_retried_job_starts_anew, a_retried_job_takes_its_key_again_if_it_is_free,
        a_job_whose_key_another_unfinished_job_has_is_not_retried_in_any_state_of_that,
        a_job_that_is_retried_at_a_time_waits_until_then, set_in_each_state, a_job_that_waits_goes_to_another_queue_priority_and_time, a_job_in_another_state_than_those_that_are_meant_is_left_alone,
        operations_on_no_job_are_missing, a_paused_queue_still_takes_jobs;
    processors: a_tick_puts_a_run_on_record_and_pushes_its_job, a_tick_that_somebody_else_has_taken_changes_nothing,
        a_disabled_tick_is_passed_over_without_a_run, a_run_that_is_open_decides_by_the_overlap,
        ticks_that_were_missed_are_counted, a_schedule_that_changed_begins_anew, the_word_of_an_operator_stays_until_it_is_taken_back,
        a_tick_that_was_applied_is_not_applied_again;
    processor_runs: every_way_a_job_ends_ends_its_run_once, a_run_stays_open_while_its_job_is_tried_again,
        a_run_outside_ends_once, the_newest_run_and_those_that_are_open_stay, runs_of_processors_are_listed_by_filter;
    life: a_generation_that_did_not_end_is_found_crashed, generations_that_nobody_recovered_are_all_found_crashed,
        a_batch_is_applied_once, recovery_gives_back_what_was_running,
        recovery_goes_on_until_nothing_is_left, a_unique_key_is_held_through_two_hundred_deaths,
        recovery_ends_the_workers_that_were_left, ids_go_on_after_a_restart, workers_are_on_record, the_answers_of_a_batch_survive_an_unknown_commit;
    prune: what_is_past_its_time_goes_and_the_rest_stays, pruning_goes_in_small_steps, a_step_past_what_stays_says_that_there_may_be_more,
        runs_stay_as_long_as_their_succeeded_job, a_run_that_ends_late_is_not_missed,
        ids_are_not_used_again_after_pruning, deleting_a_job_takes_its_runs,
        a_queue_of_no_use_is_forgotten_with_its_last_run, a_queue_is_kept_while_anything_belongs_to_it,
        a_queue_of_a_bulk_push_is_forgotten_only_after_the_bulk_push_was_dropped, queues_are_forgotten_in_small_steps,
        a_queue_that_another_process_remembers_is_made_again_when_that_pushes, a_queue_that_its_own_batch_uses_again_stays;
    waits: what_waits_for_a_length_of_time_goes_with_the_clock_and_a_point_in_time_stays,
        a_clock_that_is_set_again_and_again_leaves_lengths_as_they_were, nothing_waits_for_longer_than_it_was_to_wait_in_all;
    rollups: what_was_counted_is_there_in_periods_of_every_length, a_part_that_comes_later_is_added_whatever_the_clock_says,
        runs_that_a_dead_master_had_not_counted_are_counted_once, a_master_that_leaves_counts_what_is_left,
        pushed_jobs_are_counted_once_whoever_pushes_them, periods_are_forgotten_in_their_time_and_no_sooner,
        what_was_done_is_kept_as_marks, of_many_marks_the_newest_are_shown;
    autoscale_log: changes_of_pools_are_listed_newest_first_by_filter, a_change_is_logged_once_however_often_its_batch_is_sent,
        changes_go_after_a_week_in_small_steps, of_very_many_changes_the_newest_stay;
    call_log: calls_are_listed_newest_first_by_filter, calls_go_after_a_day_in_small_steps, of_very_many_calls_the_newest_stay;
    audit: deeds_are_listed_newest_first_by_filter_with_what_came_of_them, deeds_go_after_their_time_in_small_steps;
    after: a_job_is_blocked_until_all_that_it_comes_after_have_succeeded, a_push_names_jobs_of_its_own_and_what_cannot_be_is_refused_whole,
        what_becomes_of_the_children_of_a_job_that_failed_is_as_they_say, what_was_cancelled_comes_back_with_its_parent_down_the_line,
        a_job_that_was_deleted_undone_cancels_its_children_for_good, very_many_children_are_told_in_steps_that_survive_the_master,
        a_blocked_job_can_be_changed_cancelled_and_expires, the_results_of_parents_come_with_the_claim_also_when_they_are_gone,
        a_bulk_push_has_refs_forward_and_back_and_circles_are_refused, a_bulk_push_that_is_opened_looks_at_what_became_of_parents_meanwhile,
        who_comes_after_a_job_that_was_there_already_comes_after_that_one, what_is_free_is_claimed_within_the_same_batch;
    batches: a_batch_counts_its_jobs_by_state_until_they_are_gone, what_comes_after_a_batch_runs_once_when_all_have_ended,
        what_is_for_a_failure_is_cancelled_where_none_has_died, jobs_join_a_batch_that_is_open_and_no_other,
        a_bulk_push_is_a_batch, a_batch_that_is_searched_in_steps_ends_also_after_a_restart, a_job_that_is_retried_is_waited_for_again, a_batch_goes_with_its_last_job,
        many_jobs_are_counted_by_a_walk_over_what_waits;
    operations: how_far_an_operation_is_is_kept_as_it_was_told_last, of_very_many_operations_the_newest_stay;
    table_rows: rows_of_tables_are_kept_as_they_were_told_last;
    traces: a_job_keeps_its_trace_through_all_its_runs, a_job_of_a_bulk_push_keeps_its_trace, a_run_keeps_its_span;
    runs: every_filter_finds_what_a_walk_over_all_finds, a_run_that_ends_after_its_neighbours_were_forgotten_is_found,
        a_text_is_found_in_what_a_run_has_said_and_not_in_what_is_hidden;
}
