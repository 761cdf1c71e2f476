//! The row trigger of a partitioned table, which its partitions have as clones.

use harness::{Database, settings};

use crate::setup::{LIMIT, Setup};

/// Clones that don't fire for an apply worker.
const DISABLED: &str = "select count(*) from pg_trigger where tgparentid <> 0 and tgenabled <> 'R'";

#[tokio::test]
async fn a_disabled_clone_of_the_row_trigger_on_a_partition_is_enabled_again() {
    let database = Database::new().await;
    database
        .execute(
            "create table public.country (code text primary key);
             create table public.city (name text, countrycode text, population int) partition by list (countrycode);
             create table public.\"City of 🇧🇬\" partition of public.city for values in ('BGR');
             create table public.city_rest partition of public.city default",
        )
        .await;
    let setup = Setup::launch(database, settings([]));
    let old = setup.leads().await;
    setup.database.execute("alter table public.\"City of 🇧🇬\" disable trigger all").await;
    let new = setup.leads_after(&old).await;
    setup.worker.wait_log(LIMIT, "capture triggers on public.\"City of 🇧🇬\"").await;
    assert_eq!(setup.database.number(DISABLED).await, 0);

    // On the parent it is one statement for all.
    setup.database.execute("alter table public.city disable trigger all").await;
    setup.leads_after(&new).await;
    assert_eq!(setup.database.number(DISABLED).await, 0);
}
