//! What users have been told: every documented command, word for word, in real containers, with what they must see.
//!
//! One test, since the commands build on each other as in a user's first hour. Documented ports are used where they are
//! free, others where not. Containers, volumes and network are removed at the end.

mod stack;
mod steps;

use stack::Stack;

#[tokio::test]
async fn every_documented_command_does_what_users_were_told() {
    let stack = Stack::new();
    let steps = steps::Steps::new(&stack);
    steps.up_builds_and_starts_everything().await;
    steps.everything_is_healthy_within_a_minute().await;
    steps.a_second_up_changes_nothing().await;
    steps.health_is_ok().await;
    steps.cities_come_from_the_database_then_from_the_cache().await;
    steps.an_update_is_answered_at_once().await;
    steps.the_sample_image_is_served().await;
    steps.logs_name_all_three_programs().await;
    steps.status_shows_three_running_programs().await;
    steps.tail_shows_one_program_live().await;
    steps.stop_and_start_of_the_api_cut_no_answer().await;
    steps.restart_of_the_consumer_loses_nothing().await;
    steps.down_ends_everything_in_time().await;
    steps.up_again_goes_on_with_the_same_data().await;
    steps.the_image_builds_by_both_paths().await;
    steps.run_works_on_the_network_of_the_services().await;
    steps.run_without_a_network_stays_up_and_says_what_is_missing().await;
    steps.run_with_a_wrong_setting_ends_with_one_line().await;
}
