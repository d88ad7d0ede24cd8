//! The closing ledger: what was read of each log, and whether that is all of it.

use crate::core::{
    record::{AttemptRecord, LogRecord, PodRecord, Wholeness},
    size,
};

/// Of more logs than this only those are named that are not whole.
const NAMED: usize = 10;

/// A line for each log, or a sum where there are many.
pub(super) fn of(pods: &[PodRecord]) -> String {
    let logs: Vec<(String, &LogRecord)> = pods.iter().flat_map(named).collect();
    let mut lines = Vec::new();
    if logs.len() > NAMED {
        let sum = |part: fn(&LogRecord) -> u64| logs.iter().map(|(_, log)| part(log)).sum::<u64>();
        let whole = logs.iter().filter(|(_, log)| is_whole(log)).count();
        lines.push(format!(
            "{} logs: {}, {whole} of them complete{}",
            logs.len(),
            amount(sum(|log| log.lines), sum(|log| log.bytes)),
            reconnects(u32::try_from(sum(|log| log.reconnects.into())).unwrap_or(u32::MAX)),
        ));
    }
    let told = logs.iter().filter(|(_, log)| logs.len() <= NAMED || !is_whole(log));
    lines.extend(told.map(|(name, log)| {
        let state = match log.wholeness() {
            Wholeness::Complete => "complete".to_owned(),
            Wholeness::Gap if log.gaps == 1 => "with a gap: lines are missing".to_owned(),
            Wholeness::Gap => format!("with {} gaps: lines are missing", log.gaps),
            Wholeness::Unproven => "not proven to be complete".to_owned(),
        };
        format!(
            "log of {name}: {}, {state}{}",
            amount(log.lines, log.bytes),
            reconnects(log.reconnects)
        )
    }));
    lines.join("\n")
}

fn is_whole(log: &LogRecord) -> bool {
    match log.wholeness() {
        Wholeness::Complete => true,
        Wholeness::Gap | Wholeness::Unproven => false,
    }
}

fn named(pod: &PodRecord) -> impl Iterator<Item = (String, &LogRecord)> {
    pod.containers.iter().flat_map(move |container| {
        let logs: Vec<(usize, &LogRecord)> = container
            .attempts
            .iter()
            .map(|AttemptRecord { log, .. }| log.as_ref())
            .enumerate()
            .filter_map(|(n, log)| Some((n, log?)))
            .collect();
        let several = container.attempts.len() > 1;
        let name = format!("pod/{} container {}", pod.name, container.name);
        logs.into_iter().map(move |(n, log)| {
            let name = if several {
                format!("{name}, attempt {}", n + 1)
            } else {
                name.clone()
            };
            (name, log)
        })
    })
}

fn amount(lines: u64, bytes: u64) -> String {
    let lines = match lines {
        1 => "1 line".to_owned(),
        n => format!("{n} lines"),
    };
    format!("{lines}, {}", size::show(bytes))
}

fn reconnects(times: u32) -> String {
    match times {
        0 => String::new(),
        1 => ", 1 reconnect".to_owned(),
        n => format!(", {n} reconnects"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{pod::ContainerKind, record::ContainerRecord};

    fn pod(name: &str, logs: &[LogRecord]) -> PodRecord {
        let attempt = |log: &LogRecord| AttemptRecord {
            exit_code: Some(0),
            log: Some(*log),
            ..AttemptRecord::default()
        };
        PodRecord {
            name: name.into(),
            uid: String::new(),
            node: String::new(),
            index: None,
            containers: vec![ContainerRecord {
                attempts_unseen: 0,
                name: "main".into(),
                kind: ContainerKind::Main,
                attempts: logs.iter().map(attempt).collect(),
            }],
        }
    }

    #[test]
    fn few_logs_are_named_and_many_are_summed_up() {
        let whole = LogRecord {
            lines: 6000,
            bytes: 588_000,
            proven: true,
            ..LogRecord::default()
        };
        let gaps = LogRecord {
            gaps: 2,
            reconnects: 1,
            ..whole
        };
        let unproven = LogRecord {
            lines: 1,
            bytes: 5,
            proven: false,
            reconnects: 3,
            ..LogRecord::default()
        };
        insta::assert_snapshot!(of(&[pod("a", &[whole]), pod("b", &[gaps, unproven])]), @r"
        log of pod/a container main: 6000 lines, 588 kB, complete
        log of pod/b container main, attempt 1: 6000 lines, 588 kB, with 2 gaps: lines are missing, 1 reconnect
        log of pod/b container main, attempt 2: 1 line, 5 bytes, not proven to be complete, 3 reconnects
        ");
        let mut many: Vec<_> = (0..12).map(|n| pod(&format!("p{n}"), &[whole])).collect();
        many.push(pod("q", &[unproven]));
        insta::assert_snapshot!(of(&many), @r"
        13 logs: 72001 lines, 7.05 MB, 12 of them complete, 3 reconnects
        log of pod/q container main: 1 line, 5 bytes, not proven to be complete, 3 reconnects
        ");
    }
}
