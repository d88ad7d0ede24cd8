use super::*;

fn job() -> Value {
    json!({
        "metadata": {"name": "etl"},
        "spec": {"template": {"spec": {
            "containers": [
                {"name": "a", "image": "x", "unknown": {"kept": 1}, "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]},
                {"name": "b", "image": "y"},
            ],
            "tolerations": [{"key": "k"}],
            "volumes": [{"name": "v", "emptyDir": {}}],
        }}},
    })
}

fn patched(patch: &str) -> Value {
    let patch = parse::map("--patch", patch).unwrap();
    let mut job = job();
    apply(&mut job, &[Change::Patch(patch)], None).unwrap();
    job["spec"]["template"]["spec"].take()
}

fn set(argument: &str) -> Result<Value, String> {
    let mut job = job();
    let change = Change::set(argument).map_err(|e| e.to_string())?;
    apply(&mut job, &[change], None).map_err(|e| e.to_string())?;
    Ok(job)
}

#[test]
fn a_flag_changes_its_field_and_nothing_else() {
    let mut changed = job();
    let changes = [
        Change::field(At::Container, "image", "z"),
        Change::item(At::Container, "env", &["name"], json!({"name": "B", "value": "2"})),
        Change::item(At::Container, "env", &["name"], json!({"name": "C", "value": "3"})),
        Change::entry(At::PodMetadata, "labels", "example.com/a", "b"),
        Change::field(At::Pod, "securityContext.runAsUser", 1000),
        Change::item(At::Pod, "tolerations", &[], json!({"key": "l"})),
        Change::field(At::Job, "backoffLimit", 1),
        Change::entry(At::JobMetadata, "labels", "c", "d"),
    ];
    apply(&mut changed, &changes, Some("a")).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&changed).unwrap());
    assert_eq!(
        changed["spec"]["template"]["spec"]["containers"][1],
        job()["spec"]["template"]["spec"]["containers"][1]
    );
    insta::assert_snapshot!(
        apply(&mut changed, &changes, Some("c")).unwrap_err(),
        @"--main-container c: the manifest has a, b"
    );
    insta::assert_snapshot!(
        apply(&mut json!({}), &changes, None).unwrap_err(),
        @"the manifest has no container that flags could be laid over"
    );
    insta::assert_snapshot!(
        apply(&mut json!({"spec": "x"}), &changes, None).unwrap_err(),
        @"spec of the manifest is not a map, and a flag is to be laid over it"
    );
}

#[test]
fn patches_merge_as_kubectl_merges_them() {
    let pod =
        patched("spec: {template: {spec: {containers: [{name: b, image: z}, {name: c}], tolerations: [{key: m}]}}}");
    assert_eq!(pod["containers"][1], json!({"name": "b", "image": "z"}));
    assert_eq!(pod["containers"][2], json!({"name": "c"}));
    assert_eq!(pod["containers"][0]["unknown"], json!({"kept": 1}));
    assert_eq!(
        pod["tolerations"],
        json!([{"key": "m"}]),
        "a list without a key is replaced"
    );
    let pod = patched(
        "spec: {template: {spec: {containers: [{name: a, $patch: delete}], tolerations: null, volumes: [{$patch: replace}, {name: w}]}}}",
    );
    assert_eq!(pod["containers"], json!([{"name": "b", "image": "y"}]));
    assert_eq!(
        (pod.get("tolerations"), &pod["volumes"]),
        (None, &json!([{"name": "w"}]))
    );
    let pod = patched("spec: {template: {spec: {containers: [{name: a, env: [{name: A, value: '9'}]}]}}}");
    assert_eq!(pod["containers"][0]["env"][0], json!({"name": "A", "value": "9"}));
    assert_eq!(pod["containers"][0]["env"].as_array().map(Vec::len), Some(2));
    let refused = |patch: &str| {
        let patch = parse::yaml("--patch", patch).unwrap();
        apply(&mut job(), &[Change::Patch(patch)], None)
            .unwrap_err()
            .to_string()
    };
    insta::assert_snapshot!(refused("[a]"), @"a patch is a map of the fields to change");
    insta::assert_snapshot!(
        refused("spec: {template: {spec: {containers: [{image: z}]}}}"),
        @"an item of the patch has no name, by which the items of its list are told apart"
    );
    insta::assert_snapshot!(refused("{$patch: delete}"), @"the patch would delete the whole Job ($patch: delete)");
}

#[test]
fn one_field_by_its_path() {
    let at = |argument: &str, pointer: &str| set(argument).unwrap().pointer(pointer).cloned();
    assert_eq!(at("spec.backoffLimit=2", "/spec/backoffLimit"), Some(json!(2)));
    assert_eq!(at("spec.suspend=yes", "/spec/suspend"), Some(json!(true)));
    let image = "/spec/template/spec/containers/1/image";
    for path in ["containers[1]", "containers[b]", "containers[name=b]"] {
        assert_eq!(
            at(&format!("spec.template.spec.{path}.image=z:1"), image),
            Some(json!("z:1"))
        );
    }
    let annotation = "/metadata/annotations/example.com~1a.b";
    assert_eq!(
        at("metadata.annotations[\"example.com/a.b\"]=c=d", annotation),
        Some(json!("c=d"))
    );
    assert_eq!(at("spec.a=", "/spec/a"), Some(json!("")));
    assert_eq!(at("spec.template=null", "/spec/template"), None);
    assert_eq!(
        at(
            "spec.template.spec.containers[a]=null",
            "/spec/template/spec/containers/0/name"
        ),
        Some(json!("b"))
    );
    assert_eq!(
        at(
            "spec.template.spec.containers[2]={name: c}",
            "/spec/template/spec/containers/2/name"
        ),
        Some(json!("c"))
    );
    assert_eq!(
        at(
            "spec.template.spec.nodeSelector.disk=ssd",
            "/spec/template/spec/nodeSelector/disk"
        ),
        Some(json!("ssd"))
    );
    // A command line has no comments.
    let annotation = |value: &str| at(&format!("metadata.annotations.a={value}"), "/metadata/annotations/a");
    for (written, meant) in [
        ("a #b", "a #b"),
        ("#b", "#b"),
        ("fix #12", "fix #12"),
        ("'a #b'", "a #b"),
        ("\"a # b\"", "a # b"),
        ("5 #x", "5 #x"),
        (" ", " "),
    ] {
        assert_eq!(annotation(written), Some(json!(meant)), "{written}");
    }
    assert_eq!(at("spec.a={b: 'c #d'}", "/spec/a/b"), Some(json!("c #d")));
    assert_eq!(
        at("spec.a={b: 1 # c\n}", "/spec/a/b"),
        Some(json!(1)),
        "YAML of several lines"
    );
    assert_eq!(
        at(
            "spec.template.spec.initContainers[0].image=x",
            "/spec/template/spec/initContainers/0/image"
        ),
        Some(json!("x"))
    );
    for wrong in [
        "spec",
        "=x",
        "spec.a={b: 1} # c",
        "kind=Pod",
        "apiVersion=v1",
        "metadata.name=x",
        "metadata.namespace=x",
        "metadata={name: x}",
        "spec.template.spec.containers[2].image=x",
        "spec.template.spec.containers[2]=null",
        "spec..a=b",
        "spec[]=b",
        "spec[0",
        "spec.a[0]b=c",
        "spec.template.spec.containers[9].image=x",
        "spec.template.spec.containers[z].image=x",
        "metadata.name.x=y",
        "metadata.name[0]=y",
        "spec.a=[b",
    ] {
        assert!(set(wrong).is_err(), "{wrong}");
    }
    insta::assert_snapshot!(
        set("spec.template.spec.containers[z].image=x").unwrap_err(),
        @"--set spec.template.spec.containers[z].image: no item of the list has the name z"
    );
    insta::assert_snapshot!(
        set("spec.template.spec.containers[2].image=x").unwrap_err(),
        @"--set spec.template.spec.containers[2].image: the list has 2 items, and the last is [1]"
    );
    insta::assert_snapshot!(set("metadata.name=x").unwrap_err(), @"--set metadata.name: this is not set by its path");
}

#[test]
fn small_languages() {
    let own = |name: &str| (name == "HOME").then(|| "/home/me".to_owned());
    assert_eq!(
        parse::env_file("f", "# c\nA=1=2\n\n  B=\nHOME\nNONE\n", &own).unwrap(),
        [
            ("A".into(), "1=2".into()),
            ("B".into(), String::new()),
            ("HOME".into(), "/home/me".into())
        ]
    );
    assert!(parse::env_file("f", "export A=1\n", &own).is_err());
    assert_eq!(parse::env_from("cm/a").unwrap(), json!({"configMapRef": {"name": "a"}}));
    assert_eq!(
        parse::env_from("secret/a").unwrap(),
        json!({"secretRef": {"name": "a"}})
    );
    assert!(parse::env_from("pod/a").is_err() && parse::env_from("secret").is_err());
    assert_eq!(
        parse::env_key("--env-secret", "secretKeyRef", "A=s:k").unwrap(),
        json!({"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}})
    );
    assert_eq!(
        parse::port("dns=53/udp").unwrap(),
        json!({"name": "dns", "containerPort": 53, "protocol": "UDP"})
    );
    assert!(parse::port("0").is_err() && parse::port("x").is_err());
    assert_eq!(
        parse::toleration("a=b:NoSchedule").unwrap(),
        json!({"key": "a", "operator": "Equal", "value": "b", "effect": "NoSchedule"})
    );
    assert_eq!(
        parse::toleration("a").unwrap(),
        json!({"key": "a", "operator": "Exists"})
    );
    assert_eq!(parse::user("1:2"), Ok((1, Some(2))));
    assert!(parse::user("root").is_err());
    let (volume, mount) = parse::mount("type=secret,src=s,dst=/s,ro,mode=0400", |_| "mount-1".to_owned()).unwrap();
    assert_eq!(
        volume,
        json!({"name": "mount-1", "secret": {"secretName": "s", "defaultMode": 256}})
    );
    assert_eq!(mount, json!({"name": "mount-1", "mountPath": "/s", "readOnly": true}));
    for wrong in [
        "type=nfs,source=a,target=/a",
        "source=a",
        "type=pvc,target=/a",
        "type=emptydir",
        "type=emptydir,tarjet=/a",
    ] {
        assert!(parse::mount(wrong, |_| "mount-1".to_owned()).is_err(), "{wrong}");
    }
}
