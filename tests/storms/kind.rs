//! Kinds of faults: what of them is drawn for each request, and what happens in the course of a run.

use std::{sync::Mutex, time::Duration};

use bytes::Bytes;
use http::{Method, Request};
use kjo::core::backoff::Jitter;
use tokio::time::Instant;

use crate::proxy::{body::Spoil, http::Fault, tcp::Break};

/// What goes wrong in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// All connections are reset, again and again.
    Reset,
    /// Each connection ends at some byte, with RST or FIN.
    Cut,
    /// Nothing comes any more for a while, on the connections that there are or on all; then a reset.
    Stall,
    /// All connections are reset, and new ones too for seconds.
    Refuse,
    /// The token ends: 401.
    Expired,
    /// 403 for a moment.
    Forbidden,
    /// 410, as an answer and within a watch.
    Gone,
    /// 429 with Retry-After.
    Throttled,
    /// 500, 502, 503, 504.
    Errors,
    /// The answer to a request that took effect is lost, or the request itself.
    Unanswered,
    /// Bodies are cut at any byte.
    CutBody,
    /// Bodies end in good order at any byte.
    EndedBody,
    /// Bodies come slowly.
    Slow,
    /// Bodies fall silent for a while, and break.
    Held,
    /// All that can happen to requests and bodies.
    Mixed,
    /// Connections are silent for ever.
    HalfOpen,
    /// The API server is killed and started again.
    ApiServer,
    /// The kubelet is restarted.
    Kubelet,
}

/// What every cluster has behind a proxy, in short runs.
pub(crate) const BY_PROXY: [Kind; 15] = [
    Kind::Reset,
    Kind::Errors,
    Kind::Expired,
    Kind::CutBody,
    Kind::Gone,
    Kind::Stall,
    Kind::EndedBody,
    Kind::Throttled,
    Kind::Cut,
    Kind::Unanswered,
    Kind::Refuse,
    Kind::Held,
    Kind::Mixed,
    Kind::Forbidden,
    Kind::Slow,
];

/// What is mixed.
const MIXED: [Kind; 8] = [
    Kind::Gone,
    Kind::Throttled,
    Kind::Errors,
    Kind::Unanswered,
    Kind::CutBody,
    Kind::EndedBody,
    Kind::Slow,
    Kind::Held,
];

/// Everything goes well again this long after a run's start.
const WITHIN: Duration = Duration::from_secs(40);

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Cut => "cut",
            Self::Stall => "stall",
            Self::Refuse => "refuse",
            Self::Expired => "expired",
            Self::Forbidden => "forbidden",
            Self::Gone => "gone",
            Self::Throttled => "throttled",
            Self::Errors => "errors",
            Self::Unanswered => "unanswered",
            Self::CutBody => "cut-body",
            Self::EndedBody => "ended-body",
            Self::Slow => "slow",
            Self::Held => "held",
            Self::Mixed => "mixed",
            Self::HalfOpen => "half-open",
            Self::ApiServer => "api-server",
            Self::Kubelet => "kubelet",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        let more = [Self::HalfOpen, Self::ApiServer, Self::Kubelet];
        let mut all = BY_PROXY.iter().copied().chain(more);
        all.find(|kind| kind.name() == name)
    }

    /// It happens to bytes, not to requests.
    pub(crate) fn below_tls(self) -> bool {
        matches!(
            self,
            Self::Reset | Self::Cut | Self::Stall | Self::Refuse | Self::HalfOpen
        )
    }

    /// Nobody else may use the cluster meanwhile.
    pub(crate) fn alone(self) -> bool {
        matches!(self, Self::ApiServer | Self::Kubelet)
    }
}

/// Draws what goes wrong with requests and connections.
pub(crate) struct Drawn {
    kind: Kind,
    random: Mutex<Jitter>,
    until: Instant,
    /// A moment in which nothing is allowed.
    forbidden: Mutex<Option<Instant>>,
}

impl Drawn {
    pub(crate) fn new(kind: Kind, random: Jitter) -> Self {
        Self {
            kind,
            random: Mutex::new(random),
            until: Instant::now() + WITHIN,
            forbidden: Mutex::default(),
        }
    }

    /// Faults are not over.
    pub(crate) fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }

    /// Every request is refused from now on for so long.
    pub(crate) fn forbid(&self, time: Duration) {
        *self.forbidden.lock().expect("no panic") = Some(Instant::now() + time);
    }

    /// How a connection ends.
    pub(crate) fn of_connection(&self) -> Option<Break> {
        if self.kind != Kind::Cut || !self.goes_on() {
            return None;
        }
        let mut random = self.random.lock().expect("no panic");
        // Below that no connection comes into being.
        let bytes = 3000 + far(&mut random) as u64;
        Some(if random.below(2) == 0 {
            Break::Reset(bytes)
        } else {
            Break::Finish(bytes)
        })
    }

    /// What goes wrong with a request.
    pub(crate) fn of_request(&self, request: &Request<Bytes>) -> Option<Fault> {
        if !self.goes_on() {
            return None;
        }
        let mut random = self.random.lock().expect("no panic");
        let forbidden = self.forbidden.lock().expect("no panic");
        let what = What::of(request);
        // Who may not create a Job has no run.
        if forbidden.is_some_and(|until| Instant::now() < until) && request.method() == Method::GET {
            return Some(Fault::Refuse(403, 0));
        }
        if self.kind != Kind::Mixed {
            return drawn(self.kind, what, &mut random);
        }
        let kind = MIXED.get(random.below(8) as usize).copied().unwrap_or(Kind::Errors);
        drawn(kind, what, &mut random)
    }
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Watch,
    FollowedLog,
    WholeLog,
    Other,
}

impl What {
    fn of(request: &Request<Bytes>) -> Self {
        let query = request.uri().query().unwrap_or_default();
        if query.contains("watch=true") {
            Self::Watch
        } else if query.contains("follow=true") {
            Self::FollowedLog
        } else if request.uri().path().ends_with("/log") {
            Self::WholeLog
        } else {
            Self::Other
        }
    }
}

fn drawn(kind: Kind, what: What, random: &mut Jitter) -> Option<Fault> {
    let stream = matches!(what, What::Watch | What::FollowedLog);
    let seldom = random.below(100);
    let often = seldom < 75;
    let (seldom, half) = (seldom < 25, seldom < 50);
    let short = |random: &mut Jitter, ms: u32| Duration::from_millis(random.below(ms).into());
    match kind {
        Kind::Gone if what == What::Watch && often => Some(if random.below(2) == 0 {
            Fault::Refuse(410, 0)
        } else {
            Fault::Body(Spoil::Gone(short(random, 8000)))
        }),
        Kind::Throttled if half => Some(Fault::Refuse(429, 1 + random.below(2))),
        Kind::Errors if half => {
            const CODES: [u16; 4] = [500, 502, 503, 504];
            let code = CODES.get(random.below(4) as usize).copied().unwrap_or(500);
            Some(Fault::Refuse(code, 0))
        }
        Kind::Unanswered if half && !stream && random.below(3) > 0 => Some(Fault::Unanswered),
        Kind::Unanswered if half => Some(Fault::Unheard),
        Kind::CutBody if often && (stream || half) => Some(Fault::Body(Spoil::Cut(far(random)))),
        // That a whole log ends in good order before its end can be told in some cases and not in all.
        Kind::EndedBody if what == What::WholeLog && half => Some(Fault::Body(Spoil::Cut(far(random)))),
        Kind::EndedBody if what != What::WholeLog && often && (stream || seldom) => {
            Some(Fault::Body(Spoil::End(far(random))))
        }
        Kind::Slow if often => Some(Fault::Body(Spoil::Slow(10 + random.below(40), short(random, 700)))),
        Kind::Slow => Some(Fault::Late(short(random, 5000))),
        Kind::Held if stream && half => {
            let time = Duration::from_secs(u64::from(15 + random.below(15)));
            Some(Fault::Body(Spoil::Hold(far(random), time)))
        }
        Kind::Reset | Kind::Cut | Kind::Stall | Kind::Refuse | Kind::HalfOpen => None,
        Kind::Expired | Kind::Forbidden | Kind::Gone | Kind::Throttled | Kind::Errors => None,
        Kind::Unanswered | Kind::CutBody | Kind::EndedBody | Kind::Held | Kind::Mixed => None,
        Kind::ApiServer | Kind::Kubelet => None,
    }
}

/// Often amid the first line, sometimes far behind it.
fn far(random: &mut Jitter) -> usize {
    let reach = 1 << (2 + random.below(18));
    random.below(reach) as usize
}
