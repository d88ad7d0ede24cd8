use super::*;
use crate::spec::read::documents;

fn judged(text: &str) -> String {
    let bundle = Bundle::of("job.yaml", documents("job.yaml", text.as_bytes()).unwrap(), None).unwrap();
    match written(&bundle).and_then(|()| laid(&bundle)) {
        Ok(()) => "taken".to_owned(),
        Err(refusal) => {
            let excerpt = refusal.excerpt.as_ref().map(|text| format!("\n{text}"));
            format!(
                "{refusal}{}\nhint: {}",
                excerpt.unwrap_or_default(),
                refusal.hint.clone().unwrap_or_default()
            )
        }
    }
}

#[test]
fn what_the_api_takes_is_taken() {
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: etl, annotations: {a: '{{ kept }}'}}\nspec:\n  newField: 1\n  template:\n    spec:\n      restartPolicy: Never\n      \
        volumes: [{name: v, emptyDir: {}}]\n      containers:\n      - name: main\n        image: registry:5000/a/b@sha256:00\n        args: ['{{ x }}']\n        \
        env: [{name: a.b-c, value: '${X}'}, {name: E, value: ''}]\n        volumeMounts: [{name: v, mountPath: /v}]\n        \
        resources: {requests: {cpu: 0.5, memory: 1e3, nvidia.com/gpu: 1}, limits: {memory: 1.5Gi, nvidia.com/gpu: '1'}}\n";
    assert_eq!(judged(job), "taken");
}

#[test]
fn places_are_those_of_what_the_job_is_made_of() {
    let container = "{name: main, image: ''}";
    let said = [
        format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n  - {container}\n"),
        format!(
            "apiVersion: v1\nkind: PodTemplate\nmetadata: {{name: p}}\ntemplate:\n  spec:\n    containers:\n    - {container}\n"
        ),
        format!(
            "apiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: p}}\nspec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n          \
             restartPolicy: Never\n          containers:\n          - {container}\n"
        ),
    ];
    let said: Vec<String> = said.iter().map(|text| judged(text)).collect();
    insta::assert_snapshot!(said.join("\n"));
}
