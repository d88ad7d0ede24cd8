//! Fields that hold one of a few words. A word that resembles none of them may be one of a newer server.

use super::suggest::distance;

/// The words of a field, by its type and name. Several types have fields of the same name and words.
const WORDS: [(&str, &str, &[&str]); 24] = [
    ("", "imagePullPolicy", &["Always", "IfNotPresent", "Never"]),
    ("", "terminationMessagePolicy", &["File", "FallbackToLogsOnError"]),
    ("", "mountPropagation", &["None", "HostToContainer", "Bidirectional"]),
    ("ContainerPort", "protocol", &["SCTP", "TCP", "UDP"]),
    (
        "PodSpec",
        "dnsPolicy",
        &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"],
    ),
    ("PodSpec", "preemptionPolicy", &["PreemptLowerPriority", "Never"]),
    ("PodOS", "name", &["linux", "windows"]),
    ("JobSpec", "completionMode", &["NonIndexed", "Indexed"]),
    ("JobSpec", "podReplacementPolicy", &["Failed", "TerminatingOrFailed"]),
    ("CronJobSpec", "concurrencyPolicy", &["Allow", "Forbid", "Replace"]),
    (
        "PodFailurePolicyRule",
        "action",
        &["Count", "FailIndex", "FailJob", "Ignore"],
    ),
    ("PodFailurePolicyOnExitCodesRequirement", "operator", &["In", "NotIn"]),
    ("Toleration", "operator", &["Equal", "Exists"]),
    ("Toleration", "effect", &["NoSchedule", "PreferNoSchedule", "NoExecute"]),
    (
        "TopologySpreadConstraint",
        "whenUnsatisfiable",
        &["DoNotSchedule", "ScheduleAnyway"],
    ),
    ("TopologySpreadConstraint", "nodeAffinityPolicy", &["Honor", "Ignore"]),
    ("TopologySpreadConstraint", "nodeTaintsPolicy", &["Honor", "Ignore"]),
    (
        "NodeSelectorRequirement",
        "operator",
        &["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"],
    ),
    (
        "LabelSelectorRequirement",
        "operator",
        &["In", "NotIn", "Exists", "DoesNotExist"],
    ),
    ("EmptyDirVolumeSource", "medium", &["Memory", "HugePages"]),
    ("SeccompProfile", "type", &["Localhost", "RuntimeDefault", "Unconfined"]),
    (
        "AppArmorProfile",
        "type",
        &["Localhost", "RuntimeDefault", "Unconfined"],
    ),
    (
        "PodSecurityContext",
        "fsGroupChangePolicy",
        &["OnRootMismatch", "Always"],
    ),
    (
        "HostPathVolumeSource",
        "type",
        &[
            "DirectoryOrCreate",
            "Directory",
            "FileOrCreate",
            "File",
            "Socket",
            "CharDevice",
            "BlockDevice",
        ],
    ),
];
/// From this length on two letters may differ.
const LONG: usize = 8;

/// All words of a field, and the one that was meant, if `written` is none of them and resembles one.
pub(super) fn slip(type_name: &str, field: &str, written: &str) -> Option<(&'static [&'static str], &'static str)> {
    let of_field = |(of, name, _): &&(&str, &str, &[&str])| *name == field && (of.is_empty() || *of == type_name);
    let (_, _, words) = WORDS.iter().find(of_field)?;
    if words.contains(&written) {
        return None;
    }
    let close = |word: &&&str| distance(written, word) <= if word.len() < LONG { 1 } else { 2 };
    let meant = words.iter().filter(close).min_by_key(|word| distance(written, word))?;
    Some((words, meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_resembles_a_word_is_a_slip() {
        let meant = |of: &str, field: &str, written: &str| slip(of, field, written).map(|(_, meant)| meant);
        assert_eq!(meant("JobSpec", "completionMode", "indexed"), Some("Indexed"));
        assert_eq!(meant("Container", "imagePullPolicy", "always"), Some("Always"));
        assert_eq!(
            meant("Container", "imagePullPolicy", "if-not-present"),
            Some("IfNotPresent")
        );
        assert_eq!(meant("ContainerPort", "protocol", "tcp"), Some("TCP"));
        assert_eq!(meant("Container", "imagePullPolicy", "Never"), None);
        assert_eq!(meant("EmptyDirVolumeSource", "medium", "HugePages-2Mi"), None);
        assert_eq!(meant("PodFailurePolicyRule", "action", "FailEverything"), None);
        assert_eq!(meant("Toleration", "key", "Exist"), None);
    }
}
