//! Whether a Job has the main container that the user names, and only one pod where that container decides.

use super::log::choice::Declared;

/// What is wrong with the wish for a main container, and what to do about it.
///
/// # Errors
/// There is no such container; or it shall decide for a Job of several pods.
pub fn check(
    name: Option<&str>,
    decides: bool,
    declared: &[Declared],
    parallelism: i64,
    completions: Option<i64>,
) -> Result<(), (String, String)> {
    let mains: Vec<&str> = declared.iter().filter(|d| !d.init).map(|d| d.name.as_str()).collect();
    if let Some(name) = name.filter(|name| !mains.contains(name)) {
        return Err((
            format!("--main-container {name}: the Job has no such container"),
            format!("it has {}", mains.join(", ")),
        ));
    }
    if decides && (parallelism > 1 || completions.is_some_and(|n| n > 1)) {
        return Err((
            "--main-decides is for Jobs of one pod, and this one has several".to_owned(),
            "leave it out, or set parallelism and completions to 1".to_owned(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pod_and_a_container_of_it() {
        let declared: Vec<Declared> = [("setup", true), ("main", false), ("proxy", false)]
            .map(|(name, init)| Declared {
                name: name.to_owned(),
                init,
            })
            .into();
        let check = |name, decides, parallelism, completions| check(name, decides, &declared, parallelism, completions);
        assert_eq!(check(None, false, 7, Some(9)), Ok(()));
        assert_eq!(check(Some("main"), true, 1, Some(1)), Ok(()));
        assert!(
            check(Some("setup"), false, 1, None).is_err(),
            "an init container is none"
        );
        assert!(check(Some("base"), false, 1, None).is_err());
        assert!(check(None, true, 2, None).is_err());
        assert!(check(None, true, 1, Some(2)).is_err());
    }
}
