//! A runtime beside the tests' own: what must go on while a test blocks, and what `Drop` has to wait for.

use std::sync::LazyLock;

use tokio::runtime::{Builder, Handle, Runtime};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime can be started")
});

/// Where other tasks may be spawned as well.
pub(crate) fn handle() -> &'static Handle {
    RUNTIME.handle()
}

/// Runs `task` until it ends or the test executable does.
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
    RUNTIME.spawn(task)
}

/// Waits for `task` from anywhere, also from within another runtime (in `Drop`, for instance).
///
/// # Panics
/// If `task` does.
pub fn block_on<T: Send>(task: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| scope.spawn(|| RUNTIME.block_on(task)).join().expect("the task ends without a panic"))
}
