//! A proxy of the tests' own between kjo and an API server, at two levels.
//!
//! - [`tcp`]: bytes on their way, with resets, ends, stalls and refusals. kjo sees the server's own
//!   certificate, and is the user of the kubeconfig.
//! - [`http`]: behind a certificate of its own and with tokens that it gives out and takes back itself:
//!   refusals, lost answers, and bodies that are cut, ended, slow or silent. It is the user of the real
//!   kubeconfig.
#![allow(dead_code, reason = "shared by two suites, each of which uses most of it")]

pub(crate) mod body;
pub(crate) mod http;
pub(crate) mod tcp;
pub(crate) mod token;

use std::{net::SocketAddr, path::Path};

use kube::config::Kubeconfig;

/// The address in a kubeconfig's server, which stands on this machine.
pub(crate) fn server_of(kubeconfig: &Path) -> SocketAddr {
    let file = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
    let cluster = file.clusters.first().and_then(|named| named.cluster.as_ref());
    let server = cluster.and_then(|cluster| cluster.server.clone()).expect("a server");
    let uri: ::http::Uri = server.parse().expect("an address");
    let authority = uri.authority().expect("host and port").as_str();
    authority.parse().expect("a server on 127.0.0.1")
}

/// The same kubeconfig, for whom the server is at this port.
pub(crate) fn with_port(kubeconfig: &Path, port: u16) -> String {
    let text = std::fs::read_to_string(kubeconfig).expect("a kubeconfig");
    let server = server_of(kubeconfig).to_string();
    text.replace(&server, &format!("127.0.0.1:{port}"))
}
