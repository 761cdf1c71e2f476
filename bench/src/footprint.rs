//! What the system takes when nothing is asked of it: memory, processor time, room on the disk.

use std::process::Command;
use std::time::Duration;

use tokio::time::sleep;

use crate::row::Row;
use crate::scale::Scale;
use crate::stage::Stage;
use crate::table::Table;

/// The documented name.
const IMAGE: &str = "cities-cache-app";

/// What belonged to the load before is over by then.
const REST: Duration = Duration::from_secs(5);

pub(crate) async fn measure(stage: &mut Stage, scale: &Scale, table: &mut Table) {
    memory(stage, table);
    image(table);
    idle(stage, scale, table).await;
}

/// Pages that several processes share count in parts.
fn memory(stage: &mut Stage, table: &mut Table) {
    let each = stage.programs().map(|program| (program.name(), program.process().memory() as f64 / 1e6));
    let remark = each.map(|(name, megabytes)| format!("{name} {megabytes:.1}")).join(", ");
    table.add(Row::Memory, each.iter().map(|(_, megabytes)| megabytes).sum(), remark);
}

fn image(table: &mut Table) {
    let inspect = Command::new("docker").args(["image", "inspect", "--format", "{{.Size}}", IMAGE]).output();
    match inspect {
        Ok(output) if output.status.success() => {
            let bytes: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("a size is a number");
            table.add(Row::Image, bytes / 1e6, format!("`{IMAGE}`"));
        }
        Ok(output) => table.not_measured(Row::Image, String::from_utf8_lossy(&output.stderr).trim()),
        Err(error) => table.not_measured(Row::Image, &format!("docker: {error}")),
    }
}

async fn idle(stage: &mut Stage, scale: &Scale, table: &mut Table) {
    sleep(REST).await;
    let before = stage.programs().map(|program| program.process().processor_time());
    sleep(scale.idle).await;
    let programs = stage.programs();
    let shares = [0, 1, 2].map(|n| {
        let used = programs[n].process().processor_time() - before[n];
        used.as_secs_f64() / scale.idle.as_secs_f64() * 100.0
    });
    let names = programs.map(|program| program.name());
    let remark = [0, 1, 2].map(|n| format!("{} {:.2} %", names[n], shares[n])).join(", ");
    table.add(Row::Idle, shares.iter().sum(), format!("{remark}, in {} s", scale.idle.as_secs()));
}
