//! The one place where an outcome becomes an exit code, and the tables of the documents.

use super::outcome::{Outcome, Signal, Verdict};

/// The Job succeeded, and nothing else.
pub const SUCCESS: u8 = 0;
/// The Job succeeded, log lines are missing, and `--fail-on-log-gap` was given.
pub const LOG_GAP: u8 = 120;
/// The outcome is not known.
pub const UNKNOWN: u8 = 121;
/// Nothing ran; trying again may help.
pub const START_FAILED: u8 = 122;
/// The Job failed or vanished without a code to pass on.
pub const NO_CODE: u8 = 123;
/// Out of time.
pub const DEADLINE: u8 = 124;
/// It would fail the same way again.
pub const REFUSED: u8 = 125;
/// Stopped by SIGINT: 128 + 2.
pub const SIGINT: u8 = 130;
/// Stopped by SIGTERM (or SIGHUP): 128 + 15.
pub const SIGTERM: u8 = 143;

/// A row of the documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The code, or codes.
    pub code: &'static str,
    /// What it means, in the README.
    pub short: &'static str,
    /// What it means, in `docs/exit-codes.md`.
    pub meaning: &'static str,
    /// What a script does on it.
    pub then: &'static str,
}

/// All of them. `tests/docs.rs` holds README and `docs/exit-codes.md` to it.
#[rustfmt::skip]
pub const TABLE: [Row; 9] = [
    Row {
        code: "0",
        short: "the Job succeeded, and nothing else is ever 0 (`--main-decides`: its main container did; `--detach`: it is made)",
        meaning: "the Job succeeded: its condition Complete (or SuccessCriteriaMet) is True; or, with `--main-decides`, its main container ended with 0; with `--detach`, once the Job is made. Nothing else is ever 0",
        then: "go on",
    },
    Row {
        code: "1–255",
        short: "the Job failed: the exit code of the container that made it fail",
        meaning: "the Job failed: the exit code of the container that made it fail",
        then: "what it would do had it run the program itself. Whether a code from 120 on is the container's, `container_exit_code` of the result file tells",
    },
    Row {
        code: "120",
        short: "the Job succeeded, but lines of its log are missing (`--fail-on-log-gap`)",
        meaning: "the Job succeeded, but log lines are known to be missing, and `--fail-on-log-gap` was given",
        then: "the work is done; run again only if the log itself is the product",
    },
    Row {
        code: "121",
        short: "unknown: the cluster stayed out of reach; or SIGUSR1 detached",
        meaning: "the outcome is unknown: the cluster stayed out of reach past `--outage-budget` (the Job is left as it is), or the Job is gone and nothing tells how it ended; or SIGUSR1 detached",
        then: "run again with the same `--run-id`, which finds the Job; never with a new one: the Job may still run",
    },
    Row {
        code: "122",
        short: "nothing ran, and trying again may help: image, node, quota, policy",
        meaning: "nothing ran, and trying again may help: image cannot be pulled, no node, quota, pods refused by policy, a missing Secret or ServiceAccount, `--schedule-timeout` or `--startup-timeout` over; API server out of reach or overloaded before the Job was made",
        then: "run again, some minutes later; `reason` says whether somebody has to make something first",
    },
    Row {
        code: "123",
        short: "failed without a code to pass on: deleted, evicted, preempted, node lost",
        meaning: "the Job failed or vanished and there is no code to pass on: Job, pod or namespace deleted by somebody, evicted, preempted, node lost",
        then: "run again if the work bears being begun twice; if `outcome` is `deleted`, ask who did it",
    },
    Row {
        code: "124",
        short: "out of time",
        meaning: "out of time: `--timeout`, or the deadline of the Job or its pod",
        then: "give it more time, or find out what it waited for",
    },
    Row {
        code: "125",
        short: "it would fail the same way again: arguments, manifest, permission",
        meaning: "it would fail the same way again: bad arguments, bad manifest, no such context, permission refused",
        then: "stop; somebody has to change something",
    },
    Row {
        code: "130, 143",
        short: "stopped by SIGINT, SIGTERM or SIGHUP; the Job was deleted",
        meaning: "stopped by SIGINT, or by SIGTERM or SIGHUP; the Job was deleted, or left where `--on-interrupt detach` or `kjo attach` leaves it",
        then: "stop too. If kjo was not signalled, it is the container's own code: something signalled that",
    },
];

/// The exit code of a verdict. Zero only if the Job succeeded.
#[must_use]
pub fn code(verdict: &Verdict) -> u8 {
    match verdict.outcome {
        Outcome::Succeeded if verdict.log_gap => LOG_GAP,
        Outcome::Succeeded => SUCCESS,
        Outcome::Failed => verdict.container_exit_code.map_or(NO_CODE, passed_on),
        Outcome::Deadline => DEADLINE,
        Outcome::StartFailed => START_FAILED,
        Outcome::Infrastructure | Outcome::Deleted => NO_CODE,
        Outcome::Unknown => UNKNOWN,
        Outcome::Detached(None) => SUCCESS,
        Outcome::Detached(Some(Signal::User | Signal::Orphaned)) => UNKNOWN,
        Outcome::Interrupted(Signal::Interrupt) | Outcome::Detached(Some(Signal::Interrupt)) => SIGINT,
        Outcome::Interrupted(_) | Outcome::Detached(Some(Signal::Terminate | Signal::Hangup)) => SIGTERM,
        Outcome::Refused => REFUSED,
    }
}

/// A container's code as a process may exit with it. Codes above 255 or below 0 exist on Windows
/// nodes; their low byte is kept unless it would read as success.
fn passed_on(container: i32) -> u8 {
    if container == 0 {
        return NO_CODE;
    }
    let low = container.rem_euclid(256);
    u8::try_from(low).ok().filter(|code| *code != 0).unwrap_or(1)
}

/// The README's table as Markdown, between its marks.
#[must_use]
pub fn markdown_table() -> String {
    let rows: String = TABLE
        .iter()
        .map(|row| format!("| {} | {} |\n", row.code, row.short))
        .collect();
    format!("| code | meaning |\n|---|---|\n{rows}")
}

/// The table of `docs/exit-codes.md`.
#[must_use]
pub fn markdown_reactions() -> String {
    let rows: String = TABLE
        .iter()
        .map(|row| format!("| {} | {} | {} |\n", row.code, row.meaning, row.then))
        .collect();
    format!("| code | meaning | what a script does |\n|---|---|---|\n{rows}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OUTCOMES: [Outcome; 15] = [
        Outcome::Succeeded,
        Outcome::Failed,
        Outcome::Deadline,
        Outcome::StartFailed,
        Outcome::Infrastructure,
        Outcome::Deleted,
        Outcome::Unknown,
        Outcome::Interrupted(Signal::Interrupt),
        Outcome::Interrupted(Signal::Terminate),
        Outcome::Interrupted(Signal::Hangup),
        Outcome::Interrupted(Signal::Orphaned),
        Outcome::Detached(Some(Signal::Interrupt)),
        Outcome::Detached(Some(Signal::User)),
        Outcome::Detached(None),
        Outcome::Refused,
    ];

    proptest! {
        #[test]
        fn zero_if_and_only_if_succeeded(outcome in 0_usize..OUTCOMES.len(), container: Option<i32>) {
            let verdict = Verdict::new(OUTCOMES[outcome], "", "").with_code(container);
            let made = matches!(verdict.outcome, Outcome::Succeeded | Outcome::Detached(None));
            prop_assert_eq!(code(&verdict) == 0, made);
        }

        #[test]
        fn ordinary_codes_are_passed_on_unchanged(container in 1_i32..=255) {
            let verdict = Verdict::new(Outcome::Failed, "", "").with_code(Some(container));
            prop_assert_eq!(i32::from(code(&verdict)), container);
        }
    }

    #[test]
    fn a_success_with_known_gaps_may_have_a_code_of_its_own() {
        let mut verdict = Verdict::new(Outcome::Succeeded, "", "");
        verdict.log_gap = true;
        assert_eq!(code(&verdict), LOG_GAP);
    }

    #[test]
    fn codes_that_no_process_can_have_stay_failures() {
        for (container, expected) in [
            (256, 1),
            (512, 1),
            (-1, 255),
            (3_221_225_786_u32.cast_signed(), 58),
            (0, NO_CODE),
        ] {
            let verdict = Verdict::new(Outcome::Failed, "", "").with_code(Some(container));
            assert_eq!(code(&verdict), expected, "{container}");
        }
    }
}
