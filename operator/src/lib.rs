//! The operator: makes workers of `MaxwellCluster`s and reflects what they do into the resources' status. It is never
//! in the path of a failover: the workers settle that among themselves, through ZooKeeper.
//!
//! ```text
//!            Kubernetes: MaxwellClusters, owned objects, pods, Secrets      ZooKeeper: one tree per cluster
//!                                   │ watches                                       │ watches
//!                                   ▼                                               ▼
//!  controller ──► cluster::reconcile:  fetch → validate → plan → apply → observe → status → events
//!                                       I/O     pure      pure    I/O      latest    pure, then one patch
//! ```
//! One replica works, by a Lease ([`leader`]); the others stand by. Where to look: what a StatefulSet looks like is
//! `cluster/plan`, which pod is replaced next `cluster/roll.rs`, what makes a condition false `cluster/status/judge`,
//! what happens on an error `cluster/error.rs`.
//!
//! # Rights
//! In every watched namespace (a Role in each, or one ClusterRole when all are watched):
//!
//! | group | resource | verbs | for |
//! |---|---|---|---|
//! | `maxwell-cdc.io` | `maxwellclusters` | get, list, watch, patch | the resources; patch sets the finalizer |
//! | `maxwell-cdc.io` | `maxwellclusters/status` | patch | the status |
//! | core | `secrets` | get, list, watch | credentials that clusters refer to |
//! | core | `pods` | list, watch, patch, delete | the leader's label; replacing pods that are out of date |
//! | core | `services`, `configmaps`, `serviceaccounts` | get, list, watch, create, patch | owned objects |
//! | `apps` | `statefulsets` | get, list, watch, create, patch | owned objects |
//! | `policy` | `poddisruptionbudgets` | get, list, watch, create, patch, delete | owned objects; pruned when unwanted |
//! | `events.k8s.io` | `events` | create, patch | what happened |
//!
//! In the operator's own namespace: `coordination.k8s.io` `leases` get, create, update. Nothing cluster-wide is needed
//! when namespaces are named; the workers need no rights at all. Whether a namespace is being deleted is told by a dry
//! run of making a ConfigMap in it.

pub mod args;
pub mod cluster;
pub mod controller;
pub mod http;
pub mod leader;
pub mod metrics;
pub mod telemetry;
