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

/// Parameters whose values are shown: those that kjo sends itself.
const SHOWN: [&str; 13] = [
    "allowWatchBookmarks",
    "container",
    "fieldManager",
    "fieldSelector",
    "fieldValidation",
    "follow",
    "labelSelector",
    "previous",
    "resourceVersion",
    "sinceTime",
    "tailLines",
    "timestamps",
    "watch",
];

/// A path and its query for people. Values that could be anything are left out.
pub(super) fn shown(uri: &str) -> String {
    let Some((path, query)) = uri.split_once('?') else {
        return uri.to_owned();
    };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if !SHOWN.contains(&name) => format!("{name}=…"),
        Some(_) | None => pair.to_owned(),
    });
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_parameters_keep_their_values_to_themselves() {
        assert_eq!(
            shown("/api/v1/pods?watch=true&token=sesame"),
            "/api/v1/pods?watch=true&token=…"
        );
        assert_eq!(shown("/api/v1/pods"), "/api/v1/pods");
    }

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
