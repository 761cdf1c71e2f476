//! What users have been told: every documented command, word for word, in real containers, with what they must see.
//!
//! One test, since the commands build on each other as in a user's first hour. Documented ports are used where they are
//! free, others where not. Containers, volumes and network are removed at the end.

mod stack;
mod steps;

use std::time::Instant;

use stack::Stack;
use steps::Steps;

/// Runs the steps named, one after the other, each with its seconds (`-- --nocapture` shows them).
macro_rules! run {
    ($steps:expr, $($step:ident),+ $(,)?) => {
        $(
            let begun = Instant::now();
            $steps.$step().await;
            report(stringify!($step), begun);
        )+
    };
}

#[tokio::test]
async fn every_documented_command_does_what_users_were_told() {
    let stack = Stack::new();
    let steps = Steps::new(&stack);
    run!(
        steps,
        up_builds_and_starts_everything,
        everything_is_healthy_within_a_minute,
        a_second_up_changes_nothing,
        health_is_ok,
        cities_come_from_the_database_then_from_the_cache,
        an_update_is_answered_at_once,
        the_sample_image_is_served,
        logs_name_all_three_programs,
        status_shows_three_running_programs,
        the_health_check_names_the_program_that_is_not_running,
        tail_shows_one_program_live,
        stop_and_start_of_the_api_cut_no_answer,
        restart_of_the_consumer_loses_nothing,
        down_ends_everything_in_time,
        up_again_goes_on_with_the_same_data,
        the_image_builds_by_both_paths,
        run_works_on_the_network_of_the_services,
        run_without_a_network_stays_up_and_says_what_is_missing,
        run_with_a_wrong_setting_ends_with_one_line,
        run_takes_the_variables_that_have_a_default_in_the_image,
    );
}

#[expect(clippy::print_stderr, reason = "it takes minutes, and who waits wants to see where it is")]
fn report(step: &str, begun: Instant) {
    eprintln!("- {} ({:.1} s)", step.replace('_', " "), begun.elapsed().as_secs_f32());
}
