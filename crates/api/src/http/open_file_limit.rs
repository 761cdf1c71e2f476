//! How many files may be open: each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files beside the clients' connections: the log, those to servers, what the runtime needs, and images.
const OTHERS: u64 = 256;

/// Lets so many connections be open as far as the system allows it: many begin with 1024 files for each process and
/// would give more to whoever asks.
pub(crate) fn allow(connections_max: usize) {
    let wanted = connections_max as u64 + OTHERS;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        let most = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
        // Where it is refused, the line below says what there is.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..limit });
    }
    if let Some(line) = too_few(getrlimit(Resource::Nofile).current, wanted) {
        log::warn!("{line}");
    }
}

fn too_few(allowed: Option<u64>, wanted: u64) -> Option<String> {
    let allowed = allowed.filter(|allowed| *allowed < wanted)?;
    Some(format!(
        "only {allowed} files may be open at once, {wanted} would do for HTTP_CONNECTIONS_MAX: raise the limit (ulimit -n)"
    ))
}

#[cfg(test)]
mod tests {
    use rustix::process::{Resource, getrlimit};

    use super::{OTHERS, allow, too_few};

    #[test]
    fn the_limit_is_raised_as_far_as_needed_and_never_lowered() {
        let before = getrlimit(Resource::Nofile);
        allow(16);
        assert_eq!(getrlimit(Resource::Nofile).maximum, before.maximum);
        assert!(getrlimit(Resource::Nofile).current.is_none_or(|now| now >= before.current.unwrap_or(now)));
    }

    #[test]
    fn a_limit_below_the_connections_is_named() {
        assert!(too_few(Some(1_024), 4_096 + OTHERS).unwrap().contains("only 1024 files"));
        assert_eq!(too_few(Some(5_000), 4_096 + OTHERS), None);
        assert_eq!(too_few(None, 4_096 + OTHERS), None);
    }
}
