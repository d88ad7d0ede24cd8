//! The one place where an outcome becomes an exit code, and the table of the README.

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

/// The table of the README: code, meaning. `tests/docs.rs` holds the README to it.
pub const TABLE: [(&str, &str); 9] = [
    (
        "0",
        "the Job succeeded: its condition Complete (or SuccessCriteriaMet) is True; or, with `--main-decides`, its main container ended with 0; with `--detach`, once the Job is made. Nothing else is ever 0",
    ),
    (
        "1–255",
        "the Job failed: the exit code of the container that made it fail",
    ),
    (
        "120",
        "the Job succeeded, but log lines are known to be missing, and `--fail-on-log-gap` was given",
    ),
    (
        "121",
        "the outcome is unknown: the cluster stayed out of reach past `--outage-budget` (the Job is left as it is), or the Job is gone and nothing tells how it ended; or SIGUSR1 detached",
    ),
    (
        "122",
        "nothing ran, and trying again may help: image cannot be pulled, no node, quota, pods refused by policy, a missing Secret or ServiceAccount, `--schedule-timeout` or `--startup-timeout` over; API server out of reach or overloaded before the Job was made",
    ),
    (
        "123",
        "the Job failed or vanished and there is no code to pass on: Job, pod or namespace deleted by somebody, evicted, preempted, node lost",
    ),
    ("124", "out of time: `--timeout`, or the deadline of the Job or its pod"),
    (
        "125",
        "it would fail the same way again: bad arguments, bad manifest, no such context, permission refused",
    ),
    (
        "130, 143",
        "stopped by SIGINT, or by SIGTERM or SIGHUP; the Job was deleted, or left where `--on-interrupt detach` or `kjo attach` leaves it",
    ),
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

/// The table as Markdown, between the markers of the README.
#[must_use]
pub fn markdown_table() -> String {
    let rows: String = TABLE
        .iter()
        .map(|(code, meaning)| format!("| {code} | {meaning} |\n"))
        .collect();
    format!("| code | meaning |\n|---|---|\n{rows}")
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
