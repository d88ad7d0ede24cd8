//! What can go wrong between a client and its API server, on purpose: for tests of the library, never
//! reachable from the command line.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Method, Request, Response};
use http_body_util::{BodyDataStream, BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::time::Instant;
use tower::BoxError;

use super::{
    api::{Body, answer},
    refused::{Details, Refused},
};
use crate::core::backoff::Jitter;

/// What goes wrong with one request or its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request arrives late by this.
    Late(Duration),
    /// The request never arrives.
    Unheard,
    /// The request takes effect, and its answer is lost.
    Unanswered,
    /// The server refuses with this status code, and may name seconds to wait.
    Refuse(u16, u32),
    /// The connection breaks after this many bytes of the body.
    Cut(usize),
    /// The body ends in good order after this many bytes.
    End(usize),
    /// After this many bytes of the body nothing comes any more, and the connection stays.
    Stall(usize),
    /// Every piece of the body comes late by this.
    Slow(Duration),
    /// Every piece of the body comes twice; as a watch that is told an event again.
    Twice,
}

/// Decides what goes wrong with a request.
pub trait Faults: Send + Sync {
    /// The fault for this request, if any.
    fn draw(&self, request: &Request<Bytes>) -> Option<Fault>;
}

impl<F: Fn(&Request<Bytes>) -> Option<Fault> + Send + Sync> Faults for F {
    fn draw(&self, request: &Request<Bytes>) -> Option<Fault> {
        self(request)
    }
}

/// The connection broke.
#[derive(Debug)]
pub struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection reset by a planned fault")
    }
}

impl std::error::Error for Broken {}

/// A user that has to log in again is not known for at most so many milliseconds.
const UNKNOWN_MS: u32 = 20_000;
/// An API server that has just started knows no Roles for at most so many.
const FORBIDDEN_MS: u32 = 800;

/// Faults drawn from a seed, for a while: the same seed and the same requests, the same faults.
pub struct Seeded {
    drawn: Mutex<Drawn>,
    /// Of 100 requests so many go wrong.
    rate: u32,
    until: Instant,
}

struct Drawn {
    random: Jitter,
    /// All reads are refused with this code until then.
    refused: Option<(u16, Instant)>,
    /// Nothing is allowed for a moment only once.
    forbidden: bool,
}

impl Seeded {
    /// Lets `rate` of 100 requests go wrong, for this long from now.
    #[must_use]
    pub fn new(seed: u64, rate: u32, within: Duration) -> Self {
        Self {
            drawn: Mutex::new(Drawn {
                random: Jitter::new(seed),
                refused: None,
                forbidden: false,
            }),
            rate,
            until: Instant::now() + within,
        }
    }
}

impl Faults for Seeded {
    fn draw(&self, request: &Request<Bytes>) -> Option<Fault> {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now >= self.until {
            return None;
        }
        // Who may not create or delete a Job has a run of another kind.
        let reads = request.method() == Method::GET;
        if let Some((code, _)) = drawn.refused.filter(|(_, until)| reads && now < *until) {
            return Some(Fault::Refuse(code, 0));
        }
        if drawn.random.below(100) >= self.rate {
            return None;
        }
        if let Some(code) = drawn.refuse(request, now) {
            return Some(Fault::Refuse(code, 0));
        }
        let random = &mut drawn.random;
        let query = request.uri().query().unwrap_or_default();
        let stream = query.contains("watch=true") || query.contains("follow=true");
        // That a whole log ends in good order before its end can be told in some cases and not in all:
        // tests of the cursor draw that.
        let whole_log = request.uri().path().ends_with("/log") && !stream;
        let at = |random: &mut Jitter| {
            // Often amid the first line, sometimes far behind it.
            let reach = 1 << (2 + random.below(14));
            random.below(reach) as usize
        };
        Some(match random.below(if stream { 12 } else { 8 }) {
            0 => Fault::Late(Duration::from_millis(random.below(20_000).into())),
            1 => Fault::Unheard,
            2 => Fault::Unanswered,
            3 => {
                const CODES: [u16; 5] = [429, 500, 502, 503, 504];
                let code = CODES.get(random.below(5) as usize).copied().unwrap_or(500);
                Fault::Refuse(code, random.below(3))
            }
            // Only what may be asked again can be told that it is too old.
            4 if request.method() == Method::GET && query.contains("watch=true") => Fault::Refuse(410, 0),
            4 | 5 => Fault::Cut(at(random)),
            6 => Fault::Stall(at(random)),
            7 | 8 if !whole_log => Fault::End(at(random)),
            7 | 8 => Fault::Cut(at(random)),
            9 => Fault::Cut(at(random)),
            10 => Fault::Slow(Duration::from_millis(random.below(3000).into())),
            _ if query.contains("watch=true") => Fault::Twice,
            _ => Fault::Cut(at(random)),
        })
    }
}

impl Drawn {
    /// Refusals of who asks, or of a kubelet that does not know its pods yet.
    fn refuse(&mut self, request: &Request<Bytes>, now: Instant) -> Option<u16> {
        if request.method() != Method::GET {
            return None;
        }
        let (code, longest) = match self.random.below(12) {
            0 => (401, UNKNOWN_MS),
            1 if !self.forbidden => (403, FORBIDDEN_MS),
            2 if request.uri().path().ends_with("/log") => return Some(404),
            _ => return None,
        };
        self.forbidden |= code == 403;
        let time = Duration::from_millis(self.random.below(longest).into());
        self.refused = Some((code, now + time));
        Some(code)
    }
}

/// Answers a request with what goes wrong.
pub(super) async fn answer_with(
    faults: &Arc<dyn Faults>,
    request: Request<Bytes>,
    answer_to: impl FnOnce(&Request<Bytes>) -> Response<Body>,
) -> Result<Response<Body>, Broken> {
    let fault = faults.draw(&request);
    match fault {
        None => Ok(answer_to(&request)),
        Some(Fault::Late(by)) => {
            tokio::time::sleep(by).await;
            Ok(answer_to(&request))
        }
        Some(Fault::Unheard) => Err(Broken),
        Some(Fault::Unanswered) => {
            drop(answer_to(&request));
            Err(Broken)
        }
        Some(Fault::Refuse(code, retry_after)) => Ok(answer::refused(&planned(code, retry_after))),
        Some(fault @ (Fault::Cut(_) | Fault::End(_) | Fault::Stall(_) | Fault::Slow(_) | Fault::Twice)) => {
            Ok(answer_to(&request).map(|body| spoilt(body, fault)))
        }
    }
}

fn planned(code: u16, retry_after: u32) -> Refused {
    let reason = match code {
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "InternalError",
    };
    Refused {
        details: Some(Box::new(Details {
            retry_after,
            ..Details::default()
        })),
        ..Refused::new(code, reason, "a planned fault")
    }
}

/// A body on its way through a fault.
struct Spoilt {
    pieces: BodyDataStream<Body>,
    fault: Fault,
    /// Bytes that pass before it happens.
    left: usize,
    again: Option<Bytes>,
    over: bool,
}

fn spoilt(body: Body, fault: Fault) -> Body {
    let left = match fault {
        Fault::Cut(bytes) | Fault::End(bytes) | Fault::Stall(bytes) => bytes,
        Fault::Late(_) | Fault::Unheard | Fault::Unanswered | Fault::Refuse(..) | Fault::Slow(_) | Fault::Twice => {
            usize::MAX
        }
    };
    let body = Spoilt {
        pieces: body.into_data_stream(),
        fault,
        left,
        again: None,
        over: false,
    };
    let frames = stream::unfold(body, |mut body| async {
        let piece = body.next().await?;
        Some((piece.map(Frame::data), body))
    });
    StreamBody::new(frames).boxed_unsync()
}

impl Spoilt {
    async fn next(&mut self) -> Option<Result<Bytes, BoxError>> {
        if let Some(piece) = self.again.take() {
            return Some(Ok(piece));
        }
        if self.over {
            return None;
        }
        if self.left == 0 {
            self.over = true;
            return match self.fault {
                Fault::Cut(_) => Some(Err(BoxError::from(Broken))),
                Fault::Stall(_) => std::future::pending().await,
                Fault::End(_) => None,
                Fault::Late(_) | Fault::Unheard | Fault::Unanswered => None,
                Fault::Refuse(..) | Fault::Slow(_) | Fault::Twice => None,
            };
        }
        let mut piece = match self.pieces.next().await? {
            Ok(piece) => piece,
            Err(error) => return Some(Err(error)),
        };
        if let Fault::Slow(by) = self.fault {
            tokio::time::sleep(by).await;
        }
        piece.truncate(self.left);
        self.left -= piece.len();
        self.again = (self.fault == Fault::Twice).then(|| piece.clone());
        Some(Ok(piece))
    }
}
