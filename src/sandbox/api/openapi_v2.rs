//! `/openapi/v2`, of which kubectl asks one thing: whether the server checks the fields of Namespaces itself. As it
//! answers for those, kubectl takes it to answer for what is in a `List` (k8s.io/cli-runtime
//! pkg/resource/query_param_verifier.go). In protobuf, as that asks for it (gnostic's `OpenAPIv2.proto`; pure).

/// The one form that there is.
pub(super) const FORM: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/// The same, as clients in Go ask for it.
pub(super) const ASKED: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/// The document: `PATCH` of a Namespace has the parameter `fieldValidation`.
pub(super) fn document() -> Vec<u8> {
    let query = [text(2, "query"), text(4, "fieldValidation")].concat();
    let parameter = field(8, &field(1, &field(2, &field(3, &query))));
    let any = text(2, "{group: \"\", kind: Namespace, version: v1}");
    let extension = [text(1, "x-kubernetes-group-version-kind"), field(2, &any)].concat();
    let patch = [parameter, field(13, &extension)].concat();
    let path = [text(1, "/api/v1/namespaces/{name}"), field(2, &field(8, &patch))].concat();
    let info = [text(1, "kjo sandbox"), text(2, env!("CARGO_PKG_VERSION"))].concat();
    [text(1, "2.0"), field(2, &info), field(8, &field(2, &path))].concat()
}

fn text(number: u8, text: &str) -> Vec<u8> {
    field(number, text.as_bytes())
}

/// A field that has a length; of numbers below 16 the tag is one byte.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![(number << 3) | 2];
    let mut rest = content.len();
    // A varint: seven bits a byte, the lowest first.
    loop {
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            bytes.push(low & 0x7f);
            break;
        }
        bytes.push(low | 0x80);
    }
    bytes.extend_from_slice(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_varints() {
        assert_eq!(text(1, "ab"), [0x0a, 2, b'a', b'b']);
        let long = field(8, &[0; 300]);
        assert_eq!((&long[..3], long.len()), (&[0x42, 0xac, 0x02][..], 303));
        assert_eq!(document()[..5], [0x0a, 3, b'2', b'.', b'0']);
    }
}
