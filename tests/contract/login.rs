//! A user whose token ends in the middle of a run.

use std::{
    io::{BufRead as _, BufReader},
    sync::Arc,
    time::Duration,
};

use crate::{
    backend::BACKEND,
    namespace::Namespace,
    outcome::job,
    proxy::{
        http::Http,
        token::{By, Tokens},
    },
    support::Kjo,
};

#[test]
fn a_token_that_ends_is_renewed() {
    let ns = Namespace::new();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    for (by, cut) in [(By::Plugin, true), (By::Plugin, false), (By::File, true)] {
        let folder = tempfile::tempdir().expect("a folder");
        let tokens = Tokens::new(folder.path()).expect("a token");
        let proxy = runtime
            .block_on(Http::start(BACKEND.kubeconfig(), tokens, Arc::new(|_| None)))
            .expect("a proxy");
        let kubeconfig = proxy.tokens.kubeconfig(by, &proxy.server, &proxy.pem);
        let script = "i=0; while [ $i -lt 12 ]; do i=$((i+1)); echo $i; sleep 0.5; done";
        let mut running = Kjo::new(["run", "-f", "-", "-n", &ns.name, "--kubeconfig", "kubeconfig"])
            .file("kubeconfig", kubeconfig.to_string())
            .stdin(job(script).to_string())
            .start();
        let (mut stdout, mut text) = (BufReader::new(running.stdout()), String::new());
        while text.lines().count() < 4 {
            assert!(stdout.read_line(&mut text).expect("a line") > 0, "it ended: {text}");
        }
        proxy.tokens.next().expect("a token");
        if cut {
            proxy.reset_all();
        }
        while stdout.read_line(&mut text).expect("a line") > 0 {}
        let (code, stderr) = running.wait(Duration::from_secs(60));
        let expected: String = (1..=12).map(|i| format!("{i}\n")).collect();
        assert_eq!((code, &text), (0, &expected), "{by:?}, cut {cut}:\n{stderr}");
        if by == By::Plugin {
            assert!(proxy.tokens.plugin_runs() >= 2, "the plugin was not asked again");
        }
    }
    ns.expect_nothing_left();
}
