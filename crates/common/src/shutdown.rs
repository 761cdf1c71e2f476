//! Stopping: SIGTERM and SIGINT ask a program to finish what it has begun; a second one ends it at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Asked by each part of a program whether to stop; cancelled once, by the first signal.
pub type Shutdown = CancellationToken;

/// 128 and the number of SIGTERM, as a shell reports a program that was ended by it.
const EXIT_AT_ONCE: i32 = 143;

/// Cancels the returned token at the first SIGTERM or SIGINT, and ends the process at the second.
///
/// # Errors
/// If the operating system refuses to have signals watched.
pub fn on_signal() -> std::io::Result<Shutdown> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = Shutdown::new();
    let token = shutdown.clone();
    tokio::spawn(async move {
        for first in [true, false] {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if first {
                log::info!("{name}: finishing what has begun");
                token.cancel();
            } else {
                log::warn!("{name} again: ending at once");
                std::process::exit(EXIT_AT_ONCE);
            }
        }
    });
    Ok(shutdown)
}
