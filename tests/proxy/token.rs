//! Tokens that end, and the two ways in which a kubeconfig brings the next one: a plugin that is run, and
//! a file that is read.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use k8s_openapi::ByteString;
use serde_json::{Value, json};

/// The one token that is good.
#[derive(Debug, Clone)]
pub(crate) struct Tokens(Arc<Mutex<Current>>);

#[derive(Debug)]
struct Current {
    token: String,
    count: u32,
    folder: PathBuf,
}

/// How a kubeconfig brings the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// A program is run, which prints it.
    Plugin,
    /// A file holds it.
    File,
}

impl Tokens {
    /// A first token; files for it are put into this folder.
    pub(crate) fn new(folder: &Path) -> io::Result<Self> {
        let current = Current {
            token: String::new(),
            count: 0,
            folder: folder.to_owned(),
        };
        let tokens = Self(Arc::new(Mutex::new(current)));
        tokens.next()?;
        let plugin = format!(
            "#!/bin/sh\necho run >> {0}/plugin-runs\nprintf '{{\"apiVersion\":\"client.authentication.k8s.io/v1\",\
             \"kind\":\"ExecCredential\",\"status\":{{\"token\":\"%s\"}}}}' \"$(cat {0}/token)\"\n",
            folder.display()
        );
        std::fs::write(folder.join("plugin"), plugin)?;
        Ok(tokens)
    }

    /// The token ends; the next one is where plugin and file find it.
    pub(crate) fn next(&self) -> io::Result<()> {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        current.count += 1;
        current.token = format!("token-{}", current.count);
        let file = current.folder.join("token.next");
        std::fs::write(&file, &current.token)?;
        std::fs::rename(&file, current.folder.join("token"))
    }

    /// Whether a header bears the token.
    pub(crate) fn accepts(&self, authorization: Option<&::http::HeaderValue>) -> bool {
        let current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let given = authorization.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        given == Some(current.token.as_bytes())
    }

    /// Where their files are.
    pub(crate) fn folder(&self) -> PathBuf {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).folder.clone()
    }

    /// How often the plugin was run.
    pub(crate) fn plugin_runs(&self) -> usize {
        let current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let runs = std::fs::read_to_string(current.folder.join("plugin-runs")).unwrap_or_default();
        runs.lines().count()
    }

    /// A kubeconfig for a server with this certificate.
    pub(crate) fn kubeconfig(&self, by: By, server: &str, pem: &str) -> Value {
        let current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let user = match by {
            By::File => json!({"tokenFile": current.folder.join("token")}),
            By::Plugin => json!({"exec": {
                "apiVersion": "client.authentication.k8s.io/v1", "command": "sh",
                "args": [current.folder.join("plugin")], "interactiveMode": "Never",
            }}),
        };
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {
                "server": server, "certificate-authority-data": ByteString(pem.as_bytes().to_vec()),
            }}],
            "users": [{"name": "proxy", "user": user}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
        })
    }
}
