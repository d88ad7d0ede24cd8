//! What looks as if it were nobody else's business, and how bytes are written where text is wanted.

/// Endings of files with keys.
const KEYS: [&str; 8] = [".key", ".pem", ".p12", ".pfx", ".jks", ".keystore", ".ppk", ".kdbx"];
/// Where tools keep what they log in with.
const CREDENTIALS: [&str; 16] = [
    ".netrc",
    "_netrc",
    ".pgpass",
    ".npmrc",
    ".pypirc",
    ".my.cnf",
    ".git-credentials",
    ".htpasswd",
    ".dockercfg",
    ".dockerconfigjson",
    "credentials",
    "credentials.json",
    "application_default_credentials.json",
    "kubeconfig",
    ".vault-token",
    "secrets.yaml",
];

/// Why this file should not stand in a ConfigMap; `None` if nothing speaks against it.
#[must_use]
pub fn looks_private(path: &str, mode: u32, bytes: &[u8]) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let ends = |ending: &str| name.ends_with(ending);
    let head = bytes.get(..bytes.len().min(64 * 1024)).unwrap_or_default();
    let holds = |text: &str| memchr::memmem::find(head, text.as_bytes()).is_some();
    if name == ".env" || name.starts_with(".env.") || ends(".env") {
        return Some("it looks like a file of variables");
    }
    // The public half of a pair is for everybody.
    let of_ssh = ["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"];
    let of_ssh = of_ssh.iter().any(|key| name.starts_with(key)) && !ends(".pub");
    if KEYS.iter().any(|ending| ends(ending)) || of_ssh {
        return Some("it looks like a key");
    }
    if CREDENTIALS.contains(&name.as_str()) || path.to_ascii_lowercase().ends_with(".docker/config.json") {
        return Some("it is a place for passwords and tokens");
    }
    if holds("PRIVATE KEY-----") {
        return Some("it holds a private key");
    }
    if holds("kind: Config") && (holds("users:") || holds("client-key-data")) {
        return Some("it looks like a kubeconfig");
    }
    // Nobody but its owner may read it.
    (mode != 0 && mode.trailing_zeros() >= 6).then_some("only its owner may read it")
}

/// Base64, as the API wants bytes.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |n: usize| u32::from(chunk.get(n).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for n in 0..4_usize {
            let index = usize::try_from(bits >> (18 - 6 * n) & 63).unwrap_or(0);
            let letter = ALPHABET.get(index).copied().unwrap_or(b'A');
            text.push(if n <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_private() {
        for (path, mode, text) in [
            ("/a/.env", 0o100_644, ""),
            ("prod.env", 0o100_644, ""),
            ("tls.key", 0o100_644, ""),
            ("a.PEM", 0o100_644, ""),
            ("id_ed25519", 0o100_644, ""),
            ("/home/me/.ssh/id_rsa", 0o100_644, ""),
            ("/home/me/.netrc", 0o100_644, ""),
            (".pgpass", 0o100_644, ""),
            (".npmrc", 0o100_644, ""),
            (".pypirc", 0o100_644, ""),
            ("/home/me/.docker/config.json", 0o100_644, ""),
            ("/home/me/.aws/credentials", 0o100_644, ""),
            ("a.p12", 0o100_644, ""),
            ("a.pfx", 0o100_644, ""),
            ("notes", 0o100_644, "-----BEGIN RSA PRIVATE KEY-----"),
            ("config", 0o100_644, "apiVersion: v1\nkind: Config\nusers: []\n"),
            ("notes", 0o100_600, ""),
        ] {
            assert!(looks_private(path, mode, text.as_bytes()).is_some(), "{path}");
        }
        assert_eq!(looks_private("settings.yaml", 0o100_644, b"kind: Config\n"), None);
        assert_eq!(looks_private("environment", 0o100_640, b""), None);
        for public in ["id_rsa.pub", "app/config.json", "id_mapping.csv", "npmrc"] {
            assert_eq!(looks_private(public, 0o100_644, b""), None, "{public}");
        }
    }

    #[test]
    fn bytes_as_text() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"\xff\xfe\xfd\xfc", "//79/A=="),
        ] {
            assert_eq!(base64(bytes), text);
        }
    }
}
