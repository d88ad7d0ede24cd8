//! From what the connection or the server said to a [`Failure`].

use std::{error::Error as StdError, time::Duration};

use http::{HeaderMap, Response, header};
use http_body_util::{BodyExt as _, Limited};
use kube::client::{AuthError, Body};
use serde::Deserialize;

use crate::core::failure::{Failure, Status};

/// An error body larger than this is a proxy's page, not a `Status`.
const BODY_LIMIT: usize = 256 * 1024;
/// No server may keep kjo waiting longer than this before it asks again.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// A request that got no answer: was it sent, and may another be?
pub(super) fn failure(error: &kube::Error) -> Failure {
    if let Some(why) = credentials(error) {
        return Failure::Setup(format!("no credentials: {why}"));
    }
    let text = chain(error);
    // rustls says so of certificates that are unknown, expired or for another host; the user has to
    // act, waiting heals none of them.
    if text.contains("invalid peer certificate") || text.contains("UnsupportedCertVersion") {
        return Failure::Setup(format!("the server's certificate is not trusted: {text}"));
    }
    let never_sent = if let kube::Error::Service(error) = error {
        error
            .downcast_ref::<hyper_util::client::legacy::Error>()
            .is_some_and(hyper_util::client::legacy::Error::is_connect)
    } else {
        false
    };

    if never_sent {
        Failure::Unreachable(text)
    } else {
        Failure::Lost(text)
    }
}

/// Why there are no credentials, if that is what is wrong. What an exec plugin was called with and has
/// printed stays out of it: that is where the credentials are.
pub(super) fn credentials(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<AuthError>() {
            return Some(if let AuthError::AuthExecRun { out, .. } = error {
                format!("the exec plugin of the kubeconfig's user failed ({})", out.status)
            } else if let AuthError::AuthExecParse(_) = error {
                "what the exec plugin of the kubeconfig's user printed is no ExecCredential".to_owned()
            } else {
                chain(error)
            });
        }
        next = error.source();
    }
    None
}

/// An error and what caused it, each once.
pub(super) fn chain(error: &dyn StdError) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !parts.iter().any(|p| p.contains(&text)) {
            // An outer error often repeats the inner one behind a colon.
            parts.retain(|p| !text.contains(p.as_str()));
            parts.push(text);
        }
        next = error.source();
    }
    let text = parts.join(": ");
    ["ServiceError: ", "HyperError: ", "client error (Connect): "]
        .iter()
        .fold(text, |text, noise| text.replace(noise, ""))
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawStatus {
    kind: String,
    message: String,
    reason: String,
    details: Option<Details>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Details {
    name: String,
    kind: String,
    causes: Vec<Cause>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Cause {
    reason: String,
}

/// Reads an error answer.
pub(super) async fn refused(response: Response<Body>) -> Failure {
    let code = response.status().as_u16();
    let retry_after = retry_after(response.headers());
    let body = Limited::new(response.into_body(), BODY_LIMIT).collect();
    let bytes = match tokio::time::timeout(BODY_WITHIN, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        // The code alone says enough.
        Ok(Err(_)) | Err(_) => bytes::Bytes::new(),
    };
    Failure::Answered(Box::new(status(code, retry_after, &bytes)))
}

/// A `Status` from its JSON, or from whatever text a proxy sent instead.
pub(super) fn status(code: u16, retry_after: Option<Duration>, body: &[u8]) -> Status {
    let raw: RawStatus = serde_json::from_slice(body).unwrap_or_default();
    if raw.kind != "Status" {
        let text = String::from_utf8_lossy(body);
        let first: String = text
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect();
        return Status {
            code,
            message: first,
            retry_after,
            ..Status::default()
        };
    }
    let details = raw.details.unwrap_or_default();
    Status {
        code,
        reason: raw.reason,
        message: raw.message,
        causes: details.causes.into_iter().map(|c| c.reason).collect(),
        about: (!details.kind.is_empty()).then_some((details.kind, details.name)),
        retry_after,
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_PAUSE))
}

/// The texts of Warning headers, as the API server sends them: `299 - "text"` (RFC 7234 5.5).
pub(super) fn warnings(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(header::WARNING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .filter_map(|value| {
            let (_, quoted) = value.split_once('"')?;
            let (text, _) = quoted.rsplit_once('"')?;
            Some(text.replace("\\\"", "\"").replace("\\\\", "\\"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_status_and_what_is_none() {
        let body =
            br#"{"kind":"Status","status":"Failure","message":"jobs.batch \"x\" is forbidden","reason":"Forbidden",
            "details":{"name":"x","kind":"jobs","causes":[{"reason":"NamespaceTerminating"}]},"code":403}"#;
        let read = status(403, None, body);
        assert_eq!(read.reason, "Forbidden");
        assert_eq!(read.causes, ["NamespaceTerminating"]);
        assert_eq!(read.about, Some(("jobs".into(), "x".into())));
        let page = status(502, None, b"<html>Bad\x1b[2J gateway</html>\nmore");
        assert_eq!(page.message, "<html>Bad[2J gateway</html>");
        assert_eq!(status(500, None, b"").to_string(), "HTTP 500");
    }

    #[test]
    fn reads_warning_headers() {
        let mut headers = HeaderMap::new();
        headers.append(header::WARNING, r#"299 - "unknown field \"spec.x\"""#.parse().unwrap());
        headers.append(header::WARNING, "garbage".parse().unwrap());
        assert_eq!(warnings(&headers), [r#"unknown field "spec.x""#]);
    }
}
