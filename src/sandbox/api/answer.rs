//! Answers and their bodies.

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use serde_json::Value;
use tower::BoxError;

use crate::sandbox::refused::Refused;

/// The body of an answer: whole, or a stream that may not end by itself.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// An answer that is all there.
#[must_use]
pub fn whole(code: u16, kind: &'static str, bytes: impl Into<Bytes>) -> Response<Body> {
    let body = Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync();
    answer(code, kind, body)
}

/// A JSON document, with a newline as the real server's.
#[must_use]
pub fn json(code: u16, document: &Value) -> Response<Body> {
    whole(code, "application/json", format!("{document}\n"))
}

/// An error.
#[must_use]
pub fn refused(refused: &Refused) -> Response<Body> {
    if refused.reason.is_empty() {
        return whole(
            refused.code,
            "text/plain; charset=utf-8",
            format!("{}\n", refused.message),
        );
    }
    let mut answer = json(refused.code, &refused.body());
    let retry_after = refused.details.as_ref().map_or(0, |details| details.retry_after);
    if retry_after > 0 {
        answer.headers_mut().insert(header::RETRY_AFTER, retry_after.into());
    }
    answer
}

/// An answer that goes on until its stream ends.
#[must_use]
pub fn stream(kind: &'static str, chunks: impl Stream<Item = Bytes> + Send + 'static) -> Response<Body> {
    let frames = chunks.map(|chunk| Ok::<_, BoxError>(Frame::data(chunk)));
    answer(200, kind, StreamBody::new(frames).boxed_unsync())
}

/// Adds Warning headers: `299 - "text"` (RFC 7234 5.5).
pub fn warn(answer: &mut Response<Body>, warnings: &[String]) {
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        // What is no header value could not be read either.
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            answer.headers_mut().append(header::WARNING, value);
        }
    }
}

fn answer(code: u16, kind: &'static str, body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    answer
}
