//! Names of fields and columns, as `output_naming_strategy` wants them. Pure.

use std::borrow::Cow;

use maxwell_protocol::settings::NamingStrategy;

/// `name` as it is printed.
pub(super) fn printed(strategy: NamingStrategy, name: &str) -> Cow<'_, str> {
    match strategy {
        NamingStrategy::UnderscoreToCamelCase if name.contains('_') => Cow::Owned(camel_case(name)),
        _ => Cow::Borrowed(name),
    }
}

/// Leading and trailing underscores go; one between swallows itself and raises what follows if that is lower case. A
/// name of nothing else stays.
fn camel_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut raise = false;
    for c in name.trim_matches('_').chars() {
        if c == '_' {
            raise = true;
        } else if std::mem::take(&mut raise) && c.is_lowercase() {
            // Java raises one character to one: 'ß' stays.
            let mut upper = c.to_uppercase();
            out.push(if upper.len() == 1 { upper.next().unwrap_or(c) } else { c });
        } else {
            out.push(c);
        }
    }
    if out.is_empty() { name.to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn underscores_become_capitals() {
        for (name, expected) in [
            ("order_id", "orderId"),
            ("primary_key_columns", "primaryKeyColumns"),
            ("_id", "id"),
            ("__order_id", "orderId"),
            ("order_id_", "orderId"),
            ("a__b", "aB"),
            ("a_B", "aB"),
            ("a_1b", "a1b"),
            ("Order_ID", "OrderID"),
            ("___", "___"),
            ("_", "_"),
            ("id", "id"),
            ("straße_ß", "straßeß"),
            ("a_é", "aÉ"),
        ] {
            assert_eq!(printed(NamingStrategy::UnderscoreToCamelCase, name), expected, "{name}");
            assert_eq!(printed(NamingStrategy::None, name), name);
        }
    }
}
