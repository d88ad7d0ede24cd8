use super::*;

const KUBECONFIG: &str = "
current-context: here
clusters:
- name: c
  cluster: {server: 'https://c:6443', certificate-authority-data: Y2E=, tls-server-name: c.example, proxy-url: 'http://p'}
- name: d
  cluster: {server: 'https://d:6443'}
users:
- name: u
  user: {token: sesame, client-certificate: u.crt, client-key: u.key, as: ann, as-groups: [staff]}
- name: v
  user: {exec: {command: plugin}}
contexts:
- {name: here, context: {cluster: c, user: u, namespace: team}}
- {name: there, context: {cluster: gone, user: nobody}}
";

fn kubeconfig() -> Kubeconfig {
    Kubeconfig::from_yaml(KUBECONFIG).unwrap()
}

struct Seen {
    cluster: Cluster,
    user: AuthInfo,
    namespace: Option<String>,
    chosen: Chosen,
}

fn choose(overrides: &Overrides) -> Result<Seen, Refusal> {
    let chosen = overrides.choose(&kubeconfig())?;
    let only = &chosen.kubeconfig;
    assert_eq!(
        (only.clusters.len(), only.auth_infos.len(), only.contexts.len()),
        (1, 1, 1)
    );
    Ok(Seen {
        cluster: only.clusters[0].cluster.clone().unwrap(),
        user: only.auth_infos[0].auth_info.clone().unwrap(),
        namespace: only.contexts[0].context.clone().unwrap().namespace,
        chosen,
    })
}

#[expect(clippy::unnecessary_wraps, reason = "what it is compared with is optional")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn without_flags_it_is_the_context() {
    let seen = choose(&Overrides::default()).unwrap();
    assert_eq!(seen.cluster.server, some("https://c:6443"));
    assert_eq!(seen.cluster.tls_server_name, some("c.example"));
    assert!(seen.user.token.is_some() && seen.user.client_certificate.is_some());
    assert_eq!(seen.namespace, some("team"));
    assert_eq!((seen.chosen.context, seen.chosen.user), (some("here"), some("u")));
    assert!(seen.chosen.names_proxy);
}

#[test]
fn cluster_and_user_are_each_replaced_and_the_namespace_stays() {
    let seen = choose(&Overrides {
        cluster: some("d"),
        user: some("v"),
        ..Overrides::default()
    })
    .unwrap();
    assert_eq!(seen.cluster.server, some("https://d:6443"));
    assert!(seen.user.exec.is_some() && seen.user.token.is_none() && seen.user.impersonate.is_none());
    assert_eq!(seen.namespace, some("team"));
    assert!(!seen.chosen.names_proxy);
}

#[test]
fn another_server_keeps_all_of_the_cluster_but_the_name_in_its_certificate() {
    let seen = choose(&Overrides {
        server: some("https://e:6443"),
        ..Overrides::default()
    })
    .unwrap();
    assert_eq!(seen.cluster.server, some("https://e:6443"));
    assert_eq!(seen.cluster.tls_server_name, None);
    assert!(seen.cluster.certificate_authority_data.is_some() && seen.chosen.names_proxy);
    assert!(seen.user.token.is_some());
}

#[test]
fn who_does_not_verify_has_no_authority() {
    let seen = choose(&Overrides {
        insecure: true,
        ..Overrides::default()
    })
    .unwrap();
    assert_eq!(seen.cluster.insecure_skip_tls_verify, Some(true));
    assert_eq!(seen.cluster.certificate_authority_data, None);
}

#[test]
fn an_authority_of_ones_own_replaces_the_clusters() {
    let own = Overrides {
        certificate_authority: some("ca.crt"),
        ..Overrides::default()
    };
    let cluster = choose(&own).unwrap().cluster;
    assert_eq!(cluster.certificate_authority, some("ca.crt"));
    assert_eq!(
        (cluster.certificate_authority_data, cluster.insecure_skip_tls_verify),
        (None, None)
    );
    assert_eq!(own.given(), ["--certificate-authority"]);
    let both = Overrides { insecure: true, ..own };
    let refusal = choose(&both).err().expect("a contradiction");
    assert!(refusal.message.contains("--insecure-skip-tls-verify"), "{refusal}");
}

#[test]
fn a_token_file_replaces_all_that_one_logs_in_with_and_not_whom_one_acts_as() {
    for user in ["u", "v"] {
        let seen = choose(&Overrides {
            user: some(user),
            token_file: some("token"),
            ..Overrides::default()
        })
        .unwrap();
        assert_eq!(seen.user.token_file, some("token"));
        assert!(seen.user.token.is_none() && seen.user.exec.is_none());
        assert!(seen.user.client_certificate.is_none() && seen.user.client_key.is_none());
        assert_eq!(seen.user.impersonate.is_some(), user == "u");
    }
}

#[test]
fn whom_one_acts_as_is_replaced_by_the_part() {
    let groups = |groups: &[&str]| Some(groups.iter().map(|group| (*group).to_owned()).collect::<Vec<_>>());
    let seen = choose(&Overrides {
        impersonate: some("bob"),
        ..Overrides::default()
    })
    .unwrap();
    assert_eq!(
        (seen.user.impersonate, seen.user.impersonate_groups),
        (some("bob"), groups(&["staff"]))
    );
    let seen = choose(&Overrides {
        impersonate_groups: vec!["a".to_owned(), "b".to_owned()],
        ..Overrides::default()
    })
    .unwrap();
    assert_eq!(
        (seen.user.impersonate, seen.user.impersonate_groups),
        (some("ann"), groups(&["a", "b"]))
    );
    assert!(seen.user.token.is_some());
}

#[test]
fn a_server_is_enough_without_a_kubeconfig() {
    let overrides = Overrides {
        server: some("https://e:6443"),
        token_file: some("token"),
        ..Overrides::default()
    };
    let chosen = overrides.choose(&Kubeconfig::default()).unwrap();
    let cluster = chosen.kubeconfig.clusters[0].cluster.clone().unwrap();
    assert_eq!(
        (cluster.server, chosen.context, chosen.user),
        (some("https://e:6443"), None, None)
    );
    // Nor does it matter that the context's cluster is gone.
    let seen = choose(&Overrides {
        context: some("there"),
        ..overrides
    });
    assert_eq!(seen.unwrap().cluster.server, some("https://e:6443"));
}

#[test]
fn what_is_not_there_is_refused_with_what_is() {
    let none = Overrides::default;
    let said = |overrides: Overrides| {
        let refusal = choose(&overrides).err().expect("a refusal");
        format!("{}\n  {}", refusal.message, refusal.hint.unwrap_or_default())
    };
    let refusals = [
        Overrides {
            context: some("x"),
            ..none()
        },
        Overrides {
            cluster: some("x"),
            ..none()
        },
        Overrides {
            user: some("x"),
            ..none()
        },
        Overrides {
            user: some("1000:1000"),
            ..none()
        },
        Overrides {
            context: some("there"),
            ..none()
        },
        Overrides {
            server: some("e:6443"),
            ..none()
        },
        Overrides {
            server: some("ftp://e"),
            ..none()
        },
        Overrides {
            server: some("https://e e"),
            ..none()
        },
        Overrides {
            server: some("https://ann:sesame@e"),
            ..none()
        },
        Overrides {
            user: some("v"),
            impersonate_groups: vec!["a".to_owned()],
            ..none()
        },
    ]
    .map(said)
    .join("\n");
    assert!(!refusals.contains("sesame"), "{refusals}");
    insta::assert_snapshot!(refusals);
}
