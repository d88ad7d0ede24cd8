//! The kinds that the sandbox serves, with Kubernetes' names for them.

use super::admit;

/// A resource of the API. What is not here gets the real server's 404.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// v1 ConfigMaps.
    ConfigMaps,
    /// batch/v1 CronJobs, which nothing runs by the clock.
    CronJobs,
    /// v1 Events.
    Events,
    /// batch/v1 Jobs.
    Jobs,
    /// v1 Namespaces.
    Namespaces,
    /// v1 PersistentVolumeClaims, bound to folders.
    PersistentVolumeClaims,
    /// v1 Pods.
    Pods,
    /// v1 Secrets.
    Secrets,
    /// v1 ServiceAccounts, without tokens.
    ServiceAccounts,
    /// v1 Services, which nothing routes.
    Services,
}

impl Resource {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 10] = [
        Self::ConfigMaps,
        Self::CronJobs,
        Self::Events,
        Self::Jobs,
        Self::Namespaces,
        Self::PersistentVolumeClaims,
        Self::Pods,
        Self::Secrets,
        Self::ServiceAccounts,
        Self::Services,
    ];

    /// The resource of this group (empty for v1) and plural name.
    #[must_use]
    pub fn find(group: &str, plural: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|r| r.group() == group && r.plural() == plural)
    }

    /// The name in paths.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::ConfigMaps => "configmaps",
            Self::CronJobs => "cronjobs",
            Self::Events => "events",
            Self::Jobs => "jobs",
            Self::Namespaces => "namespaces",
            Self::PersistentVolumeClaims => "persistentvolumeclaims",
            Self::Pods => "pods",
            Self::Secrets => "secrets",
            Self::ServiceAccounts => "serviceaccounts",
            Self::Services => "services",
        }
    }

    /// How its objects are admitted.
    #[must_use]
    pub fn admitted_as(self) -> admit::Kind {
        match self {
            Self::ConfigMaps => admit::Kind::ConfigMap,
            Self::CronJobs => admit::Kind::CronJob,
            Self::Events => admit::Kind::Event,
            Self::Jobs => admit::Kind::Job,
            Self::Namespaces => admit::Kind::Namespace,
            Self::PersistentVolumeClaims => admit::Kind::PersistentVolumeClaim,
            Self::Pods => admit::Kind::Pod,
            Self::Secrets => admit::Kind::Secret,
            Self::ServiceAccounts => admit::Kind::ServiceAccount,
            Self::Services => admit::Kind::Service,
        }
    }

    /// What kubectl may call it for short.
    #[must_use]
    pub fn short_names(self) -> &'static [&'static str] {
        match self {
            Self::ConfigMaps => &["cm"],
            Self::CronJobs => &["cj"],
            Self::Events => &["ev"],
            Self::Namespaces => &["ns"],
            Self::PersistentVolumeClaims => &["pvc"],
            Self::Pods => &["po"],
            Self::ServiceAccounts => &["sa"],
            Self::Services => &["svc"],
            Self::Jobs | Self::Secrets => &[],
        }
    }

    /// `kubectl get all` shows it.
    #[must_use]
    pub fn of_all(self) -> bool {
        matches!(self, Self::CronJobs | Self::Jobs | Self::Pods | Self::Services)
    }

    /// It has the subresource `status`.
    #[must_use]
    pub fn has_status(self) -> bool {
        match self {
            Self::CronJobs
            | Self::Jobs
            | Self::Namespaces
            | Self::PersistentVolumeClaims
            | Self::Pods
            | Self::Services => true,
            Self::ConfigMaps | Self::Events | Self::Secrets | Self::ServiceAccounts => false,
        }
    }

    /// The kind of its objects.
    #[must_use]
    pub fn kind(self) -> &'static str {
        self.admitted_as().name()
    }

    /// Its API group; empty for the core group.
    #[must_use]
    pub fn group(self) -> &'static str {
        self.admitted_as().group()
    }

    /// `apiVersion` of its objects.
    #[must_use]
    pub fn api_version(self) -> &'static str {
        self.admitted_as().api_version()
    }

    /// Its objects live in a namespace.
    #[must_use]
    pub fn namespaced(self) -> bool {
        self != Self::Namespaces
    }

    /// The resource as the real server names it in messages: `jobs.batch`, `pods`.
    #[must_use]
    pub fn qualified(self) -> String {
        match self.group() {
            "" => self.plural().to_owned(),
            group => format!("{}.{group}", self.plural()),
        }
    }
}
