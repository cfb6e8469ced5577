//! `cluster/requests/<id>`: what the operator or the CLI asks of the cluster.

use serde::{Deserialize, Serialize};

use crate::bootstrap::BootstrapRequest;

/// A request. Its node is taken away once it is carried out; taking it away before takes the request back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// What is asked for.
    pub ask: Ask,
    /// Who asked: a user or a program.
    #[serde(default)]
    pub by: String,
    /// When, milliseconds since the epoch.
    #[serde(default)]
    pub at: i64,
}

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ask {
    /// Copy a table.
    Bootstrap(BootstrapRequest),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_plain_json() {
        let text =
            r#"{"ask":{"bootstrap":{"database":"shop","table":"item","where":"id > 5"}},"by":"cli","at":7}"#;
        let request: Request = serde_json::from_str(text).unwrap();
        let Ask::Bootstrap(copy) = &request.ask;
        assert_eq!((copy.table.as_str(), copy.condition.as_deref()), ("item", Some("id > 5")));
        assert_eq!(serde_json::to_string(&request).unwrap(), text);
    }
}
