//! Whether a namespace is being deleted, without the right to read namespaces: nothing can be made in one that is.

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::api::{Api, PostParams};

/// The cause that the API server gives when it makes nothing in a namespace any more.
const TERMINATING: &str = "NamespaceTerminating";

/// Whether `namespace` is being deleted, by trying what is not carried out. Any other answer means that it is not.
pub(super) async fn is_terminating(client: &Client, namespace: &str) -> bool {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let metadata =
        ObjectMeta { generate_name: Some("maxwell-operator-".to_owned()), ..ObjectMeta::default() };
    let probe = ConfigMap { metadata, ..ConfigMap::default() };
    let parameters = PostParams { dry_run: true, ..PostParams::default() };
    api.create(&parameters, &probe).await.is_err_and(|error| says_so(&error))
}

fn says_so(error: &kube::Error) -> bool {
    let kube::Error::Api(answer) = error else { return false };
    let causes = answer.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.reason == TERMINATING)
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use serde_json::json;

    use super::*;

    fn refused(cause: &str) -> kube::Error {
        let answer = json!({
            "status": "Failure", "code": 403, "reason": "Forbidden",
            "message": "it is forbidden", "details": {"causes": [{"reason": cause}]},
        });
        kube::Error::Api(serde_json::from_value::<Status>(answer).expect("an answer").boxed())
    }

    #[test]
    fn only_the_cause_tells() {
        assert!(says_so(&refused("NamespaceTerminating")));
        assert!(!says_so(&refused("FieldValueInvalid")));
        assert!(!says_so(&kube::Error::LinesCodecMaxLineLengthExceeded));
    }
}
