//! Which pod is replaced next when the pods no longer are what is planned: standbys first, the leader last, one at a
//! time. Pure.

/// A pod as far as the decision needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodState {
    /// Its name.
    pub name: String,
    /// Whether it is of the revision that is wished for.
    pub updated: bool,
    /// Whether it is ready.
    pub ready: bool,
    /// Whether it is ending already.
    pub terminating: bool,
    /// Whether it leads.
    pub leader: bool,
}

/// The pod to delete now, if any; the StatefulSet makes it again as it shall be.
///
/// A pod that works is replaced only while all others are there and ready, so that somebody can take over. One that
/// is not ready gives nothing, and waiting for it could last for ever: a wrong setting that keeps every pod from
/// starting must be mendable. The leader is the exception: ready or not it may still stream, so it waits for the
/// others in any case.
pub fn next(pods: &[PodState], replicas: usize) -> Option<&str> {
    if pods.iter().any(|pod| pod.terminating) {
        return None;
    }
    let standbys = pods.iter().filter(|pod| !pod.updated && !pod.leader);
    if let Some(broken) = standbys.clone().find(|pod| !pod.ready) {
        return Some(&broken.name);
    }
    // By the highest ordinal, as Kubernetes itself rolls.
    let standby = standbys.max_by(|one, other| by_ordinal(&one.name).cmp(&by_ordinal(&other.name)));
    let leader = pods.iter().find(|pod| !pod.updated && pod.leader);
    let candidate = standby.or(leader)?;
    let others_ready = pods.iter().filter(|pod| pod.name != candidate.name).all(|pod| pod.ready);
    (others_ready && pods.len() >= replicas).then_some(candidate.name.as_str())
}

/// Names of equal prefix by their number.
fn by_ordinal(name: &str) -> (usize, &str) {
    (name.len(), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pods from a text such as `0:old,ready,leader 1:new,ready 2:old,ending`.
    fn pods(text: &str) -> Vec<PodState> {
        text.split_whitespace()
            .map(|pod| {
                let (ordinal, state) = pod.split_once(':').expect("an ordinal");
                let is = |word| state.split(',').any(|one| one == word);
                PodState {
                    name: format!("orders-{ordinal}"),
                    updated: is("new"),
                    ready: is("ready"),
                    terminating: is("ending"),
                    leader: is("leader"),
                }
            })
            .collect()
    }

    #[test]
    fn decisions() {
        for (state, replicas, expected) in [
            ("0:new,ready,leader 1:new,ready", 2, None),
            // Standbys first, the highest ordinal before the others, the leader last.
            ("0:old,ready,leader 1:old,ready 2:old,ready", 3, Some("orders-2")),
            ("2:old,ready,leader 1:old,ready 0:old,ready", 3, Some("orders-1")),
            ("0:old,ready,leader 1:new,ready 2:new,ready", 3, Some("orders-0")),
            ("9:old,ready 10:old,ready 0:old,ready,leader", 3, Some("orders-10")),
            // One at a time: all others must be there, ready and not ending.
            ("0:old,ready,leader 1:old,ready 2:new", 3, None),
            ("0:old,ready,leader 1:new,ready 2:old,ready,ending", 3, None),
            ("0:old,ready,leader 1:old,ready", 3, None),
            ("0:old,ready,leader 1:new", 2, None),
            // What is broken is replaced at once, also when everything is broken; the leader waits.
            ("0:old,ready,leader 1:old", 2, Some("orders-1")),
            ("0:old 1:old", 2, Some("orders-0")),
            ("0:old 1:new", 2, Some("orders-0")),
            ("0:old,leader 1:new", 2, None),
            ("0:old,leader 1:new,ready", 2, Some("orders-0")),
            // Nobody is known to lead.
            ("0:old,ready 1:old,ready", 2, Some("orders-1")),
            // A single pod has no others.
            ("0:old,ready,leader", 1, Some("orders-0")),
            // More pods than wished for: the StatefulSet removes the last, that is no reason to wait.
            ("0:old,ready,leader 1:old,ready", 1, Some("orders-1")),
            ("", 2, None),
        ] {
            assert_eq!(next(&pods(state), replicas), expected, "{state}");
        }
    }

    #[test]
    fn a_roll_ends_and_the_leader_goes_last() {
        let mut pods = pods("0:old,ready 1:old,ready,leader 2:old,ready");
        let mut order = Vec::new();
        while let Some(name) = next(&pods, 3).map(str::to_owned) {
            for pod in pods.iter_mut().filter(|pod| pod.name == name) {
                (pod.updated, pod.leader) = (true, false);
            }
            order.push(name);
        }
        assert_eq!(order, ["orders-2", "orders-0", "orders-1"]);
    }
}
