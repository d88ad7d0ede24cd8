//! Flags about the pod: where it runs, as whom, in which network.

use clap::Args;
use serde_json::json;

use crate::{
    cli::settings::given,
    spec::{
        Refusal,
        overlay::{At, Change, parse},
    },
};

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "The pod")]
pub(super) struct PodArgs {
    /// A label of the Job and its pods
    #[arg(short = 'l', long, value_name = "KEY=VALUE", value_delimiter = ',')]
    label: Vec<String>,

    /// An annotation of the Job and its pods
    #[arg(long, value_name = "KEY=VALUE")]
    annotation: Vec<String>,

    /// The Secret to pull images with
    #[arg(long, value_name = "SECRET", value_delimiter = ',')]
    image_pull_secret: Vec<String>,

    /// The ServiceAccount it runs as
    #[arg(long, value_name = "NAME")]
    service_account: Option<String>,

    /// Whether the account's token is mounted
    #[arg(long, value_name = "true|false")]
    automount_token: Option<bool>,

    /// Run on nodes with this label
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',')]
    node_selector: Vec<String>,

    /// Affinity, as YAML or JSON
    #[arg(long, value_name = "YAML")]
    affinity: Option<String>,

    /// A taint to tolerate: KEY=VALUE:EFFECT, KEY:EFFECT, KEY, or YAML
    #[arg(long, value_name = "TAINT")]
    toleration: Vec<String>,

    /// How pods are spread over nodes, as YAML or JSON
    #[arg(long, value_name = "YAML")]
    topology_spread: Vec<String>,

    /// The RuntimeClass
    #[arg(long, value_name = "NAME")]
    runtime_class: Option<String>,

    /// The scheduler
    #[arg(long, value_name = "NAME")]
    scheduler: Option<String>,

    /// The PriorityClass
    #[arg(long, value_name = "NAME")]
    priority_class: Option<String>,

    /// Use the node's network
    #[arg(long)]
    host_network: bool,

    /// A line of /etc/hosts
    #[arg(long, value_name = "IP=NAME[,NAME]")]
    host_alias: Vec<String>,

    /// The host name
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,

    /// The subdomain
    #[arg(long, value_name = "NAME")]
    subdomain: Option<String>,

    /// The DNS policy
    #[arg(long, value_name = "POLICY", value_parser = ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"],
          ignore_case = true)]
    dns_policy: Option<String>,

    /// The DNS configuration, as YAML or JSON
    #[arg(long, value_name = "YAML")]
    dns_config: Option<String>,

    /// Seconds between SIGTERM and SIGKILL when the pod is deleted
    #[arg(long, value_name = "SECONDS")]
    grace_period: Option<u32>,
}

impl PodArgs {
    pub(super) fn changes(&self, changes: &mut Vec<Change>) -> Result<(), Refusal> {
        self.metadata(changes)?;
        for (flag, field, value) in [
            ("--service-account", "serviceAccountName", &self.service_account),
            ("--runtime-class", "runtimeClassName", &self.runtime_class),
            ("--scheduler", "schedulerName", &self.scheduler),
            ("--priority-class", "priorityClassName", &self.priority_class),
            ("--hostname", "hostname", &self.hostname),
            ("--subdomain", "subdomain", &self.subdomain),
            ("--dns-policy", "dnsPolicy", &self.dns_policy),
        ] {
            if let Some(value) = given(flag, value.clone())? {
                changes.push(Change::field(At::Pod, field, value));
            }
        }
        for (flag, field, value) in [
            ("--affinity", "affinity", &self.affinity),
            ("--dns-config", "dnsConfig", &self.dns_config),
        ] {
            if let Some(value) = value {
                changes.push(Change::field(At::Pod, field, parse::map(flag, value)?));
            }
        }
        if let Some(mount) = self.automount_token {
            changes.push(Change::field(At::Pod, "automountServiceAccountToken", mount));
        }
        if self.host_network {
            changes.push(Change::field(At::Pod, "hostNetwork", true));
        }
        if let Some(seconds) = self.grace_period {
            changes.push(Change::field(At::Pod, "terminationGracePeriodSeconds", seconds));
        }
        self.lists(changes)
    }

    fn metadata(&self, changes: &mut Vec<Change>) -> Result<(), Refusal> {
        for (flag, field, given) in [
            ("--label", "labels", &self.label),
            ("--annotation", "annotations", &self.annotation),
        ] {
            for argument in given {
                let (key, value) = parse::pair(flag, argument)?;
                changes.push(Change::entry(At::JobMetadata, field, key, value));
                changes.push(Change::entry(At::PodMetadata, field, key, value));
            }
        }
        for argument in &self.node_selector {
            let (key, value) = parse::pair("--node-selector", argument)?;
            changes.push(Change::entry(At::Pod, "nodeSelector", key, value));
        }
        Ok(())
    }

    fn lists(&self, changes: &mut Vec<Change>) -> Result<(), Refusal> {
        for secret in &self.image_pull_secret {
            let secret = given("--image-pull-secret", Some(secret.clone()))?;
            let secret = json!({"name": secret});
            changes.push(Change::item(At::Pod, "imagePullSecrets", &["name"], secret));
        }
        for argument in &self.toleration {
            changes.push(Change::item(At::Pod, "tolerations", &[], parse::toleration(argument)?));
        }
        for argument in &self.topology_spread {
            for item in parse::maps("--topology-spread", argument)? {
                let key = &["topologyKey", "whenUnsatisfiable"];
                changes.push(Change::item(At::Pod, "topologySpreadConstraints", key, item).once("--topology-spread"));
            }
        }
        for argument in &self.host_alias {
            let alias = Change::item(At::Pod, "hostAliases", &["ip"], parse::host_alias(argument)?);
            changes.push(alias.once(format!("--host-alias {argument}")));
        }
        Ok(())
    }
}
