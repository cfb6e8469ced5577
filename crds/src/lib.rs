//! The Kubernetes API of Maxwell: the types behind `maxwellclusters.maxwell-cdc.io`, and the YAML generated from
//! them. Field names and defaults are an interface; a change here is a change for every user.

pub mod generate;
pub mod names;
pub mod v1alpha1;
