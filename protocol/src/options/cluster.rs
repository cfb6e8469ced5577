//! Options about the cluster.

use super::Draft;
use super::table::{Entry, flag, list, number, option, put};
use crate::id::ClusterId;

pub(super) const OPTIONS: &[Entry] = &[
    option("ha", "", "form a cluster with other workers", |d, v| flag(&mut d.ha, v)),
    option("cluster", "NAME", "the cluster's name in logs and metrics (maxwell)", |d, v| {
        d.cluster = Some(v.into());
        Ok(())
    }),
    option("zookeeper_hosts", "HOST:PORT,…", "where the members meet", hosts),
    option("ha.zookeeper.hosts", "HOST:PORT,…", "the same", hosts),
    option("zookeeper_root", "PATH", "the cluster's node (/maxwell)", |d, v| {
        d.root = Some(v.into());
        Ok(())
    }),
    option("member_id", "NAME", "this member's name (the host's)", |d, v| put(&mut d.process.member_id, v)),
    option("member_priority", "NUMBER", "election priority, higher first (0)", |d, v| {
        number(&mut d.process.member_priority, v)
    }),
    option("advertise_host", "HOST", "host that peers reach this member by (the host's name)", |d, v| {
        put(&mut d.process.advertise_host, v)
    }),
    option("probe_port", "PORT", "port where peers hold a connection (9091)", |d, v| {
        number(&mut d.process.probe_port, v)
    }),
    option("forget", "CLUSTER-ID", "delete the position topic of a cluster that is gone, and end", |d, v| {
        d.process.forget =
            Some(ClusterId(v.parse().map_err(|error| format!("is no cluster's id: {error}"))?));
        Ok(())
    }),
    option("ha.failover.enabled", "", "take over without being asked (true)", |d, v| {
        flag(&mut d.settings.failover.enabled, v)
    }),
    option("ha.heartbeat.interval", "MILLISECONDS", "between a member's heartbeats (5000)", |d, v| {
        number(&mut d.settings.failover.heartbeat_interval_milliseconds, v)
    }),
    option("ha.heartbeat.timeout", "MILLISECONDS", "ZooKeeper session timeout (15000)", |d, v| {
        number(&mut d.settings.failover.session_timeout_milliseconds, v)
    }),
    option("ha.election.timeout", "MILLISECONDS", "an election starts afresh after this (30000)", |d, v| {
        number(&mut d.settings.failover.election_timeout_milliseconds, v)
    }),
    option("ha.failover.max_retries", "NUMBER", "attempts before handing over (3)", |d, v| {
        number(&mut d.settings.failover.max_retries, v)
    }),
    option("ha.failover.retry_interval", "MILLISECONDS", "between such attempts (10000)", |d, v| {
        number(&mut d.settings.failover.retry_interval_milliseconds, v)
    }),
];

fn hosts(draft: &mut Draft, value: &str) -> Result<(), String> {
    draft.hosts = list(value);
    Ok(())
}
