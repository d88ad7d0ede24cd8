//! A Job from an image and a command, as `kubectl create job` and `docker run` users write it.

use serde_json::{Value, json};

use super::Refusal;

/// What `--image`, `-e`, `--name` and the command came to.
#[derive(Debug, Clone, Default)]
pub struct ImageRun {
    /// The image reference, as the cluster's nodes pull it.
    pub image: String,
    /// Environment, in the order given; a later one of the same name wins.
    pub env: Vec<(String, String)>,
    /// Replaces the image's entrypoint and arguments; empty keeps them.
    pub command: Vec<String>,
}

/// The name of the one container.
pub const CONTAINER: &str = "main";

impl ImageRun {
    /// The manifest: one container, one try.
    #[must_use]
    pub fn manifest(&self) -> Value {
        let mut container = json!({"name": CONTAINER, "image": self.image});
        if !self.command.is_empty() {
            container["command"] = json!(self.command);
        }
        let mut env: Vec<(&str, &str)> = Vec::new();
        for (name, value) in &self.env {
            env.retain(|(known, _)| known != name);
            env.push((name, value));
        }
        if !env.is_empty() {
            container["env"] = env
                .iter()
                .map(|(name, value)| json!({"name": name, "value": value}))
                .collect();
        }
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": self.base_name()},
            "spec": {
                "backoffLimit": 0,
                "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
            },
        })
    }

    /// A Job name from the image: the last part of its path, without tag and digest.
    fn base_name(&self) -> String {
        let path = self.image.split('@').next().unwrap_or_default();
        let last = path.rsplit('/').next().unwrap_or_default();
        let name = last.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let name: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let name = name.trim_matches('-');
        if name.is_empty() {
            "job".to_owned()
        } else {
            name.to_owned()
        }
    }
}

/// `NAME=VALUE`, or `NAME` with the value of kjo's own environment.
///
/// # Errors
/// No name, or a name alone that the environment does not have.
pub fn env(arg: &str, own: &dyn Fn(&str) -> Option<String>) -> Result<(String, String), Refusal> {
    let (name, value) = match arg.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (arg, own(arg)),
    };
    if name.is_empty() {
        return Err(Refusal::new(
            // Not quoted: with the name's variable unset, what is left is the value.
            "-e has a value without a name before it; is a variable unset?",
            "write -e NAME=VALUE, or -e NAME to pass kjo's own on",
        ));
    }
    let value = value.ok_or_else(|| {
        Refusal::new(
            format!("-e {name}: kjo's own environment has no variable of that name"),
            format!("export {name} first, or write -e {name}=VALUE"),
        )
    })?;
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_job_after_the_image() {
        for (image, name) in [
            ("busybox", "busybox"),
            ("registry.example.com:5000/team/My_Tool:1.2@sha256:abc", "my-tool"),
            ("ghcr.io/x/y:latest", "y"),
            ("::", "job"),
        ] {
            let run = ImageRun {
                image: image.into(),
                ..ImageRun::default()
            };
            assert_eq!(run.manifest()["metadata"]["name"], name, "{image}");
        }
    }

    #[test]
    fn leaves_out_what_was_not_asked_for() {
        let run = ImageRun {
            image: "busybox".into(),
            ..ImageRun::default()
        };
        let container = &run.manifest()["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container, &json!({"name": "main", "image": "busybox"}));
    }

    #[test]
    fn environment_is_given_or_taken_over() {
        let own = |name: &str| (name == "HOME").then(|| "/home/me".to_owned());
        assert_eq!(env("A=b=c", &own), Ok(("A".into(), "b=c".into())));
        assert_eq!(env("A=", &own), Ok(("A".into(), String::new())));
        assert_eq!(env("HOME", &own), Ok(("HOME".into(), "/home/me".into())));
        assert!(env("NOPE", &own).is_err());
        assert!(env("=x", &own).is_err());
        let run = ImageRun {
            env: vec![
                ("A".into(), "1".into()),
                ("B".into(), "2".into()),
                ("A".into(), "3".into()),
            ],
            ..ImageRun::default()
        };
        let env = &run.manifest()["spec"]["template"]["spec"]["containers"][0]["env"];
        assert_eq!(env, &json!([{"name": "B", "value": "2"}, {"name": "A", "value": "3"}]));
    }
}
