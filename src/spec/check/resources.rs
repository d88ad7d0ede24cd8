//! What a container asks for and may use.

use serde_json::{Map, Value};

use super::Faults;
use crate::spec::names;

/// So many bytes nobody means: whoever writes `512m` thinks of mebibytes.
const FEW_BYTES: i128 = 1024 * names::NANO;

pub(super) fn check(container: &Value, path: &str, faults: &mut Faults) {
    let none = Map::new();
    let of = |kind: &str| {
        container
            .pointer(&format!("/resources/{kind}"))
            .and_then(Value::as_object)
            .unwrap_or(&none)
    };
    let (requests, limits) = (of("requests"), of("limits"));
    for (kind, amounts) in [("requests", requests), ("limits", limits)] {
        for (name, amount) in amounts {
            quantity(amount, name, &format!("{path}.resources.{kind}.{name}"), faults);
        }
    }
    let path = format!("{path}.resources");
    for (name, request) in requests {
        let extended = name.contains('/') && !name.contains("kubernetes.io/");
        let Some(limit) = limits.get(name) else {
            if extended {
                faults.add(
                    format!("{path}.limits"),
                    format!("Required value: Limit must be set for non overcommitable resources ({name})"),
                    "write the same amount under limits",
                );
            }
            continue;
        };
        let (Some(asked), Some(most)) = (names::amount(&shown(request)), names::amount(&shown(limit))) else {
            continue;
        };
        let (asked_text, most_text) = (shown(request), shown(limit));
        if extended && asked != most {
            faults.add(
                format!("{path}.requests"),
                format!("Invalid value: {asked_text:?}: must be equal to {name} limit of {most_text}"),
                "write the same amount under requests and limits",
            );
        } else if asked > most {
            faults.add(
                format!("{path}.requests"),
                format!("Invalid value: {asked_text:?}: must be less than or equal to {name} limit of {most_text}"),
                "raise the limit, or ask for less",
            );
        }
    }
}

/// An amount of this resource.
pub(super) fn quantity(amount: &Value, resource: &str, path: &str, faults: &mut Faults) {
    let Some(amount) = amount.as_str() else { return };
    if !names::is_quantity(amount) {
        faults.add(
            path,
            format!(
                "Invalid value: {amount:?}: quantities must match the regular expression \
                 '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            ),
            hint(amount),
        );
    } else if amount.starts_with('-') {
        faults.add(
            path,
            format!("Invalid value: {amount:?}: must be greater than or equal to 0"),
            "leave the resource out if nothing is wanted of it",
        );
    } else if let Some(number) = amount.strip_suffix('m').filter(|_| is_of_bytes(resource))
        && names::amount(amount).is_some_and(|bytes| bytes < FEW_BYTES)
    {
        faults.add(
            path,
            format!("Invalid value: {amount:?}: the suffix m stands for thousandths, here of a byte"),
            format!("write {number}Mi for mebibytes, {number}M for megabytes"),
        );
    }
}

fn is_of_bytes(resource: &str) -> bool {
    ["memory", "ephemeral-storage", "storage", "sizeLimit"].contains(&resource) || resource.starts_with("hugepages-")
}

/// A number may be written without quotes.
fn shown(amount: &Value) -> String {
    amount.as_str().map_or_else(|| amount.to_string(), str::to_owned)
}

fn hint(amount: &str) -> &'static str {
    if amount.ends_with(['b', 'B']) {
        "bytes are written 512Mi or 2G, without a B"
    } else if amount.contains(' ') {
        "write the number and its suffix without a space"
    } else {
        "write it like 500m, 2, 256Mi or 1Gi"
    }
}
