//! The grammar of image references (github.com/distribution/reference normalize.go, regexp.go;
//! pure): which names a kubelet refuses as InvalidImageName, and with which words.

/// The whole name of an image, as container runtimes report it: `docker.io/library/busybox:latest`.
///
/// # Errors
/// Why it is no image reference.
pub fn normalize(image: &str) -> Result<String, String> {
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    if image.len() == 64 && image.chars().all(hex) {
        return Err(format!(
            "invalid repository name ({image}), cannot specify 64-byte hexadecimal strings"
        ));
    }
    let (domain, rest) = split_domain(image);
    let remote = rest.split(':').next().unwrap_or_default();
    if remote.to_lowercase() != remote {
        return Err(format!(
            "invalid reference format: repository name ({remote}) must be lowercase"
        ));
    }
    let invalid = || "invalid reference format".to_owned();
    let (named, digest) = match rest.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (rest.as_str(), None),
    };
    let (path, tag) = match named.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (named, None),
    };
    if !is_domain(&domain) || !path.split('/').all(is_component) || !tag.is_none_or(is_tag) {
        return Err(invalid());
    }
    if let Some(digest) = digest {
        if !has_digest_form(digest) {
            return Err(invalid());
        }
        check_digest(digest)?;
    }
    if path.len() > 255 {
        return Err("repository name must not be more than 255 characters".to_owned());
    }
    let tag = tag.or(digest.is_none().then_some("latest"));
    let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
    let digest = digest.map(|digest| format!("@{digest}")).unwrap_or_default();
    Ok(format!("{domain}/{path}{tag}{digest}"))
}

/// `splitDockerDomain`: the registry, and the rest of the name.
fn split_domain(image: &str) -> (String, String) {
    let (domain, rest) = match image.split_once('/') {
        None => ("docker.io", image),
        Some(("index.docker.io", rest)) => ("docker.io", rest),
        Some((first, rest)) if first == "localhost" || first.contains(['.', ':']) => (first, rest),
        Some((first, rest)) if first.to_lowercase() != first => (first, rest),
        Some(_) => ("docker.io", image),
    };
    let official = domain == "docker.io" && !rest.contains('/');
    (
        domain.to_owned(),
        format!("{}{rest}", if official { "library/" } else { "" }),
    )
}

fn is_domain(domain: &str) -> bool {
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    if let Some(rest) = domain.strip_prefix('[') {
        let Some((ip, port)) = rest.split_once(']') else {
            return false;
        };
        let ip_form = !ip.is_empty() && ip.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
        return ip_form && (port.is_empty() || port.strip_prefix(':').is_some_and(digits));
    }
    let (host, port) = match domain.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (domain, None),
    };
    let label = |label: &str| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    host.split('.').all(label) && port.is_none_or(digits)
}

/// Letters and digits, with single separators between: one of `.`, `_`, `__`, or dashes.
fn is_component(part: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let separators = part.split(|c: char| c.is_ascii() && plain(c as u8));
    let separator = |s: &str| matches!(s, "" | "." | "_" | "__") || s.bytes().all(|b| b == b'-');
    let edges = |b: Option<u8>| b.is_some_and(plain);
    edges(part.bytes().next()) && edges(part.bytes().last()) && separators.into_iter().all(separator)
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= 128 && tag.bytes().next().is_some_and(word) && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

fn has_digest_form(digest: &str) -> bool {
    let Some((algorithm, encoded)) = digest.split_once(':') else {
        return false;
    };
    let part = |part: &str| {
        part.bytes().next().is_some_and(|b| b.is_ascii_alphabetic()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    algorithm.split(['-', '_', '+', '.']).all(part)
        && encoded.len() >= 32
        && encoded.bytes().all(|b| b.is_ascii_hexdigit())
}

/// github.com/opencontainers/go-digest `Validate`.
fn check_digest(digest: &str) -> Result<(), String> {
    let (algorithm, encoded) = digest.split_once(':').unwrap_or_default();
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return Err("unsupported digest algorithm".to_owned()),
    };
    if encoded.len() != length {
        return Err("invalid checksum digest length".to_owned());
    }
    if encoded.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err("invalid checksum digest format".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (image, whole) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("busybox:1.36", "docker.io/library/busybox:1.36"),
            ("team/tool", "docker.io/team/tool:latest"),
            ("docker.io/tool", "docker.io/library/tool:latest"),
            ("index.docker.io/a/b", "docker.io/a/b:latest"),
            ("localhost/x", "localhost/x:latest"),
            ("localhost:5000/x:y", "localhost:5000/x:y"),
            ("[::1]:5000/x", "[::1]:5000/x:latest"),
            ("Registry.Example.com/x", "Registry.Example.com/x:latest"),
            ("UPPER/x", "UPPER/x:latest"),
            ("a__b-.c", ""),
            ("a__b--c.d_e", "docker.io/library/a__b--c.d_e:latest"),
            ("busybox:Tag_1.0-x", "docker.io/library/busybox:Tag_1.0-x"),
        ] {
            let expected = (!whole.is_empty()).then(|| whole.to_owned());
            assert_eq!(normalize(image).ok(), expected, "{image}");
        }
        assert_eq!(
            normalize(&format!("a@{digest}")),
            Ok(format!("docker.io/library/a@{digest}"))
        );
        assert_eq!(
            normalize(&format!("a:1@{digest}")),
            Ok(format!("docker.io/library/a:1@{digest}"))
        );
    }

    #[test]
    fn what_is_no_reference_is_refused_with_the_librarys_words() {
        let plain = "invalid reference format";
        for image in [
            "",
            ":",
            "busybox:",
            "a b",
            " a",
            "a//b",
            "/a",
            "a/",
            "a:b:c",
            "a@sha256:12",
            "a@",
            "-a",
            "a-",
            "a___b",
            "a..b",
            "a._b",
            "http://a/b",
            "a:-tag",
            "ex_ample.com/a",
            "localhost:/a",
            "[::1/a",
            "grün",
        ] {
            assert_eq!(normalize(image), Err(plain.to_owned()), "{image:?}");
        }
        assert_eq!(normalize(&format!("a:{}", "t".repeat(129))), Err(plain.to_owned()));
        for (image, words) in [
            (
                "Busybox:latest".to_owned(),
                "invalid reference format: repository name (library/Busybox) must be lowercase".to_owned(),
            ),
            (
                "ghcr.io/Team/x".to_owned(),
                "invalid reference format: repository name (Team/x) must be lowercase".to_owned(),
            ),
            (
                "f".repeat(64),
                format!(
                    "invalid repository name ({}), cannot specify 64-byte hexadecimal strings",
                    "f".repeat(64)
                ),
            ),
            (
                "x".repeat(250),
                "repository name must not be more than 255 characters".to_owned(),
            ),
            (
                format!("a@sha256:{}", "0".repeat(63)),
                "invalid checksum digest length".to_owned(),
            ),
            (
                format!("a@sha256:{}", "A".repeat(64)),
                "invalid checksum digest format".to_owned(),
            ),
            (
                format!("a@md5:{}", "0".repeat(32)),
                "unsupported digest algorithm".to_owned(),
            ),
        ] {
            assert_eq!(normalize(&image), Err(words), "{image}");
        }
    }
}
