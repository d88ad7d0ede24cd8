use super::*;
use serde_json::json;

fn read(text: &str) -> Vec<Value> {
    documents("job.yaml", text.as_bytes())
        .unwrap_or_else(|e| panic!("{e}\n{text}"))
        .into_iter()
        .map(|document| document.value)
        .collect()
}

fn refused(bytes: impl AsRef<[u8]>) -> String {
    let refusal = documents("job.yaml", bytes.as_ref()).expect_err("it is refused");
    let excerpt = refusal.excerpt.as_ref().map(|text| format!("\n{text}"));
    let hint = refusal.hint.clone().unwrap_or_default();
    format!("{refusal}{}\nhint: {hint}", excerpt.unwrap_or_default())
}

#[test]
fn words_as_kubectl_reads_them() {
    for (word, value) in [
        ("0644", json!(420)),
        ("0o17", json!(15)),
        ("08", json!(8)),
        ("0x3", json!(3)),
        ("0b11", json!(3)),
        ("-0x1F", json!(-31)),
        ("1_000", json!(1000)),
        ("1e3", json!(1000)),
        ("1e400", json!("1e400")),
        ("+1", json!(1)),
        ("1.", json!(1)),
        (".5", json!(0.5)),
        (".", json!(".")),
        ("-x", json!("-x")),
        ("1.5_0", json!(1.5)),
        ("18446744073709551615", json!(1.844_674_407_370_955_2e19)),
        ("12345678901234567890123", json!(1.234_567_890_123_456_8e22)),
        ("yes", json!(true)),
        ("on", json!(true)),
        ("n", json!(false)),
        ("OFF", json!(false)),
        ("oN", json!("oN")),
        ("~", Value::Null),
        ("", Value::Null),
        ("2001-12-14", json!("2001-12-14")),
        ("12:30", json!("12:30")),
        ("\"0644\"", json!("0644")),
        ("!!str 0644", json!("0644")),
        ("!!int \"3\"", json!(3)),
        ("!custom 3", json!("3")),
        ("100m", json!("100m")),
    ] {
        assert_eq!(read(&format!("a: {word}\n"))[0]["a"], value, "{word}");
    }
}

#[test]
fn keys_are_words_too() {
    let value = &read("1: a\n0x10: b\ny: c\n1.5: d\n1e6: e\n\"on\": f\n")[0];
    assert_eq!(
        value,
        &json!({"1": "a", "16": "b", "true": "c", "1.5": "d", "1e+06": "e", "on": "f"})
    );
}

#[test]
fn documents_are_parted_as_kubectl_parts_them() {
    let two = json!([{"a": 1}, {"b": 2}]);
    for text in [
        "a: 1\n---\nb: 2\n",
        "\u{feff}--- # c\r\na: 1\r\n---\r\nb: 2\r\n---\r\n",
        "---\n---\n# nothing\n---\na: 1\n---  \nnull\n---\nb: 2",
        "{\"a\": 1}\n---\nb: 2\n",
        "{\"a\": 1} {\"b\": 2}",
        "{\"a\": 1}\n{\"b\": 2}\n",
        "{a: 1}\n---\n{b: 2}\n",
        "{\"a\": 1,}\n---\nb: 2",
    ] {
        assert_eq!(json!(read(text)), two, "{text}");
    }
    assert_eq!(read(""), Vec::<Value>::new());
    assert_eq!(read("# a comment\n---\n"), Vec::<Value>::new());
}

#[test]
fn text_in_blocks_keeps_its_last_line_end() {
    assert_eq!(read("a: |\n  x\n  y")[0]["a"], "x\ny\n");
    assert_eq!(read("a: >-\r\n  x\r\n  y\r\n")[0]["a"], "x y");
}

#[test]
fn utf_16_with_its_mark() {
    let text = "a: gr\u{fc}\u{df}e \u{1f600}\n";
    for (mark, unit) in [
        ([0xff, 0xfe], u16::to_le_bytes as fn(u16) -> [u8; 2]),
        ([0xfe, 0xff], u16::to_be_bytes),
    ] {
        let bytes: Vec<u8> = mark.into_iter().chain(text.encode_utf16().flat_map(unit)).collect();
        let value = documents("f", &bytes).unwrap().remove(0).value;
        assert_eq!(value["a"], "gr\u{fc}\u{df}e \u{1f600}");
    }
    insta::assert_snapshot!(refused([0xff, 0xfe, b'a']));
    insta::assert_snapshot!(refused([0xff, 0xfe, 0x00, 0xd8]));
    insta::assert_snapshot!(refused(
        "a: \u{1f600}"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<_>>()
    ));
}

#[test]
fn anchors_and_merge_keys() {
    let text = "base: &b {x: 1, w: 2}\nmore: &m {w: 3, z: 4}\nc:\n  <<: [*b, *m]\n  x: 5\nd: *b\n";
    let value = &read(text)[0];
    assert_eq!(value["c"], json!({"x": 5, "w": 2, "z": 4}));
    assert_eq!(value["d"], json!({"x": 1, "w": 2}));
    let quoted = &read("a: {\"<<\": {b: 1}}")[0];
    assert_eq!(quoted["a"]["<<"]["b"], 1);
}

#[test]
fn lists_are_taken_apart() {
    let list = "apiVersion: v1\nkind: List\nmetadata: {resourceVersion: ''}\nitems:\n- {kind: A}\n- {kind: B}\n";
    assert_eq!(json!(read(list)), json!([{"kind": "A"}, {"kind": "B"}]));
    let jobs = "apiVersion: batch/v1\nkind: JobList\nitems:\n- {metadata: {name: a}}\n- {kind: Job}\n";
    assert_eq!(
        json!(read(jobs)),
        json!([{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}}, {"kind": "Job"}])
    );
    insta::assert_snapshot!(refused("kind: List\nmetadata:\n  labels: {a: b}\nitems: []\n"));
    insta::assert_snapshot!(refused("kind: List\nitems: []\nspec: {}\n"));
    insta::assert_snapshot!(refused("kind: List\nitems:\n  kind: Job\n"));
    insta::assert_snapshot!(refused("kind: List\nitems: [Job]\n"));
    insta::assert_snapshot!(refused("kind: List\nitems:\n- kind: List\n  items: []\n"));
}

#[test]
fn keeps_fields_that_nobody_knows() {
    assert_eq!(
        read("spec: {newField: [1, {a: null}]}\n")[0]["spec"]["newField"][1],
        json!({"a": null})
    );
}

#[test]
fn says_where_the_yaml_is_wrong() {
    insta::assert_snapshot!(refused("kind: Job\nmetadata:\n  name: a\n   labels: {}\n"));
    insta::assert_snapshot!(refused("kind: [Job\n"));
    insta::assert_snapshot!(refused("a: \"\u{1}\""));
    insta::assert_snapshot!(refused("kind: Job\nspec:\n\tparallelism: 1\n"));
    insta::assert_snapshot!(refused("a: 1\n---\nb: {\n---\nc: 3\n"));
    insta::assert_snapshot!(refused("a: *nowhere\n"));
    insta::assert_snapshot!(refused("a: &a [*a]\n"));
    insta::assert_snapshot!(refused("{{ .Values.job }}\n"));
    insta::assert_snapshot!(refused("image: {{ image }}\n"));
    insta::assert_snapshot!(refused("a: .inf\n"));
    insta::assert_snapshot!(refused("<<: 3\n"));
    insta::assert_snapshot!(refused("%YAML 1.1\n---\na: 1\n"));
    insta::assert_snapshot!(refused("{\"a\": 1 \"b\": 2}"));
    insta::assert_snapshot!(refused("{\"a\": 1}{\"b\": 2}{c"));
}

#[test]
fn refuses_what_kubectl_silently_loses() {
    insta::assert_snapshot!(refused(
        "apiVersion: batch/v1\nkind: Job\napiVersion: batch/v1\nkind: Job\n"
    ));
    insta::assert_snapshot!(refused("data: {yes: 1, on: 2}\n"));
    insta::assert_snapshot!(refused("data: {1: a, \"1\": b}\n"));
    insta::assert_snapshot!(refused("a: 1\n...\nb: 2\n"));
    insta::assert_snapshot!(refused("---\n{\"a\": 1}\n{\"b\": 2}\n"));
    insta::assert_snapshot!(refused("{\"a\": 1, \"a\": 2}"));
    insta::assert_snapshot!(refused("a: 1\r---\rb: 2\r"));
    insta::assert_snapshot!(refused("a: 1\n--- b: 2\n"));
    insta::assert_snapshot!(refused(b"a: 1\nb: \xff"));
    insta::assert_snapshot!(refused("# a\u{2028}kind: Job\n"));
    insta::assert_snapshot!(refused("x: &x {a: 1}\ny:\n  a: 2\n  <<: *x\n"));
}

#[test]
fn bombs_and_depths_end_in_an_error() {
    let ten = |n: usize| vec![format!("*a{}", n - 1); 10].join(", ");
    let bomb = (1..9)
        .map(|n| format!("a{n}: &a{n} [{}]\n", ten(n)))
        .collect::<String>();
    insta::assert_snapshot!(refused(format!("a0: &a0 [{}]\n{bomb}", ["x"; 10].join(", "))));
    let deep: String = (1..300).map(|n| format!("a{n}: &a{n} [*a{}]\n", n - 1)).collect();
    assert!(refused(format!("a0: &a0 x\n{deep}")).contains("nested deeper than 250 levels"));
    for text in [
        "[".repeat(10_000),
        "{a: ".repeat(10_000),
        "{\"a\":".repeat(10_000),
        "- ".repeat(10_000),
        format!("{{\"a\":{}", "[".repeat(10_000)),
        (0..2_000).map(|n| format!("{}a:\n", " ".repeat(n))).collect(),
    ] {
        let said = refused(&text);
        assert!(
            said.contains("nest") || said.contains("deep") || said.contains("recursion"),
            "{said}"
        );
    }
    let long = "x".repeat(100_000);
    let bomb = format!("a: &a {long}\nb: [{}]\n", vec!["*a"; 1000].join(", "));
    assert!(refused(bomb).contains("too much for one document"));
}

#[test]
fn places_of_fields() {
    let document = documents(
        "job.yaml",
        b"kind: Job\nspec:\n  template:\n    spec: {containers: [{name: a}]}\n",
    )
    .unwrap()
    .remove(0);
    let at = |path: &[&str]| document.refuse(path, "here", "").message;
    assert_eq!(at(&["spec", "template"]), "job.yaml, line 4, column 5: here");
    assert_eq!(
        at(&["spec", "template", "spec", "containers", "0", "name"]),
        "job.yaml, line 4, column 32: here"
    );
    assert_eq!(at(&["spec", "nowhere"]), "job.yaml, line 3, column 3: here");
    let key = document.refuse_key(&["spec", "template", "spec", "containers", "0", "name"], "here", "");
    assert_eq!(key.message, "job.yaml, line 4, column 26: here");
    assert_eq!(
        Document::made("--image", json!({})).refuse(&["a"], "here", "").message,
        "--image: here"
    );
}
