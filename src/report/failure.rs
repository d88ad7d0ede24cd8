//! What happened: the end of a run that failed, beyond what its last line says.

use crate::core::{
    duration,
    event::EventView,
    record::{FailedAttempt, FailureReport},
};

/// Of more failures than this the first and the last are told.
const TOLD: usize = 6;

/// A heading and a line for each fact.
pub(super) fn of(report: &FailureReport) -> String {
    let mut lines = vec!["what happened:".to_owned()];
    let failed = &report.failed;
    let skipped = failed.len().saturating_sub(TOLD);
    for (n, attempt) in failed.iter().enumerate() {
        if skipped > 0 && n == TOLD / 2 {
            lines.push(format!("  … {skipped} more"));
        }
        if n < TOLD / 2 || n >= TOLD / 2 + skipped {
            lines.push(format!("  {}", self::failed(attempt)));
        }
    }
    lines.extend(
        report
            .limit
            .iter()
            .map(|limit| format!("  the limit that ended it: {limit}")),
    );
    lines.extend(report.warnings.iter().map(|event| format!("  {}", warning(event))));
    lines.join("\n")
}

fn failed(attempt: &FailedAttempt) -> String {
    let FailedAttempt {
        pod,
        node,
        container,
        attempt: nth,
        exit_code,
        signal,
        reason,
        seconds,
    } = attempt;
    let node = if node.is_empty() {
        String::new()
    } else {
        format!(" on {node}")
    };
    let nth = if *nth > 1 {
        format!(", start {nth}")
    } else {
        String::new()
    };
    let signal = signal.map_or_else(String::new, |signal| format!(", signal {signal}"));
    let reason = match reason.as_str() {
        "" | "Error" => String::new(),
        reason => format!(" ({reason})"),
    };
    let after = seconds
        .and_then(|s| u64::try_from(s).ok())
        .map_or_else(String::new, |s| {
            match s {
                // The node's clock tells whole seconds.
                0 => " within a second".to_owned(),
                s => format!(" after {}", duration::show(std::time::Duration::from_secs(s))),
            }
        });
    format!("pod/{pod}{node} container {container}{nth}: exited with {exit_code}{reason}{signal}{after}")
}

fn warning(event: &EventView) -> String {
    let times = match event.count {
        0 | 1 => String::new(),
        n => format!(" ({n} times)"),
    };
    format!(
        "{}/{} {}{times}: {}",
        event.kind, event.name, event.reason, event.message
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(n: i32) -> FailedAttempt {
        FailedAttempt {
            pod: format!("etl-{n}"),
            node: "node1".into(),
            container: "main".into(),
            attempt: 1,
            exit_code: n,
            signal: None,
            reason: "Error".into(),
            seconds: Some(61),
        }
    }

    #[test]
    fn facts_in_the_order_of_their_coming() {
        let killed = FailedAttempt {
            node: String::new(),
            attempt: 2,
            exit_code: 137,
            signal: Some(9),
            reason: "OOMKilled".into(),
            seconds: None,
            ..attempt(0)
        };
        let warning = EventView {
            kind: "pod".into(),
            name: "etl-1".into(),
            reason: "BackOff".into(),
            message: "Back-off restarting failed container".into(),
            count: 7,
            ..EventView::default()
        };
        let report = FailureReport {
            failed: vec![attempt(1), killed],
            limit: Some("backoffLimit: 1".into()),
            warnings: vec![warning],
        };
        let many = FailureReport {
            failed: (1..=9).map(attempt).collect(),
            ..FailureReport::default()
        };
        insta::assert_snapshot!(format!("{}\n{}", of(&report), of(&many)));
    }
}
