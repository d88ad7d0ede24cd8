//! A Job's podFailurePolicy, successPolicy and podReplacementPolicy
//! (`pkg/apis/batch/validation/validation.go`).

use super::{
    job::is_indexed,
    names,
    node::Node,
    refused::{Errors, quoted},
};

const STATUSES: [&str; 3] = ["False", "True", "Unknown"];

pub(super) fn validate(spec: &Node<'_>, errors: &mut Errors) {
    let failure = spec.at("podFailurePolicy");
    errors.at_most(&failure.at("rules"), 20);
    for rule in failure.at("rules").items() {
        failure_rule(spec, &rule, errors);
    }
    let success = spec.at("successPolicy");
    let rules = success.at("rules");
    if success.is_set() && !is_indexed(spec) {
        errors.invalid(&success, "requires indexed completion mode");
    } else if success.is_set() {
        if !rules.is_set() {
            errors.required(
                &rules,
                "at least one rules must be specified when the successPolicy is specified",
            );
        }
        errors.at_most(&rules, 20);
        // Without completions the API server panics; that they are required was said already.
        let completions = spec.at("completions").number().unwrap_or(i64::MAX);
        for rule in rules.items() {
            success_rule(&rule, completions, errors);
        }
    }
    let supported: &[&str] = if failure.is_set() {
        &["Failed"]
    } else {
        &["Failed", "TerminatingOrFailed"]
    };
    errors.one_of(&spec.at("podReplacementPolicy"), supported);
}

fn failure_rule(spec: &Node<'_>, rule: &Node<'_>, errors: &mut Errors) {
    let action = rule.at("action");
    errors.must_be_one_of(&action, &["Count", "FailIndex", "FailJob", "Ignore"]);
    if action.text() == "FailIndex" && !spec.at("backoffLimitPerIndex").is_set() {
        errors.invalid(&action, "requires the backoffLimitPerIndex to be set");
    }
    let (codes, patterns) = (rule.at("onExitCodes"), rule.at("onPodConditions"));
    if codes.is_set() {
        exit_codes(spec, &codes, errors);
    }
    errors.at_most(&patterns, 20);
    for pattern in patterns.items() {
        errors.named(&pattern.at("type"), pattern.at("type").text(), names::qualified);
        errors.must_be_one_of(&pattern.at("status"), &STATUSES);
    }
    match (codes.is_set(), patterns.is_set()) {
        (true, true) => {
            errors.invalid_as_a_whole(rule, "specifying both OnExitCodes and OnPodConditions is not supported");
        }
        (false, false) => {
            errors.invalid_as_a_whole(rule, "specifying one of OnExitCodes and OnPodConditions is required");
        }
        (true, false) | (false, true) => {}
    }
}

fn exit_codes(spec: &Node<'_>, codes: &Node<'_>, errors: &mut Errors) {
    let operator = codes.at("operator");
    errors.must_be_one_of(&operator, &["In", "NotIn"]);
    let name = codes.at("containerName");
    let lists = ["containers", "initContainers"].map(|list| spec.at("template.spec").at(list).items());
    if name.is_set()
        && !lists
            .iter()
            .flatten()
            .any(|container| container.at("name").value == name.value)
    {
        errors.invalid(
            &name,
            "must be one of the container or initContainer names in the pod template",
        );
    }
    let values = codes.at("values");
    let items = values.items();
    if items.is_empty() {
        errors.invalid_as(&values, [0; 0], "at least one value is required");
    }
    errors.at_most(&values, 255);
    for (index, code) in items.iter().enumerate() {
        if operator.text() == "In" && code.number() == Some(0) {
            errors.invalid(code, "must not be 0 for the In operator");
        }
        if items.iter().take(index).any(|earlier| earlier.value == code.value) {
            errors.duplicate(code);
        }
    }
    if !items.iter().map(Node::number).is_sorted() {
        errors.invalid(&values, "must be ordered");
    }
}

fn success_rule(rule: &Node<'_>, completions: i64, errors: &mut Errors) {
    const LIMIT: usize = 64 * 1024;
    let (indexes, count) = (rule.at("succeededIndexes"), rule.at("succeededCount"));
    if !indexes.is_set() && !count.is_set() {
        errors.required(
            rule,
            "at least one of succeededCount or succeededIndexes must be specified",
        );
    }
    if indexes.text().len() > LIMIT {
        errors.too_long(&indexes, LIMIT);
    }
    let total = count_of(indexes.text(), completions).unwrap_or_else(|why| {
        errors.invalid(&indexes, &format!("error parsing succeededIndexes: {why}"));
        0
    });
    errors.not_negative(&count);
    if count.number() > Some(completions) {
        let what = "the number of specified completions";
        errors.invalid(&count, &format!("must be less than or equal to {completions} ({what})"));
    }
    if indexes.is_set() && count.number() > Some(total) {
        let what = "the number of indexes in the specified succeededIndexes field";
        errors.invalid(&count, &format!("must be less than or equal to {total} ({what})"));
    }
}

/// How many indexes a list such as `0,2-4` names, all below the number of completions
/// (`validateIndexesFormat`).
fn count_of(list: &str, completions: i64) -> Result<i64, String> {
    let number = |text: &str| match text.parse::<i64>() {
        Err(_) => Err(format!("cannot convert string to integer for index: {}", quoted(text))),
        Ok(index) if index >= completions => Err(format!("too large index: {}", quoted(text))),
        Ok(index) => Ok(index),
    };
    let rising = |previous: i64, current: i64| {
        if previous < current {
            return Ok(());
        }
        Err(format!(
            "non-increasing order, previous: {previous}, current: {current}"
        ))
    };
    let (mut total, mut last) = (0, -1);
    for interval in list.split(',').filter(|_| !list.is_empty()) {
        let (first, end) = match *interval.split('-').collect::<Vec<_>>() {
            [only] => (number(only)?, number(only)?),
            [first, end] => (number(first)?, number(end)?),
            _ => {
                return Err(format!(
                    "the fragment {} violates the requirement that an index interval can have at most two parts \
                     separated by '-'",
                    quoted(interval)
                ));
            }
        };
        if interval.contains('-') {
            rising(first, end)?;
        }
        rising(last, first)?;
        total += end - first + 1;
        last = end;
    }
    Ok(total)
}
