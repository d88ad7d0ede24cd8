use clap::Parser as _;

use super::*;
use crate::cli::{
    args::{Cli, Command},
    settings,
};

/// The flags as typed, and the variables as clap would see them: it reads the environment of the process, so
/// here they are typed as well.
fn parsed(argv: &[&str], variables: &[(&str, &str)]) -> ClusterArgs {
    let twins = variables.iter().filter_map(|(name, value)| {
        let flag = name.strip_prefix("KJO_")?.to_lowercase().replace('_', "-");
        (!["insecure-skip-tls-verify", "in-cluster"].contains(&flag.as_str())).then(|| format!("--{flag}={value}"))
    });
    let argv = ["kjo", "check"].iter().chain(argv).map(|arg| (*arg).to_owned());
    let Command::Check(args) = Cli::try_parse_from(argv.chain(twins)).unwrap().command else {
        panic!("another command");
    };
    args.cluster
}

fn found(argv: &[&str], variables: &[(&str, &str)]) -> Result<crate::cluster::Where, Refusal> {
    let env = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
    let args = parsed(argv, variables);
    sandbox_alone(&args, &env)?;
    settings::cluster(args, &env)
}

#[test]
fn every_flag_arrives() {
    let argv = [
        "--context=k",
        "--cluster=c",
        "--user=u",
        "--server=https://e",
        "--certificate-authority=ca",
        "--token-file=t",
        "--as=a",
        "--as-group=g",
        "--as-group=h",
        "--insecure-skip-tls-verify",
    ];
    let overrides = found(&argv, &[]).unwrap().overrides;
    let shown = format!("{overrides:?}");
    insta::assert_snapshot!(shown);
}

#[test]
fn the_account_of_the_pod_stands_alone() {
    assert!(found(&["--in-cluster"], &[]).unwrap().in_cluster);
    assert!(found(&[], &[("KJO_IN_CLUSTER", "1")]).unwrap().in_cluster);
    assert!(!found(&[], &[("KJO_IN_CLUSTER", "false")]).unwrap().in_cluster);
    let one = found(
        &["--in-cluster", "--as=ann"],
        &[("KJO_TOKEN_FILE", "t"), ("KJO_SERVER", "https://e")],
    )
    .unwrap();
    assert!(one.in_cluster && one.overrides.token_file.is_none() && one.overrides.server.is_none());
    assert_eq!(one.overrides.impersonate.as_deref(), Some("ann"));
    let typed = found(&["--context=k"], &[("KJO_IN_CLUSTER", "1")]).unwrap();
    assert_eq!(
        (typed.in_cluster, typed.overrides.context.as_deref()),
        (false, Some("k"))
    );
    for flag in [
        "--kubeconfig",
        "--context",
        "--cluster",
        "--user",
        "--server",
        "--token-file",
        "--certificate-authority",
    ] {
        let refusal = found(&["--in-cluster", flag, "x"], &[]).expect_err(flag);
        assert!(refusal.message.contains(flag), "{refusal:?}");
    }
    let refusal = found(
        &[],
        &[("KJO_IN_CLUSTER", "yes"), ("KJO_USER", "u"), ("KJO_SERVER", "s")],
    );
    insta::assert_snapshot!(refusal.unwrap_err().message, @"--in-cluster takes the pod's own account and server, and --user names others");
}

#[test]
fn the_sandbox_is_no_other_cluster_either() {
    for flags in [
        &["--server", "https://e"][..],
        &["--token-file", "t"],
        &["--as", "ann"],
        &["--as-group", "staff"],
        &["--in-cluster"],
        &["--insecure-skip-tls-verify"],
    ] {
        let argv: Vec<_> = ["--sandbox"].iter().chain(flags).copied().collect();
        let refusal = found(&argv, &[]).expect_err(flags[0]);
        assert!(refusal.message.contains(flags[0]), "{refusal:?}");
    }
    let variables = [
        ("KJO_SERVER", "https://e"),
        ("KJO_AS", "ann"),
        ("KJO_AS_GROUP", "staff"),
        ("KJO_IN_CLUSTER", "1"),
        ("KJO_INSECURE_SKIP_TLS_VERIFY", "1"),
    ];
    assert!(!found(&["--sandbox"], &variables).unwrap().in_cluster);
}

#[test]
fn what_was_typed_holds_against_the_variable() {
    let insecure = |argv: &[&str], set: &str| {
        let variables = [("KJO_INSECURE_SKIP_TLS_VERIFY", set)];
        found(argv, &variables).unwrap().overrides.insecure
    };
    assert!(insecure(&["--insecure-skip-tls-verify=true"], ""));
    assert!(insecure(&["--insecure-skip-tls-verify"], "0"));
    assert!(insecure(&[], "1"));
    assert!(!insecure(&["--insecure-skip-tls-verify=false"], "1"));
}

#[test]
fn what_cannot_be_meant() {
    let said = [
        &["--server", ""][..],
        &["--as", ""],
        &["--as-group", ""],
        &["--as", "ann\n"],
    ]
    .map(|argv| found(argv, &[]).expect_err(argv[0]).message)
    .join("\n");
    insta::assert_snapshot!(said);
}
