//! The command line. Every flag can be given by environment variable too.

use clap::Parser;
use maxwell_crds::names::MANAGER;

/// Reconciles MaxwellClusters into workers and reflects what they do into the resources' status.
#[derive(Debug, Clone, Parser)]
#[command(name = "maxwell-operator", version)]
pub struct Args {
    /// Namespaces to watch, separated by commas; empty watches all.
    #[arg(long = "namespace", env = "MAXWELL_NAMESPACE", value_delimiter = ',', default_value = "")]
    pub namespaces: Vec<String>,

    /// Image of the workers of resources that name none.
    #[arg(long, env = "MAXWELL_WORKER_IMAGE", default_value = concat!("maxwell:", env!("CARGO_PKG_VERSION")))]
    pub worker_image: String,

    /// Port of /livez, /readyz and /metrics.
    #[arg(long, env = "MAXWELL_HTTP_PORT", default_value_t = 8080)]
    pub http_port: u16,

    /// Namespace of the Lease by which replicas of the operator agree on who works. Default: the client's own.
    #[arg(long, env = "POD_NAMESPACE")]
    pub lease_namespace: Option<String>,

    /// Name of that Lease: replicas of one installation share it, and no other does.
    #[arg(long, env = "MAXWELL_LEASE_NAME", default_value = MANAGER)]
    pub lease_name: String,

    /// Name of this replica in the Lease and in events. Default: a random one.
    #[arg(long, env = "POD_NAME")]
    pub pod_name: Option<String>,

    /// error, warn, info, debug or trace, or a filter such as info,kube=debug.
    #[arg(long, env = "MAXWELL_LOG_LEVEL", default_value = "info")]
    pub log_level: String,
}

/// Which namespaces are watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every namespace, by cluster-wide rights.
    All,
    /// One namespace, by rights in it alone.
    Namespace(String),
}

impl Args {
    /// One scope for each controller: a controller per namespace, so that a Role in each is enough.
    pub fn scopes(&self) -> Vec<Scope> {
        let mut named: Vec<&str> = self.namespaces.iter().map(|name| name.trim()).collect();
        named.retain(|name| !name.is_empty());
        named.sort_unstable();
        named.dedup();
        if named.is_empty() {
            return vec![Scope::All];
        }
        named.into_iter().map(|name| Scope::Namespace(name.to_owned())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(arguments: &[&str]) -> Vec<Scope> {
        Args::parse_from(["maxwell-operator"].iter().chain(arguments)).scopes()
    }

    #[test]
    fn namespaces_are_a_list_and_none_means_all() {
        assert_eq!(scopes(&[]), [Scope::All]);
        assert_eq!(scopes(&["--namespace="]), [Scope::All]);
        let named = |name: &str| Scope::Namespace(name.to_owned());
        assert_eq!(scopes(&["--namespace=cdc, shop,cdc,"]), [named("cdc"), named("shop")]);
    }
}
