//! `stumper network login x` and `stumper network check x`, as a coordinator uses them.
//!
//! **Invariant:** no secret, code or token is in what they print.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Output, Stdio};

use crate::server::{KEYS, X, challenge_of};

/// A desk's folder whose X is the test server.
struct Desk {
    x: X,
    folder: tempfile::TempDir,
    redirect: String,
}

impl Desk {
    async fn new(log_in: &str, monthly: &str) -> Desk {
        let x = X::start().await;
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let redirect = format!("http://127.0.0.1:{port}/");
        let text = format!(
            "[network.x]\nenabled = true\nservice = \"{}\"\nlog_in = \"{log_in}\"\nclient_id = \"client\"\n\
             redirect = \"{redirect}\"\nsecrets_env = \"STUMPER_X_SECRETS\"\n[network.budget]\nmonthly_dollars = {monthly}\n",
            x.address
        );
        std::fs::write(folder.path().join("bot.toml"), text).unwrap();
        Desk { x, folder, redirect }
    }

    fn stumper(&self, arguments: &[&str], secrets: &str) -> Child {
        Command::new(env!("CARGO_BIN_EXE_stumper"))
            .arg("--config")
            .arg(self.folder.path().join("bot.toml"))
            .args(arguments)
            .env("STUMPER_X_SECRETS", secrets)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn check(&self, secrets: &str) -> (Option<i32>, String) {
        said(self.stumper(&["network", "check", "x"], secrets).wait_with_output().unwrap())
    }

    /// Begins a log-in: the process, and what X is told about it.
    fn begin(&self) -> (Child, BufReader<std::process::ChildStdout>, reqwest::Url) {
        let mut process = self.stumper(&["network", "login", "x"], "client-secret");
        let mut out = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("http") {
            line.clear();
            assert!(out.read_line(&mut line).unwrap() > 0, "it says where to log in");
        }
        (process, out, line.trim().parse().unwrap())
    }

    /// What X does when the coordinator allows it: the address their browser is sent to.
    fn allows(&self, address: &reqwest::Url) -> String {
        let value = |name: &str| address.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        assert_eq!(value("client_id"), "client");
        assert_eq!(value("redirect_uri"), self.redirect);
        assert!(value("scope").split(' ').any(|scope| scope == "offline.access"));
        self.x.lock().codes.insert("the-code".to_owned(), value("code_challenge"));
        format!("{}?state={}&code=the-code", self.redirect, value("state"))
    }
}

fn said(output: Output) -> (Option<i32>, String) {
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

fn end(mut process: Child, mut out: impl Read) -> (Option<i32>, String) {
    let mut text = String::new();
    out.read_to_string(&mut text).unwrap();
    process.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    (process.wait().unwrap().code(), text)
}

fn is_silent_about(text: &str, secrets: &[&str]) {
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_logs_in_with_a_browser() {
    let desk = Desk::new("app", "5").await;
    let (code, text) = desk.check("client-secret");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("run `stumper network login x`"), "{text}");

    let (process, out, address) = desk.begin();
    let back = desk.allows(&address);
    // A browser also asks for an icon.
    let browser = stumper::networks::http::client().unwrap();
    let icon = browser.get(format!("{}favicon.ico", desk.redirect)).send().await.unwrap();
    assert_eq!(icon.status(), 404);
    let page = browser.get(back).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Look at the terminal"), "{page}");
    let (code, text) = end(process, out);
    assert_eq!(code, Some(0), "{text}");
    is_silent_about(&text, &["client-secret", "the-code", "access-1", "refresh-1"]);

    let (code, text) = desk.check("client-secret");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("the desk is @libbot") && text.contains("of $5.00 spent this month"), "{text}");
    is_silent_about(&text, &["client-secret", "access-", "refresh-"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_pastes_the_address_of_another_computers_browser() {
    let desk = Desk::new("app", "5").await;
    let (mut process, out, address) = desk.begin();
    let back = desk.allows(&address);
    writeln!(process.stdin.take().unwrap(), "{back}").unwrap();
    let (code, text) = end(process, out);
    assert_eq!(code, Some(0), "{text}");
    assert!(desk.folder.path().join("data/x-session.json").is_file());

    let (mut process, out, _) = desk.begin();
    writeln!(process.stdin.take().unwrap(), "{back}").unwrap();
    let (code, text) = end(process, out);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("belongs to another log-in"), "{text}");
    assert_eq!(challenge_of("x").len(), 43);
}

#[tokio::test(flavor = "multi_thread")]
async fn four_keys_are_enough_and_three_are_told() {
    let desk = Desk::new("keys", "0.02").await;
    let (code, text) = desk.check(&KEYS[..3].join("\n"));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("are not the four keys"), "{text}");
    is_silent_about(&text, &KEYS);
    // With two cents a month nothing can be read.
    let (code, text) = desk.check(&KEYS.join(" "));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("log-in: ok") && text.contains("raise `monthly_dollars`"), "{text}");
    let output = desk.stumper(&["network", "login", "x"], &KEYS.join(" ")).wait_with_output().unwrap();
    let (code, text) = said(output);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("need no log-in"), "{text}");
}
