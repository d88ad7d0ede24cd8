//! What holds whatever goes wrong, and what holds once it has passed.

use crate::run::{Came, Event, Scenario, by_log};

/// Whatever goes wrong: never a false success, never a line twice or out of nothing, never a second
/// Job, and nothing missing or left behind that was not told.
pub(crate) fn always(scenario: &Scenario, came: &Came) -> Result<(), String> {
    let law = |holds: bool, name: &str| {
        if holds {
            return Ok(());
        }
        Err(format!(
            "{name}\n{scenario:?}\ncode {}, Jobs made {}, succeeded {}, left {:?}, {} bytes of stdout\nstderr:\n{}",
            came.code,
            came.jobs_made,
            came.job_succeeded,
            came.left,
            came.stdout.len(),
            came.stderr
        ))
    };
    law(!came.hung, "it hangs")?;
    law(came.code != 0 || came.job_succeeded, "0 without a Job that succeeded")?;
    // A Job that somebody deletes before anybody has heard of it is made again.
    let deleted = came
        .disturbed
        .iter()
        .filter(|event| **event == Event::DeleteJob)
        .count();
    law(came.jobs_made <= 1 + deleted, "more than one Job was made")?;
    let left_is_told = ["could not be deleted", "left job/"]
        .iter()
        .any(|words| came.stderr.contains(words));
    law(came.left.is_empty() || left_is_told, "something is left behind untold")?;

    let text = String::from_utf8(came.stdout.clone()).map_err(|e| e.to_string())?;
    let shown: Vec<(String, String)> = if scenario.prefixed() {
        by_log(&text)?.into_iter().collect()
    } else {
        vec![(String::new(), text)]
    };
    let mut missing = false;
    for (log, shown) in &shown {
        let of_log = came.written.iter().filter(|(name, _)| log.is_empty() || name == log);
        let mut written: String = of_log.map(|(_, text)| text.as_str()).collect();
        if scenario.prefixed() && !written.is_empty() && !written.ends_with('\n') {
            written.push('\n');
        }
        // Of a log that was rotated before anything of it was read nothing tells what it began with.
        if came.disturbed.contains(&Event::Rotate) && written.ends_with(shown.as_str()) {
            continue;
        }
        let how = How {
            attempts: !scenario.prefixed() && came.written.len() > 1,
            gaps: came.stderr.contains("log gap"),
        };
        match stranger(shown, &written, how) {
            // Nor of one among several attempts that share stdout.
            Ok(lost) => missing |= lost && !(how.attempts && came.disturbed.contains(&Event::Rotate)),
            Err(line) => {
                let name = "a line that was not written, or twice, or in another order";
                return law(false, &format!("{name}: {log} {line}"));
            }
        }
    }
    // The same of a log that was rotated away whole.
    missing |= scenario.prefixed()
        && !came.disturbed.contains(&Event::Rotate)
        && shown.len() < came.written.iter().filter(|(_, text)| !text.is_empty()).count();
    let told = [
        "log gap",
        "may be missing",
        "may not be read",
        "unseen",
        "giving up on the rest",
        "still runs",
        "may still run",
        "unknown",
        "not be watched",
    ];
    let untold = format!(
        "missing lines are not told; shown {:?}, written {:?}",
        lines_of(&shown),
        lines_of(&came.written)
    );
    law(
        !missing || told.iter().any(|words| came.stderr.contains(words)),
        &untold,
    )
}

/// Once all faults have passed: the true outcome and every line.
pub(crate) fn whole(scenario: &Scenario, came: &Came) -> Result<(), String> {
    if came.code != scenario.exit_code() {
        return Err(format!(
            "exit code {} instead of {}\n{scenario:?}\n{}",
            came.code,
            scenario.exit_code(),
            came.stderr
        ));
    }
    if !scenario.hold {
        // The end of a log may have fallen into an outage: then `always` has seen that it was told.
        return Ok(());
    }
    let shown = came.stdout.len();
    let written: usize = came.written.iter().map(|(_, text)| text.len()).sum();
    // Prefixes only add to it.
    if shown < written {
        return Err(format!("{shown} bytes of {written}\n{scenario:?}\n{}", came.stderr));
    }
    Ok(())
}

/// Pods that are killed are made good for, a deleted Job is not, and everything else changes nothing.
pub(crate) fn disturbed(scenario: &Scenario, came: &Came) -> Result<(), String> {
    let deleted = came.disturbed.contains(&Event::DeleteJob);
    // Deleted just before it ended, it may still have succeeded.
    let right = if deleted {
        came.code == 123 || (came.code == 0 && came.job_succeeded)
    } else {
        came.code == 0
    };
    if right {
        return Ok(());
    }
    Err(format!(
        "exit code {} after {:?}\n{scenario:?}\n{}",
        came.code, came.disturbed, came.stderr
    ))
}

/// How lines are compared.
#[derive(Clone, Copy)]
struct How {
    /// They are of several attempts that share stdout.
    attempts: bool,
    /// A gap was told: a line that was begun before it ends there.
    gaps: bool,
}

/// All lines of `part` have to be lines of `whole`, in the same order; the first that is not, else
/// whether lines are missing. Attempts one after the other share stdout without prefixes, and pass each
/// other when a log is late, even within a line: there every byte counts once, in whatever order.
fn stranger(part: &str, whole: &str, how: How) -> Result<bool, String> {
    if how.attempts {
        let (mut shown, mut written) = ([0_usize; 256], [0_usize; 256]);
        part.bytes().for_each(|byte| shown[usize::from(byte)] += 1);
        whole.bytes().for_each(|byte| written[usize::from(byte)] += 1);
        return match (0..256).find(|byte| shown[*byte] > written[*byte]) {
            Some(byte) => Err(format!(
                "byte {byte} is shown {} times, written {}",
                shown[byte], written[byte]
            )),
            None => Ok(part.len() < whole.len()),
        };
    }
    let shown: Vec<&str> = part.split_inclusive('\n').collect();
    let mut rest = whole.split_inclusive('\n');
    for (n, line) in shown.iter().enumerate() {
        // The log may have gone away amid its last line.
        let broken = line.trim_end_matches('\n');
        let begun = rest.clone().any(|written| written.starts_with(broken));
        let cut = begun && n + 1 == shown.len();
        if begun && how.gaps && !rest.clone().any(|written| written == *line) {
            rest.any(|written| written.starts_with(broken));
            continue;
        }
        if !rest.any(|written| written == *line) {
            if cut {
                return Ok(true);
            }
            let around = shown
                .get(n.saturating_sub(3)..(n + 2).min(shown.len()))
                .unwrap_or_default();
            let known = whole.lines().count();
            return Err(format!(
                "line {n} of {} shown and {known} written, around {around:?}",
                shown.len()
            ));
        }
    }
    Ok(shown.len() < whole.split_inclusive('\n').count())
}

fn lines_of<'a>(logs: impl IntoIterator<Item = &'a (String, String)>) -> Vec<(&'a str, usize)> {
    logs.into_iter()
        .map(|(pod, text)| (pod.as_str(), text.lines().count()))
        .collect()
}
