//! Questions about oneself: who one is, and what one may do. Whoever has the sandbox's token may do
//! everything.

use http::Response;
use serde_json::{Value, json};

use super::{Api, Body, answer, discovery::Group};
use crate::sandbox::refused::Refused;

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Review {
    /// May I do this?
    Access,
    /// What may I do?
    Rules,
    /// Who am I?
    Subject,
}

impl Review {
    pub(super) const ALL: [Self; 3] = [Self::Access, Self::Rules, Self::Subject];

    pub(super) fn find(group: Group, plural: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|r| r.group() == group && r.plural() == plural)
    }

    pub(super) fn group(self) -> Group {
        match self {
            Self::Access | Self::Rules => Group::Authorization,
            Self::Subject => Group::Authentication,
        }
    }

    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Access => "selfsubjectaccessreviews",
            Self::Rules => "selfsubjectrulesreviews",
            Self::Subject => "selfsubjectreviews",
        }
    }

    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Access => "SelfSubjectAccessReview",
            Self::Rules => "SelfSubjectRulesReview",
            Self::Subject => "SelfSubjectReview",
        }
    }

    fn status(self) -> Value {
        let all = json!(["*"]);
        match self {
            Self::Access => json!({"allowed": true}),
            Self::Rules => json!({
                "resourceRules": [{"verbs": all, "apiGroups": all, "resources": all}],
                "nonResourceRules": [{"verbs": all, "nonResourceURLs": all}],
                "incomplete": false,
            }),
            Self::Subject => {
                json!({"userInfo": {"username": "sandbox", "groups": ["system:masters", "system:authenticated"]}})
            }
        }
    }
}

impl Api {
    pub(super) fn review(&self, review: Review, asked: &Value) -> Result<Response<Body>, Refused> {
        if asked["kind"].as_str().is_some_and(|kind| kind != review.kind()) {
            return Err(Refused::bad_request(format!(
                "the object provided is unrecognized (must be of type {})",
                review.kind()
            )));
        }
        let mut answer = json!({
            "kind": review.kind(), "apiVersion": review.group().version(),
            "metadata": {"creationTimestamp": self.world.seconds()}, "status": review.status(),
        });
        if let Some(spec) = asked.get("spec") {
            answer["spec"] = spec.clone();
        }
        Ok(answer::json(201, &answer))
    }
}
