//! Requests and answers against X's own description of its API.
//!
//! Prism (`.ci/x-description/install.sh`) stands between the connector and the test server and says no
//! to whatever the description does not allow, on either side. Neither it nor the description is part of
//! this project: they are looked for in `target/x-description` or where `STUMPER_PRISM_DIR` says, and in
//! `../shared/x` or where `STUMPER_X` says. Where one is missing, the test says so. With
//! `STUMPER_X_DESCRIPTION=required` that fails.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use stumper::desk::{Content, PostId, Visibility};
use stumper::networks::x::{self, Connector, FieldNames};
use stumper::networks::{Outgoing, http};

use crate::server::{DESK, X};
use crate::weight::published;
use crate::wire::{ANN, outgoing};

/// How long Prism may take to read the description, which is long.
const START_TIME_MAX: Duration = Duration::from_secs(120);

/// Prism at work. It ends with the test.
struct Prism {
    process: Child,
    address: String,
    log: PathBuf,
}

impl Prism {
    async fn start(folder: &Path, description: &Path, before: &str, log: PathBuf) -> Prism {
        let node = std::fs::read_to_string(folder.join(".ready")).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(node.trim())
            .arg(folder.join("node_modules/@stoplight/prism-cli/dist/index.js"))
            .args(["proxy", "--errors", "--host", "127.0.0.1", "--port", &port.to_string()])
            .arg(description)
            .arg(before)
            .stdin(Stdio::null())
            .stdout(File::create(&log).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut prism = Prism { process, address: format!("http://127.0.0.1:{port}"), log };
        let listens = async {
            while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                assert!(prism.process.try_wait().unwrap().is_none(), "Prism ended: {}", prism.said());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(START_TIME_MAX, listens).await.expect("Prism listens");
        prism
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Prism {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Where Prism and the description are; `None`, and a line about it, where one is missing.
fn found() -> Option<(PathBuf, PathBuf)> {
    let folder = std::env::var_os("STUMPER_PRISM_DIR").map(PathBuf::from);
    let folder =
        folder.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/x-description"));
    let description = published("openapi.json");
    let is_installed = folder.join(".ready").is_file();
    if !is_installed {
        eprintln!("skipped: Prism is not installed; run .ci/x-description/install.sh");
    }
    let is_required = std::env::var("STUMPER_X_DESCRIPTION").is_ok_and(|value| value == "required");
    let found = description.filter(|_| is_installed).map(|description| (folder, description));
    assert!(found.is_some() || !is_required, "Prism and the description of X's API are required");
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_answers_are_as_x_describes_them() {
    let Some((installed, description)) = found() else { return };
    let x = X::start().await;
    x.person(ANN, "ann");
    x.lock().access.insert("access-0".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let prism = Prism::start(&installed, &description, &x.address, folder.path().join("log")).await;
    let mut settings = x.settings(folder.path());
    // A signature holds the address, which is another one behind Prism.
    settings.log_in =
        x::LogIn::App(x::App { client_id: "client".to_owned(), client_secret: "client-secret".into() });
    let session = json!({"client_id": "client", "access": "access-0", "refresh": "refresh-0"});
    std::fs::write(&settings.session_file, session.to_string()).unwrap();
    settings.service = prism.address.clone();
    settings.field_names = FieldNames::Post;
    let connector = Connector::new(settings, http::client().unwrap());

    let report = connector.check().await;
    assert!(report.findings.iter().all(|finding| finding.ok), "{report:#?}\n{}", prism.said());
    let cursor = connector.fetch(None).await.unwrap().cursor;
    let first = x.post(ANN, "@libbot who wrote \"Ulysses\" & why? https://lib.example/x", None);
    let question = x.post(ANN, "@libbot and when?", Some(first));
    x.message(ANN, "join history");
    let batch = connector.fetch(cursor.as_deref()).await.unwrap();
    assert_eq!((batch.posts.len(), batch.unreadable), (3, 0), "{}", prism.said());

    let reply =
        outgoing(1, "James Joyce, in 1922: https://lib.example/y", Visibility::Public, Some(question));
    let message = outgoing(2, "Welcome to the desk!", Visibility::Direct, None);
    for letter in [reply, message] {
        let place = connector.send(&letter).await.unwrap();
        assert_eq!(connector.look(&letter).await.unwrap().as_ref(), Some(&place), "{}", prism.said());
        let deletion = deletion(&letter, &place.post_id());
        connector.send(&deletion).await.unwrap();
        assert!(connector.look(&deletion).await.is_ok(), "{}", prism.said());
    }
    assert_eq!(x.wrongs(), Vec::<String>::new());
    // Nothing was repeated under other names because Prism had said no to it.
    let names = x.lock().requests.iter().filter(|request| request.contains("tweet.fields")).count();
    assert_eq!(names, 0, "{}", prism.said());
    let said = prism.said();
    let (_, calls) = said.split_once("Prism is listening").unwrap();
    assert!(!calls.to_lowercase().contains("violation"), "{calls}");
    // Prism would have said no.
    let wrong = format!("{}/2/users/{DESK}/mentions?max_results=1", prism.address);
    let answer = http::client().unwrap().get(wrong).bearer_auth("access-0").send().await.unwrap();
    assert_eq!(answer.status(), 422);
}

fn deletion(letter: &Outgoing, post: &PostId) -> Outgoing {
    let mut deletion = letter.clone();
    deletion.letter.content = Content::Delete { post: post.clone() };
    deletion
}
