//! Names on Kubernetes objects that more than one process relies on.

/// The API group.
pub const GROUP: &str = "maxwell-cdc.io";

/// Label of a worker's pod that owns the shard of an `ActiveStandby` cluster; the Service `<name>-leader` selects
/// by it.
pub const ROLE_LABEL: &str = "maxwell-cdc.io/role";

/// The value of [`ROLE_LABEL`] on the leader's pod. No other pod carries the label.
pub const ROLE_LEADER: &str = "leader";

/// Annotation of a worker's pod: the digest of what it runs with, so that a change rolls the pods.
pub const CONFIG_DIGEST_ANNOTATION: &str = "maxwell-cdc.io/config-digest";

/// Annotation of a `MaxwellCluster`: with the value `true` its deletion leaves the ZooKeeper tree alone.
pub const SKIP_CLEANUP_ANNOTATION: &str = "maxwell-cdc.io/skip-cleanup";

/// Annotation of a `MaxwellCluster`: the leader is asked to hand over to the member that it names, or to the fittest with
/// `any`. It is taken away when that is asked; status.lastRequest and the events tell what came of it.
pub const SWITCHOVER_ANNOTATION: &str = "maxwell-cdc.io/switchover-to";

/// The finalizer of a `MaxwellCluster`.
pub const FINALIZER: &str = "maxwell-cdc.io/cleanup";

/// The field manager of everything that the operator applies, and the value of `app.kubernetes.io/managed-by`.
pub const MANAGER: &str = "maxwell-operator";

/// The name of the worker's container.
pub const CONTAINER: &str = "maxwell";
