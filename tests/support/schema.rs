//! Holds result documents to their schema; the unit tests, the command line's and the contract's use it.

use std::sync::LazyLock;

use serde_json::Value;

static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(include_str!("../../docs/result.schema.json")).expect("JSON");
    jsonschema::draft202012::meta::validate(&schema).expect("a schema");
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&schema)
        .expect("a schema")
});

/// Panics with every place where the document is not what the schema says.
#[track_caller]
pub(crate) fn expect_valid(document: &Value) {
    let wrong: Vec<String> = SCHEMA
        .iter_errors(document)
        .map(|e| format!("at {:?}: {e}", e.instance_path().to_string()))
        .collect();
    assert!(
        wrong.is_empty(),
        "not as docs/result.schema.json says:\n{}\n{document:#}",
        wrong.join("\n")
    );
}
