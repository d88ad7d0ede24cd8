//! The API server: requests in, answers out. Who may ask is the listener's business (`serve`).

mod accept;
pub mod answer;
mod change;
mod discovery;
mod openapi_v2;
mod patches;
mod path;
mod pod_row;
mod protobuf;
mod read;
mod remove;
mod review;
mod selector;
mod table;
mod watch;
mod write;

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};

use accept::View;
pub use answer::Body;
use path::{Part, Query, Target};
pub use write::Create;

use super::{
    faults::{self, Broken, Faults},
    kubelet::Kubelet,
    refused::Refused,
    store::Key,
    world::World,
};

/// The API of one sandbox; cheap to clone.
#[derive(Clone)]
pub struct Api {
    world: Arc<World>,
    kubelet: Arc<Kubelet>,
    faults: Option<Arc<dyn Faults>>,
}

impl Api {
    /// The API over this world, with the logs of this kubelet.
    #[must_use]
    pub fn new(world: Arc<World>, kubelet: Arc<Kubelet>) -> Self {
        Self {
            world,
            kubelet,
            faults: None,
        }
    }

    /// The same API behind a connection on which things go wrong.
    #[must_use]
    pub fn with_faults(self, faults: Arc<dyn Faults>) -> Self {
        Self {
            faults: Some(faults),
            ..self
        }
    }

    /// Answers a request. Errors are answers too.
    ///
    /// # Errors
    /// The connection broke, which only a planned fault does.
    pub async fn answer(&self, request: Request<Bytes>) -> Result<Response<Body>, Broken> {
        match &self.faults {
            None => Ok(self.soundly(&request)),
            Some(faults) => faults::answer_with(faults, request, |request| self.soundly(request)).await,
        }
    }

    fn soundly(&self, request: &Request<Bytes>) -> Response<Body> {
        self.answered(request)
            .unwrap_or_else(|refused| answer::refused(&refused))
    }

    fn answered(&self, request: &Request<Bytes>) -> Result<Response<Body>, Refused> {
        let target = Target::of(request.uri().path())?;
        let query = Query::of(request.uri().query().unwrap_or_default());
        let method = request.method();
        match target {
            Target::Version | Target::Health | Target::Document(_) | Target::OpenApi2 if method != Method::GET => {
                Err(Refused::no_such_verb())
            }
            Target::Version => Ok(answer::json(200, &discovery::version())),
            Target::Health => Ok(answer::whole(200, "text/plain; charset=utf-8", "ok")),
            Target::OpenApi2 if accept::takes(request, &[openapi_v2::FORM, openapi_v2::ASKED]) => {
                Ok(answer::whole(200, openapi_v2::FORM, openapi_v2::document()))
            }
            Target::OpenApi2 => Err(accept::not_acceptable(openapi_v2::FORM)),
            Target::Document(document) => {
                let aggregated = document.aggregates() && accept::aggregated(request);
                let content = document.content(aggregated);
                Ok(if aggregated {
                    answer::whole(200, accept::DISCOVERY, format!("{content}\n"))
                } else {
                    answer::json(200, &content)
                })
            }
            Target::Review(review) if method == Method::POST => {
                self.review(review, &write::parsed(request, review.kind())?)
            }
            Target::Review(_) => Err(Refused::no_such_verb()),
            Target::Collection(resource, namespace) => match *method {
                Method::GET if query.flag("watch") => {
                    self.watch(resource, namespace, &query, View::of(request, &query)?)
                }
                Method::GET => self.list(resource, namespace.as_deref(), &query, View::of(request, &query)?),
                Method::POST => self.create(resource, namespace.as_deref(), &query, request),
                Method::DELETE => self.delete_collection(resource, namespace.as_deref(), &query, request),
                _ => Err(Refused::no_such_verb()),
            },
            Target::Object {
                resource,
                namespace,
                name,
                part,
            } => {
                let key = Key::new(resource, &namespace, &name);
                match (method, part) {
                    (&Method::GET, Part::Log) => self.log(&key, &query),
                    (&Method::GET, Part::Whole | Part::Status) => self.get(&key, View::of(request, &query)?),
                    (&Method::PATCH, Part::Whole | Part::Status) => self.patch(&key, part, &query, request),
                    (&Method::PUT, Part::Whole | Part::Status) => self.replace(&key, part, &query, request),
                    (&Method::DELETE, Part::Whole) => self.delete_object(&key, &query, request),
                    _ => Err(Refused::no_such_verb()),
                }
            }
        }
    }
}
