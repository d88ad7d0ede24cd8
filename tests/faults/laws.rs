//! What holds whatever goes wrong, and what holds once it has passed.

use crate::run::{Came, Scenario, by_pod};

/// Whatever goes wrong: never a false success, never a line twice or out of nothing, never a second
/// Job, and nothing missing or left behind that was not told.
pub(crate) fn always(scenario: &Scenario, came: &Came) -> Result<(), String> {
    let law = |holds: bool, name: &str| {
        if holds {
            return Ok(());
        }
        let stdout = String::from_utf8_lossy(&came.stdout);
        Err(format!(
            "{name}\n{scenario:?}\ncode {}, Jobs made {}, succeeded {}, left {:?}\nstdout {stdout:?}\nwritten {:?}\nstderr:\n{}",
            came.code, came.jobs_made, came.job_succeeded, came.left, came.written, came.stderr
        ))
    };
    law(!came.hung, "it hangs")?;
    law(came.code != 0 || came.job_succeeded, "0 without a Job that succeeded")?;
    law(came.jobs_made <= 1, "more than one Job was made")?;
    let left_is_told = ["could not be deleted", "left job/"]
        .iter()
        .any(|words| came.stderr.contains(words));
    law(came.left.is_empty() || left_is_told, "something is left behind untold")?;

    let text = String::from_utf8(came.stdout.clone()).map_err(|e| e.to_string())?;
    let shown: Vec<(String, String)> = if scenario.parallelism > 1 {
        by_pod(&text)?.into_iter().collect()
    } else {
        vec![(String::new(), text)]
    };
    let mut missing = false;
    for (pod, shown) in &shown {
        let of_pod = came.written.iter().filter(|(name, _)| pod.is_empty() || name == pod);
        let mut written: String = of_pod.map(|(_, text)| text.as_str()).collect();
        if scenario.parallelism > 1 && !written.is_empty() && !written.ends_with('\n') {
            written.push('\n');
        }
        law(
            part_of(shown, &written),
            "lines that were not written, or twice, or in another order",
        )?;
        missing |= shown.len() < written.len();
    }
    missing |=
        scenario.parallelism > 1 && shown.len() < came.written.iter().filter(|(_, text)| !text.is_empty()).count();
    let told = [
        "log gap",
        "may be missing",
        "may not be read",
        "unseen",
        "giving up on the rest",
        "still runs",
        "may still run",
        "unknown",
    ];
    law(
        !missing || told.iter().any(|words| came.stderr.contains(words)),
        "missing lines are not told",
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

/// All lines of `part` are lines of `whole`, in the same order.
fn part_of(part: &str, whole: &str) -> bool {
    let mut whole = whole.split_inclusive('\n');
    part.split_inclusive('\n')
        .all(|line| whole.any(|written| written == line))
}
