//! Variables that Kubernetes and Docker's links set for a server next door: `REDIS_PORT=tcp://10.0.0.1:6379`.

use std::collections::BTreeSet;

use super::table::ALL;

/// The Service of Kubernetes that a variable is about, as it stands in the variable's name.
///
/// For each Service of its namespace a pod is given variables as Docker's links had them ("Environment variables" in
/// Kubernetes' manual, Service): `REDIS_SERVICE_HOST`, `REDIS_SERVICE_PORT`, `REDIS_SERVICE_PORT_<name>`,
/// `REDIS_PORT=tcp://10.0.0.1:6379`, `REDIS_PORT_6379_TCP=tcp://…` and `…_PROTO`, `…_PORT`, `…_ADDR`.
pub(super) fn service<'a>(name: &'a str, value: &str) -> Option<&'a str> {
    if let Some(service) = name.strip_suffix("_SERVICE_HOST").or_else(|| name.strip_suffix("_SERVICE_PORT")) {
        return Some(service);
    }
    if let Some((service, _)) = name.split_once("_SERVICE_PORT_") {
        return Some(service);
    }
    if let Some(service) = name.strip_suffix("_PORT")
        && ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme))
    {
        return Some(service);
    }
    let of_port = ["_PROTO", "_PORT", "_ADDR"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let (service, port) =
        ["_TCP", "_UDP", "_SCTP"].iter().find_map(|protocol| of_port.strip_suffix(protocol))?.rsplit_once("_PORT_")?;
    port.parse::<u16>().is_ok().then_some(service)
}

/// What happened, and what to do about it; `displaced` are the settings of ours that Kubernetes' variables stood for.
pub(super) fn line(services: &BTreeSet<&str>, displaced: &[&str]) -> String {
    let names: Vec<_> = services.iter().map(|service| service.to_lowercase().replace('_', "-")).collect();
    let defaults: Vec<_> = displaced.iter().map(|name| format!("{name} is {}", default(name))).collect();
    let effect = if defaults.is_empty() { String::new() } else { format!(", and {} by default", defaults.join(", ")) };
    format!(
        "variables that Kubernetes sets for a Service ({}) are ignored{effect}; set `enableServiceLinks: false` in the \
         pod's spec",
        names.join(", ")
    )
}

fn default(name: &str) -> &'static str {
    ALL.iter().find(|setting| setting.name() == name).map_or("", |setting| setting.default())
}

#[cfg(test)]
mod tests {
    use super::super::unknown_variables::judge;

    #[test]
    fn service_links_are_one_line_that_names_the_remedy_and_the_defaults() {
        let variables = [
            ("REDIS_SERVICE_HOST", "10.0.0.1"),
            ("REDIS_SERVICE_PORT", "6379"),
            ("REDIS_SERVICE_PORT_TLS", "6380"),
            ("REDIS_PORT", "tcp://10.0.0.1:6379"),
            ("REDIS_PORT_6379_TCP", "tcp://10.0.0.1:6379"),
            ("REDIS_PORT_6379_TCP_PROTO", "tcp"),
            ("REDIS_PORT_6379_TCP_PORT", "6379"),
            ("REDIS_PORT_6379_TCP_ADDR", "10.0.0.1"),
            ("KAFKA_TEST_PORT", "tcp://10.0.0.2:9092"),
            ("DB_PORT", "tcp://10.0.0.3:5432"),
            ("HTTP_PORT", "8001"),
        ];
        let found = judge(&variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert_eq!(found.displaced, ["DB_PORT", "REDIS_PORT"]);
        assert_eq!(found.refused, [""; 0]);
        let line = "variables that Kubernetes sets for a Service (db, kafka-test, redis) are ignored, and DB_PORT is 5432, \
                    REDIS_PORT is 6379 by default; set `enableServiceLinks: false` in the pod's spec";
        assert_eq!(found.warnings, [line]);
    }

    #[test]
    fn a_service_that_hides_none_of_our_settings_is_told_as_well() {
        let variables = [("KAFKA_SERVICE_HOST", "10.0.0.2"), ("KAFKA_PORT", "tcp://10.0.0.2:9092")];
        let found = judge(&variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert_eq!((found.displaced.len(), found.warnings.len()), (0, 1));
        assert!(found.warnings[0].contains("(kafka) are ignored; set"), "{found:?}");
    }
}
