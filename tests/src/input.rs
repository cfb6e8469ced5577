//! What is wrong is said: by name, with the statement or setting that mends it. Real servers, real mistakes; and a file
//! of the original's in which nothing is wrong.

mod example;
mod secured;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use crate::lab::{BROKER, Server, admin, named, unique};
use crate::output::line;
use crate::topic;
use crate::worker::binary;

const PATIENCE: Duration = Duration::from_secs(30);

/// What can be asked of it.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The lab's name of the server to take; its binlog is purged.
    #[arg(long, default_value = "mysql57")]
    server: String,
}

impl Arguments {
    /// Runs it.
    pub async fn run(&self) -> anyhow::Result<()> {
        let cases = input(named(std::slice::from_ref(&self.server))?[0]).await?;
        line(&serde_json::json!({"mistakes": cases, "named": cases}))
    }
}

/// Something wrong, and what must be said about it.
struct Case {
    what: &'static str,
    arguments: Vec<String>,
    /// All of them must be in what the worker says.
    words: Vec<&'static str>,
    /// Whether it ends by itself, with an error; otherwise it keeps trying.
    ends: bool,
}

fn case(what: &'static str, arguments: &[String], words: &[&'static str], ends: bool) -> Case {
    Case { what, arguments: arguments.to_vec(), words: words.to_vec(), ends }
}

/// Tries everything; how many cases there were.
async fn input(server: Server) -> anyhow::Result<usize> {
    let mut conn = admin(server).await?;
    let name = unique("input");
    prepare(&mut conn, &name).await?;
    show("nothing: the original's own file streams");
    example::streams(&mut conn, server, &name).await.context("the original's own file")?;
    let mut cases = mistyped();
    cases.extend(away(server, &name));
    cases.extend(unfit(server, &name).await?);
    let mut count = cases.len() + 2;
    for case in cases {
        show(case.what);
        check(&case).with_context(|| format!("{}: {}", case.what, case.arguments.join(" ")))?;
    }
    show("binlog_format");
    binlog_format(&mut conn, server, &name).await.context("binlog_format")?;
    show("a purged position");
    purged(&mut conn, server, &name).await.context("a purged position")?;
    show("Kafka with TLS and passwords");
    count += secured::secured(&mut conn, server, &name).await.context("Kafka with TLS and passwords")?;
    for user in ["bare", "none"] {
        conn.query_drop(format!("DROP USER {name}_{user}@'%'")).await?;
    }
    Ok(count)
}

#[expect(clippy::print_stdout, reason = "the report is the output")]
fn show(what: &str) {
    println!("  {what}");
}

async fn prepare(conn: &mut Conn, name: &str) -> anyhow::Result<()> {
    conn.query_drop(format!("CREATE DATABASE {name}")).await?;
    conn.query_drop(format!("CREATE TABLE {name}.t (id INT PRIMARY KEY)")).await?;
    for user in ["bare", "none"] {
        conn.query_drop(format!("CREATE USER {name}_{user}@'%' IDENTIFIED BY 'maxwell'")).await?;
    }
    conn.query_drop(format!("GRANT SELECT, REPLICATION CLIENT ON *.* TO {name}_bare@'%'")).await?;
    Ok(())
}

/// Found before anything is connected to.
fn mistyped() -> Vec<Case> {
    let one = |what, line: &str, words: &[&'static str]| {
        case(what, &line.split(' ').map(str::to_owned).collect::<Vec<_>>(), words, true)
    };
    vec![
        one("an unknown option", "--hots=db", &["unknown option 'hots'", "host"]),
        one("an option of another producer", "--kinesis_stream=x", &["kinesis_stream", "kafka"]),
        one("a producer that does not exist", "--producer=carrier", &["producer", "carrier", "stdout"]),
        one("a number that is none", "--port=many", &["port", "many"]),
        one("a filter that is none", "--filter=exclude:", &["filter", "exclude:"]),
        one("kafka without brokers", "--producer=kafka", &["kafka.brokers"]),
        one("a cluster on standard output", "--ha --zookeeper_hosts=z:1", &["producer", "zookeeper"]),
        one(
            "a property that would break the guarantee",
            "--producer=kafka --kafka.bootstrap.servers=b:1 --kafka.isolation.level=read_uncommitted",
            &["isolation.level", "delivery"],
        ),
        one(
            "a file that is not there",
            "--config=/nowhere/config.properties",
            &["/nowhere/config.properties"],
        ),
    ]
}

fn stdout(server: Server, more: &[&str]) -> Vec<String> {
    let state = std::env::temp_dir().join(format!("{}.position", unique("maxwell-tests")));
    let mut arguments = vec![
        format!("--host={}", server.address),
        "--user=maxwell".into(),
        "--password=maxwell".into(),
        format!("--state_file={}", state.display()),
    ];
    arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
    arguments
}

fn kafka(server: Server, name: &str, more: &[&str]) -> Vec<String> {
    let mut arguments = stdout(server, &["--producer=kafka"]);
    arguments.extend([
        format!("--kafka.bootstrap.servers={BROKER}"),
        format!("--kafka_topic={name}"),
        format!("--cluster={name}"),
    ]);
    arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
    arguments
}

/// Systems that are not there: the worker keeps trying.
fn away(server: Server, name: &str) -> Vec<Case> {
    let nobody = Server { name: "nobody", address: "127.0.0.1" };
    let zookeeper = ["--ha", "--zookeeper_hosts=127.0.0.1:1", "--advertise_host=127.0.0.1", "--probe_port=0"];
    vec![
        case("MySQL away", &stdout(nobody, &["--port=1"]), &["127.0.0.1:1", "mysql.host"], false),
        case(
            "Kafka away",
            &kafka(server, name, &["--kafka.bootstrap.servers=127.0.0.1:1"]),
            &["kafka.brokers"],
            false,
        ),
        case("ZooKeeper away", &kafka(server, name, &zookeeper), &["127.0.0.1:1", "zookeeper.hosts"], false),
    ]
}

/// Systems that refuse, or are not as they must be.
async fn unfit(server: Server, name: &str) -> anyhow::Result<Vec<Case>> {
    let bare = format!("--user={name}_bare");
    let none = format!("--user={name}_none");
    let grant = "GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO";
    let deleted = format!("{name}-deleted");
    topic::make(&deleted, 1, "delete").await?;
    Ok(vec![
        case(
            "a wrong password",
            &stdout(server, &["--password=no"]),
            &["refuses user 'maxwell'", "password"],
            false,
        ),
        case("no right to read the binlog", &stdout(server, &[&bare]), &[grant], false),
        case("no rights at all", &stdout(server, &[&none]), &[grant], false),
        case(
            "a topic that cannot be made",
            &kafka(server, name, &["--position_topic=no/topic"]),
            &["no/topic", "cannot be made"],
            false,
        ),
        case(
            "a position topic that drops positions",
            &kafka(server, name, &[&format!("--position_topic={deleted}")]),
            &["cleanup.policy=delete", "kafka-configs.sh", "cleanup.policy=compact"],
            false,
        ),
        case(
            "a position that never was",
            &stdout(server, &["--init_position=binlog.999999:4"]),
            &["binlog.999999", "mysql.start"],
            true,
        ),
    ])
}

async fn binlog_format(conn: &mut Conn, server: Server, name: &str) -> anyhow::Result<()> {
    conn.query_drop("SET GLOBAL binlog_format=STATEMENT").await?;
    let case = case(
        "binlog_format",
        &kafka(server, name, &[]),
        &["binlog_format is STATEMENT", "SET GLOBAL binlog_format=ROW"],
        false,
    );
    let checked = check(&case);
    conn.query_drop("SET GLOBAL binlog_format=ROW").await?;
    checked
}

/// A worker that comes back after its position was purged.
async fn purged(conn: &mut Conn, server: Server, name: &str) -> anyhow::Result<()> {
    let arguments = stdout(server, &[&format!("--filter=exclude: *.*, include: {name}.*")]);
    let first = Process::start(&arguments)?;
    first.until(&["streaming"])?;
    conn.query_drop(format!("INSERT INTO {name}.t VALUES (1)")).await?;
    first.until_output("\"id\":1")?;
    drop(first);
    conn.query_drop("FLUSH BINARY LOGS").await?;
    conn.query_drop(format!("INSERT INTO {name}.t VALUES (2)")).await?;
    conn.query_drop("FLUSH BINARY LOGS").await?;
    let files: Vec<mysql_async::Row> = conn.query("SHOW BINARY LOGS").await?;
    let last: String = files.last().and_then(|row| row.get(0)).context("no binlog")?;
    conn.query_drop(format!("PURGE BINARY LOGS TO '{last}'")).await?;
    check(&case("purged", &arguments, &["no longer on the server", "mysql.start"], true))
}

fn check(case: &Case) -> anyhow::Result<()> {
    let mut process = Process::start(&case.arguments)?;
    process.until(&case.words)?;
    anyhow::ensure!(!process.said()?.contains("panicked"), "it panicked: {}", process.said()?);
    if case.ends {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match process.child.try_wait()? {
                Some(status) => break anyhow::ensure!(!status.success(), "it ended as if all were well"),
                None => anyhow::ensure!(Instant::now() < deadline, "it does not end"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    } else {
        anyhow::ensure!(process.child.try_wait()?.is_none(), "it ended: {}", process.said()?);
    }
    Ok(())
}

/// A worker of a case; killed when dropped.
struct Process {
    child: std::process::Child,
    directory: tempfile::TempDir,
}

impl Process {
    fn start(arguments: &[String]) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let file = |name: &str| std::fs::File::create(directory.path().join(name));
        let child = Command::new(binary()?)
            .arg("--http_port=0")
            .args(arguments)
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(file("out")?)
            .stderr(file("err")?)
            .spawn()?;
        Ok(Self { child, directory })
    }

    /// Its standard error.
    fn said(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.directory.path().join("err"))?)
    }

    fn until(&self, words: &[&str]) -> anyhow::Result<()> {
        self.until_in("err", words)
    }

    fn until_output(&self, word: &str) -> anyhow::Result<()> {
        self.until_in("out", &[word])
    }

    fn until_in(&self, file: &str, words: &[&str]) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = std::fs::read_to_string(self.directory.path().join(file))?;
            let missing: Vec<_> = words.iter().filter(|word| !text.contains(**word)).collect();
            if missing.is_empty() {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < deadline, "{missing:?} not in: {text}{}", self.said()?);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already ended is fine.
        if self.child.kill().is_ok() {
            let _status = self.child.wait();
        }
    }
}
