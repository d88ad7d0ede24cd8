//! Names in a pod that say where it runs, as whom, and under which name.

use std::net::IpAddr;

use serde_json::Value;

use super::{Faults, list, text};
use crate::spec::names;

/// Fields with names, what says whether they are in order, and what to do if not.
type Named = (&'static str, fn(&str) -> Vec<String>, &'static str);

const NAMED: [Named; 6] = [
    (
        "hostname",
        names::dns_label,
        "use lower case letters, digits and '-'; a domain is the subdomain",
    ),
    ("subdomain", names::dns_label, "use lower case letters, digits and '-'"),
    (
        "serviceAccountName",
        names::dns_subdomain,
        "'kubectl get serviceaccounts' shows them",
    ),
    (
        "priorityClassName",
        names::dns_subdomain,
        "'kubectl get priorityclasses' shows them",
    ),
    (
        "runtimeClassName",
        names::dns_subdomain,
        "'kubectl get runtimeclasses' shows them",
    ),
    ("nodeName", names::dns_subdomain, "'kubectl get nodes' shows them"),
];

pub(super) fn check(pod: &Value, path: &str, faults: &mut Faults) {
    for (field, wrong, hint) in NAMED {
        if let Some(name) = text(pod, field).filter(|name| !name.is_empty()) {
            faults.invalid(&format!("{path}.{field}"), name, wrong(name), hint);
        }
    }
    let selector = pod.get("nodeSelector").and_then(Value::as_object);
    for (key, value) in selector.into_iter().flatten() {
        let path = format!("{path}.nodeSelector");
        faults.invalid(
            &path,
            key,
            names::qualified(key),
            "'kubectl get nodes --show-labels' shows them",
        );
        let value = value.as_str().unwrap_or_default();
        let hint = "it is one value of a label; for one of several use affinity";
        faults.invalid(&path, value, names::label_value(value), hint);
    }
    for (n, alias) in list(pod, "hostAliases").iter().enumerate() {
        let path = format!("{path}.hostAliases[{n}]");
        let ip = text(alias, "ip").unwrap_or_default();
        if ip.parse::<IpAddr>().is_err() {
            faults.add(
                format!("{path}.ip"),
                format!("Invalid value: {ip:?}: must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
                "the address is the ip, and the names are the hostnames",
            );
        }
        for (n, name) in list(alias, "hostnames").iter().enumerate() {
            let name = name.as_str().unwrap_or_default();
            let hint = "use lower case letters, digits, '-' and '.'";
            faults.invalid(
                &format!("{path}.hostnames[{n}]"),
                name,
                names::dns_subdomain(name),
                hint,
            );
        }
    }
}
