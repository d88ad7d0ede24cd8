//! Request paths with their queries.

/// Appends `?name=value&…` to a path, the values percent-encoded.
pub(super) fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    let mut uri = path.to_owned();
    for (n, (name, value)) in query.iter().enumerate() {
        uri.push(if n == 0 { '?' } else { '&' });
        uri.push_str(name);
        uri.push('=');
        uri.push_str(&encoded(value));
    }
    uri
}

/// One part of a path or query: everything but RFC 3986's unreserved characters is encoded.
pub(super) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_what_would_be_read_as_something_else() {
        assert_eq!(
            with_query("/a", &[("labelSelector", "x/y=z"), ("follow", "true")]),
            "/a?labelSelector=x%2Fy%3Dz&follow=true"
        );
        assert_eq!(with_query("/a", &[]), "/a");
        assert_eq!(encoded("../x?y#ü"), "..%2Fx%3Fy%23%C3%BC");
    }
}
