//! An API server that says what a test has written down for it. For what neither the sandbox nor a real
//! cluster can be made to say.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
};

use serde_json::{Value, json};

use crate::support::Kjo;

/// The head of a request and its body in; code and body out.
type Script = dyn Fn(&str, &Value) -> (u16, Value) + Send + Sync;

/// Serves the script until the test process ends, and gives kjo a kubeconfig for it. Method and path with
/// query in; code and body out.
pub(crate) fn served(kjo: Kjo, script: impl Fn(&str, &str, &Value) -> (u16, Value) + Send + Sync + 'static) -> Kjo {
    let port = heard(move |head, body| {
        let mut words = head.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        script(method, path, body)
    });
    let kubeconfig = crate::KUBECONFIG.replace("https://127.0.0.1:PORT", &format!("http://127.0.0.1:{port}"));
    kjo.file("kubeconfig", kubeconfig).env("KUBECONFIG", "kubeconfig")
}

/// Serves a script that sees whole heads, until the test process ends; its port.
pub(crate) fn heard(script: impl Fn(&str, &Value) -> (u16, Value) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let script: Arc<Script> = Arc::new(script);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let script = Arc::clone(&script);
            // An error is a client that has gone.
            std::thread::spawn(move || drop(serve(stream, &script)));
        }
    });
    port
}

fn serve(stream: TcpStream, script: &Arc<Script>) -> std::io::Result<()> {
    let mut answers = stream.try_clone()?;
    let mut requests = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if requests.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse().ok())?
        });
        let mut body = vec![0; length.unwrap_or(0)];
        requests.read_exact(&mut body)?;
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let (code, answer) = script(&head, &body);
        let text = answer.to_string();
        write!(
            answers,
            "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        )?;
    }
}

/// An error answer of an API server.
pub(crate) fn refusal(code: u16, reason: &str, message: &str) -> (u16, Value) {
    (
        code,
        json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}),
    )
}
