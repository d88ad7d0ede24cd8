//! What happens to the body of an answer.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyDataStream, BodyExt as _, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use tokio::time::Instant;
use tower::BoxError;

pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// What goes wrong with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoil {
    /// The connection is reset after so many bytes.
    Cut(usize),
    /// It ends in good order after so many bytes.
    End(usize),
    /// After so many bytes nothing comes for so long; then the connection is reset.
    Hold(usize, Duration),
    /// So many pieces come late, each by this.
    Slow(u32, Duration),
    /// After so long the events of a watch end with the one that says that its version is too old.
    Gone(Duration),
}

/// A body on its way through what goes wrong.
struct Spoilt {
    pieces: BodyDataStream<Incoming>,
    spoil: Spoil,
    /// Bytes, or pieces, until it happens.
    left: usize,
    /// Since then it may happen.
    at: Instant,
    over: bool,
    /// The last byte was a newline, or none has come.
    whole: bool,
}

/// The body, with what goes wrong.
pub(crate) fn spoilt(body: Incoming, spoil: Spoil) -> Body {
    let (left, after) = match spoil {
        Spoil::Cut(bytes) | Spoil::End(bytes) | Spoil::Hold(bytes, _) => (bytes, Duration::ZERO),
        Spoil::Slow(pieces, _) => (pieces as usize, Duration::ZERO),
        Spoil::Gone(after) => (usize::MAX, after),
    };
    let body = Spoilt {
        pieces: BodyDataStream::new(body),
        spoil,
        left,
        at: Instant::now() + after,
        over: false,
        whole: true,
    };
    let frames = stream::unfold(body, |mut body| async {
        let piece = body.next().await?;
        Some((piece.map(Frame::data), body))
    });
    StreamBody::new(frames).boxed_unsync()
}

/// A body that comes as it is.
pub(crate) fn whole(body: Incoming) -> Body {
    body.map_err(BoxError::from).boxed_unsync()
}

/// A body that is here already.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    http_body_util::Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// The last word of a watch whose version is too old.
const EXPIRED: &str = concat!(
    r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","#,
    r#""message":"too old resource version: 1 (2)","reason":"Expired","code":410}}"#,
    "\n"
);

impl Spoilt {
    async fn next(&mut self) -> Option<Result<Bytes, BoxError>> {
        use futures_util::StreamExt as _;
        if self.over {
            return None;
        }
        if self.left == 0 {
            match self.spoil {
                Spoil::Cut(_) => return Some(self.broken()),
                Spoil::End(_) => return None,
                Spoil::Hold(_, time) => {
                    tokio::time::sleep(time).await;
                    return Some(self.broken());
                }
                Spoil::Slow(..) | Spoil::Gone(_) => {}
            }
        }
        let gone = matches!(self.spoil, Spoil::Gone(_)) && self.whole;
        let piece = tokio::select! {
            piece = self.pieces.next() => piece?,
            () = tokio::time::sleep_until(self.at), if gone => {
                self.over = true;
                return Some(Ok(EXPIRED.into()));
            }
        };
        let mut piece = match piece {
            Ok(piece) => piece,
            Err(error) => return Some(Err(error.into())),
        };
        match self.spoil {
            Spoil::Cut(_) | Spoil::End(_) | Spoil::Hold(..) => {
                piece.truncate(self.left);
                self.left -= piece.len();
            }
            Spoil::Slow(_, by) if self.left > 0 => {
                self.left -= 1;
                tokio::time::sleep(by).await;
            }
            Spoil::Slow(..) | Spoil::Gone(_) => {}
        }
        self.whole = piece.last() == Some(&b'\n');
        Some(Ok(piece))
    }

    fn broken(&mut self) -> Result<Bytes, BoxError> {
        self.over = true;
        Err("cut by the proxy".into())
    }
}
