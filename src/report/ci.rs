//! Manners on a CI runner: what is said before the first log byte is folded away, and a failed run ends
//! with one annotation. Everything that runners take for commands is made here.

/// A CI system whose log can be folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    /// GitHub Actions, and what is compatible with it.
    GitHub,
    /// GitLab CI.
    GitLab,
}

/// What a folded part is called.
const TITLE: &str = "kjo: starting";

/// Steps of a run that nobody has to see when all goes well. Any other event ends the fold, or comes before it:
/// that nothing is isolated, why nothing runs, and how a run ended, is not for a fold.
const STARTING: &[&str] = &[
    "target",
    "adjusted",
    "server_warning",
    "created",
    "companion",
    "job_first",
    "attached",
    "adopted",
    "replacing",
    "pod_scheduled",
    "container_started",
    "request",
    "login",
    "watch_ended",
    "log_reopened",
    "library",
];

/// Whether an event belongs into the fold.
pub(super) fn starting(event: &str) -> bool {
    STARTING.contains(&event)
}

/// The part of stderr before the first log byte.
#[derive(Debug)]
pub(super) struct Fold {
    runner: Option<Runner>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Before,
    Open,
    Over,
}

impl Fold {
    /// A fold for this runner; for none there is nothing to fold.
    pub(super) fn new(runner: Option<Runner>) -> Self {
        let stage = if runner.is_some() { Stage::Before } else { Stage::Over };
        Self { runner, stage }
    }

    /// What goes out before a line, which is about the start or not. `now` in seconds since 1970.
    pub(super) fn before_line(&mut self, starting: bool, now: i64) -> Option<String> {
        match (self.stage, starting) {
            (Stage::Before, true) => {
                self.stage = Stage::Open;
                self.runner.map(|runner| open(runner, now))
            }
            (Stage::Open, false) => self.end(now),
            (Stage::Before, false) | (Stage::Open, true) | (Stage::Over, _) => None,
        }
    }

    /// What goes out before a log byte, or before the process ends. There is no second fold.
    pub(super) fn end(&mut self, now: i64) -> Option<String> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Open => self.runner.map(|runner| close(runner, now)),
            Stage::Before | Stage::Over => None,
        }
    }
}

fn open(runner: Runner, now: i64) -> String {
    match runner {
        Runner::GitHub => format!("::group::{TITLE}\n"),
        Runner::GitLab => format!("\x1b[0Ksection_start:{now}:kjo_starting[collapsed=true]\r\x1b[0K{TITLE}\n"),
    }
}

fn close(runner: Runner, now: i64) -> String {
    match runner {
        Runner::GitHub => "::endgroup::\n".to_owned(),
        Runner::GitLab => format!("\x1b[0Ksection_end:{now}:kjo_starting\r\x1b[0K\n"),
    }
}

/// The annotation of a run that failed, where the runner knows such.
pub(super) fn annotation(runner: Runner, code: u8, words: &str) -> Option<String> {
    match runner {
        Runner::GitHub => {
            let visible = |c: char| match c {
                '\r' | '\n' => c,
                c if c.is_control() => '\u{fffd}',
                c => c,
            };
            let words = words.strip_prefix("error: ").unwrap_or(words);
            let words: String = tamed(words).chars().map(visible).collect();
            Some(format!("::error title=kjo%3A exit code {code}::{}\n", escaped(&words)))
        }
        // Its log ends with kjo's last line, and it shows no other words.
        Runner::GitLab => None,
    }
}

/// A message as GitHub's runner reads it back.
fn escaped(words: &str) -> String {
    words.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What others have said, so that no runner takes it for a command: GitHub and Azure look for `##[` and
/// `##vso[` anywhere in a line, TeamCity for `##teamcity[`. (`::` counts at the start of a line, where kjo's
/// name stands, and GitLab's sections need control characters, which never come through.)
pub(super) fn tamed(words: &str) -> String {
    let mut shown = String::with_capacity(words.len());
    for c in words.chars() {
        if c == '#' && shown.ends_with('#') {
            shown.push(' ');
        }
        shown.push(c);
    }
    shown
}

/// The same for JSON, whose readers get what was said.
pub(super) fn tamed_json(json: &str) -> String {
    json.replace("##", "#\\u0023")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::EVENTS;

    #[test]
    fn a_fold_opens_once_and_closes_once() {
        let mut fold = Fold::new(Some(Runner::GitHub));
        assert_eq!(fold.before_line(true, 1).as_deref(), Some("::group::kjo: starting\n"));
        assert_eq!(fold.before_line(true, 1), None);
        assert_eq!(fold.end(1).as_deref(), Some("::endgroup::\n"));
        for starting in [true, false] {
            assert_eq!(fold.before_line(starting, 1), None);
        }
        assert_eq!(fold.end(1), None);
    }

    #[test]
    fn what_is_not_about_the_start_closes_it_or_stays_outside() {
        let mut fold = Fold::new(Some(Runner::GitLab));
        fold.before_line(true, 1).unwrap();
        let closed = fold.before_line(false, 2).unwrap();
        assert_eq!(closed, "\u{1b}[0Ksection_end:2:kjo_starting\r\u{1b}[0K\n");
        let mut early = Fold::new(Some(Runner::GitLab));
        assert_eq!(early.before_line(false, 1), None);
        assert!(early.before_line(true, 1).is_some());
        let mut late = Fold::new(Some(Runner::GitLab));
        assert_eq!((late.end(1), late.before_line(true, 1)), (None, None));
        let mut nobody = Fold::new(None);
        assert_eq!((nobody.before_line(true, 1), nobody.end(1)), (None, None));
    }

    #[test]
    fn the_section_of_gitlab_is_collapsed() {
        let mut fold = Fold::new(Some(Runner::GitLab));
        assert_eq!(
            fold.before_line(true, 7).unwrap(),
            "\u{1b}[0Ksection_start:7:kjo_starting[collapsed=true]\r\u{1b}[0Kkjo: starting\n"
        );
    }

    #[test]
    fn the_steps_of_the_start_are_events() {
        for step in STARTING {
            assert!(EVENTS.iter().any(|(event, ..)| event == step), "{step}");
        }
        for end in [
            "stalled",
            "stopping",
            "finished",
            "refused",
            "failure_report",
            "log_ledger",
        ] {
            assert!(!starting(end), "{end}");
        }
    }

    #[test]
    fn an_annotation_is_one_line_whatever_it_says() {
        let said = "50% of job/a failed\r\n::set-output name=x::y\n##[add-mask]z\u{1b}[31m\nhint: do";
        assert_eq!(
            annotation(Runner::GitHub, 7, said).unwrap(),
            "::error title=kjo%3A exit code 7::50%25 of job/a failed%0D%0A::set-output name=x::y%0A# #[add-mask]z\u{fffd}[31m%0Ahint: do\n"
        );
        assert_eq!(annotation(Runner::GitLab, 7, said), None);
    }

    #[test]
    fn commands_in_the_midst_of_a_line_are_taken_apart() {
        assert_eq!(tamed("x ##[error]y ###[z"), "x # #[error]y # # #[z");
        let json = tamed_json(r###"{"a":"##[error] ###[z ####"}"###);
        assert!(!json.contains("##"), "{json}");
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["a"], "##[error] ###[z ####");
    }
}
