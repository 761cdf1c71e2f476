//! Variables with one of our prefixes that are not settings: a setting that silently does nothing is worse than none.

use std::collections::{BTreeMap, BTreeSet};

use super::service_links;
use super::table::ALL;

/// The prefixes of our variables. Other names are not judged: the environment is full of them.
const PREFIXES: [&str; 6] = ["DB_", "REDIS_", "KAFKA_", "MINIO_", "HTTP_", "LOG_"];

/// A variable with one of these in its name asks for protection, or says where data go and as which user.
const SENSITIVE: [&str; 7] = ["SSL", "TLS", "SASL", "SECURITY_PROTOCOL", "URL", "USERNAME", "PASSWORD"];

/// What other programs read: HTTP clients; `docker-compose.yml` and `local/` (ports on the host); a MinIO server.
const OF_OTHERS: [&str; 5] = ["HTTP_PROXY", "KAFKA_PORT", "MINIO_PORT", "MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"];

/// What to say about them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// Each is reason enough not to start.
    pub(super) refused: Vec<String>,
    pub(super) warnings: Vec<String>,
    /// Settings of ours in whose place Kubernetes has put something else.
    pub(super) displaced: Vec<&'static str>,
}

/// Judges all variables that are set, by name.
pub(super) fn judge(variables: &BTreeMap<String, String>) -> Findings {
    let mut found = Findings::default();
    let mut services = BTreeSet::new();
    for (name, value) in variables.iter().filter(|(name, _)| PREFIXES.iter().any(|prefix| name.starts_with(prefix))) {
        let ours = ALL.iter().map(|setting| setting.name()).find(|ours| ours == name);
        if let Some(service) = service_links::service(name, value) {
            services.insert(service);
            found.displaced.extend(ours);
        } else if ours.is_some() || is_of_others(name) {
            // Its value is checked where it is read.
        } else if SENSITIVE.iter().any(|word| name.contains(word)) {
            found.refused.push(format!(
                "{name} is not supported, and ignoring it could be unsafe: unset it (the nearest setting is {})",
                nearest(name)
            ));
        } else {
            found.warnings.push(format!("{name} is not a setting and does nothing; the nearest is {}", nearest(name)));
        }
    }
    if !services.is_empty() {
        found.warnings.push(service_links::line(&services, &found.displaced));
    }
    found
}

/// Also what a broker's own scripts read, such as `KAFKA_HEAP_OPTS`.
fn is_of_others(name: &str) -> bool {
    OF_OTHERS.contains(&name) || (name.starts_with("KAFKA_") && name.ends_with("_OPTS"))
}

/// The setting whose name is most alike, where the beginning counts most: `DB_POOL` means `DB_POOL_SIZE`, though
/// `DB_PORT` needs fewer edits.
fn nearest(name: &str) -> &'static str {
    let alike = |setting: &str| strsim::jaro_winkler(name, setting);
    let names = ALL.iter().map(|setting| setting.name());
    names.max_by(|one, other| alike(one).total_cmp(&alike(other))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(variables: &[(&str, &str)]) -> Findings {
        judge(&variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn an_unknown_name_is_a_warning_with_the_nearest_known_one() {
        for (name, nearest) in [
            ("REDIS_HOTS", "REDIS_HOST"),
            ("DB_HOSTNAME", "DB_HOST"),
            ("KAFKA_SERVERS", "KAFKA_BOOTSTRAP_SERVERS"),
            ("KAFKA_BOOTSTRAP_SERVER", "KAFKA_BOOTSTRAP_SERVERS"),
            ("LOG_LEVL", "LOG_LEVEL"),
            ("DB_POOL", "DB_POOL_SIZE"),
            ("HTTP_LISTEN_PORT", "HTTP_PORT"),
        ] {
            let found = judged(&[(name, "x")]);
            assert_eq!(found.refused, [""; 0]);
            assert_eq!(found.warnings, [format!("{name} is not a setting and does nothing; the nearest is {nearest}")]);
        }
    }

    #[test]
    fn a_name_that_asks_for_protection_or_gives_a_user_is_refused_without_its_value() {
        for (name, nearest) in [
            ("DB_SSLMODE", "DB_PASSWORD"),
            ("REDIS_URL", "REDIS_PORT"),
            ("REDIS_PASSWORD", "REDIS_PORT"),
            ("REDIS_TLS", "REDIS_HOST"),
            ("KAFKA_SASL_USERNAME", "KAFKA_BOOTSTRAP_SERVERS"),
            ("KAFKA_SECURITY_PROTOCOL", "KAFKA_TOPIC"),
            ("DB_USERNAME", "DB_USER"),
            ("DB_PASSWORD_FILE", "DB_PASSWORD"),
        ] {
            let found = judged(&[(name, "swordfish")]);
            assert_eq!((found.refused.len(), found.warnings.len()), (1, 0), "{name}");
            assert!(found.refused[0].starts_with(name) && !found.refused[0].contains("swordfish"), "{found:?}");
            assert!(found.refused[0].ends_with(&format!("(the nearest setting is {nearest})")), "{found:?}");
        }
    }

    #[test]
    fn what_others_read_is_no_business_of_ours() {
        let found = judged(&[
            ("HTTP_PROXY", "http://proxy:3128"),
            ("HTTPS_PROXY", "http://proxy:3128"),
            ("http_proxy", "http://proxy:3128"),
            ("KAFKA_HEAP_OPTS", "-Xmx512m"),
            ("KAFKA_PORT", "9092"),
            ("MINIO_ROOT_PASSWORD", "minioadmin"),
            ("POSTGRES_PASSWORD", "postgres"),
            ("PATH", "/bin"),
        ]);
        assert_eq!(found, Findings::default());
    }
}
