//! The client, and how it is made anew when the server does not know its user any more.
//!
//! kube asks an exec plugin again shortly before a token's stated end and never after a 401, and knows
//! nothing of tokens without one. So a 401 makes the whole client anew: kubeconfig, token files and plugins
//! are read again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kube::Client;
use tokio::{runtime::Handle, time::Instant};

use super::{Where, connect};

/// A new login is tried at most this often: a user that stays unknown must not make a herd of plugins.
const LOGIN_EVERY: Duration = Duration::from_secs(10);
/// A plugin that asks the user for something gets this long.
const LOGIN_WITHIN: Duration = Duration::from_secs(60);

/// A client, and where it came from.
#[derive(Clone)]
pub(super) struct Login {
    current: Arc<Mutex<Current>>,
    /// One login at a time; the instant of the last.
    renewing: Arc<tokio::sync::Mutex<Option<Instant>>>,
    origin: Option<Where>,
}

#[derive(Clone)]
struct Current {
    client: Client,
    /// How many clients there were before.
    generation: u64,
}

impl Login {
    pub(super) fn new(client: Client) -> Self {
        Self {
            current: Arc::new(Mutex::new(Current { client, generation: 0 })),
            renewing: Arc::default(),
            origin: None,
        }
    }

    /// Clients are made anew from here.
    pub(super) fn with_origin(mut self, origin: Where) -> Self {
        self.origin = Some(origin);
        self
    }

    /// The client as it is now, and its generation.
    pub(super) fn client(&self) -> (Client, u64) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        (current.client.clone(), current.generation)
    }

    /// The server has refused the client of this generation with a 401. True if there is another by now.
    pub(super) async fn renew(&self, generation: u64) -> bool {
        let Some(origin) = &self.origin else { return false };
        let mut last = self.renewing.lock().await;
        if self.client().1 != generation {
            return true;
        }
        if last.is_some_and(|at| at.elapsed() < LOGIN_EVERY) {
            return false;
        }
        *last = Some(Instant::now());
        let origin = origin.clone();
        // Off the loop: kube runs plugins and waits for them.
        let made = tokio::task::spawn_blocking(move || {
            Handle::current().block_on(async {
                let connection = origin.find().await?;
                connect::client_for(&connection)
            })
        });
        let Ok(Ok(Ok(client))) = tokio::time::timeout(LOGIN_WITHIN, made).await else {
            // The 401 itself is what the user is told, with what to do about it.
            return false;
        };
        tracing::debug!(event = "login", "the server refused the user (401): logged in again");
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Current {
            client,
            generation: generation + 1,
        };
        true
    }
}
