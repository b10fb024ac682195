//! What a coordinator is told about `[outlets]` of `bot.toml`, and what the commands show of offers.
//!
//! **Invariant:** the desk that a test starts is ended by it, and listens on this machine only.

#![expect(clippy::unwrap_used, reason = "a panic in a test is a failed test")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use stumper::config::{self, Password, secrets};
use stumper::desk::{Network, Settings};

/// How often a test asks again before it gives up. Each time runs a program, so this is many seconds.
const ASK_AGAIN_MAX: usize = 400;

/// What is said about a file with the sandbox enabled and these lines in `[outlets]`.
fn said(lines: &str) -> String {
    let text = format!("[outlets]\n{lines}\n[network.sandbox]\nenabled = true\n");
    let (config, faults) = config::parse("bot.toml", &text);
    assert_eq!(config.is_none(), !faults.is_empty());
    let lines = faults.iter().map(|fault| {
        let place = fault.position(&text).map(|place| format!("{place} ")).unwrap_or_default();
        format!("{place}{}\n  hint: {}\n", fault.what, fault.hint.as_deref().unwrap_or("-"))
    });
    lines.collect()
}

#[test]
fn mistakes_in_the_outlets() {
    insta::assert_snapshot!(said("timeline = \"sandbox\""), @r#"
    2:12 a list belongs here
      hint: write a list of texts, such as `timeline = ["…"]`
    "#);
    insta::assert_snapshot!(said("timeline = [\"bluesky\", \"facebook\", \"myspace\", 5]"), @r#"
    2:13 the desk has no account on this network
      hint: enable it in its own section, or leave it out here
    2:24 there is no timeline of this name
      hint: write the networks on whose timelines the desk may post, such as `timeline = ["bluesky"]`
    2:36 there is no timeline of this name
      hint: write the networks on whose timelines the desk may post, such as `timeline = ["bluesky"]`
    2:47 a text belongs here
      hint: write a list of texts, such as `timeline = ["…"]`
    "#);
    insta::assert_snapshot!(said("hashtag = \"two words\""), @r#"
    2:11 this cannot be a hashtag
      hint: write one word of letters and digits, not of digits alone, such as "stumper"
    "#);
    insta::assert_snapshot!(said("hashtag = \"1066\""), @r#"
    2:11 this cannot be a hashtag
      hint: write one word of letters and digits, not of digits alone, such as "stumper"
    "#);
    insta::assert_snapshot!(said("atom_file = \"a.atom\""), @r#"
    2:13 the feed has no id
      hint: add one that nobody else uses and that never changes, such as `atom_id = "tag:library.example,2026:stumpers"`
    "#);
    insta::assert_snapshot!(said("atom_id = \"tag:a.example,2026:s\""), @r#"
    2:11 the feed has an id but no file
      hint: add `atom_file = "stumpers.atom"`, or remove `atom_id`
    "#);
    insta::assert_snapshot!(said("atom_file = \"a.atom\"\natom_id = \"our feed\""), @r#"
    3:11 this cannot be the id of a feed
      hint: write one such as "tag:library.example,2026:stumpers", or the address of the feed
    "#);
    insta::assert_snapshot!(said("facebook_page = \"our/page\""), @r#"
    2:17 this is not the number of a Page
      hint: write the digits that the Page shows under About, Page transparency
    "#);
    insta::assert_snapshot!(said("facebook_page = \"1234\"\nfacebook_service = \"http://graph.facebook.com\""), @r#"
    3:20 this is not the address of a service
      hint: leave it out, or write "https://graph.facebook.com"
    "#);
}

#[test]
fn outlets_arrive_where_they_belong() {
    let text = "[outlets]\ntimeline = [\"sandbox\"]\nhashtag = \"#stumper\"\natom_file = \"a.atom\"\n\
                atom_id = \"https://library.example/a.atom\"\nfacebook_page = \"1234\"\n\
                [network.sandbox]\nenabled = true\n";
    let config = config::parse("bot.toml", text).0.unwrap();
    let outlets = config.settings.outlets;
    assert_eq!(outlets.posts, [Network::Sandbox, Network::Facebook].into());
    assert_eq!((outlets.hashtag.as_deref(), outlets.feed), (Some("stumper"), true));
    assert_eq!(config.facebook.unwrap().service, "https://graph.facebook.com");
    assert!(!Settings::default().outlets.is_any(), "off by default");
}

#[test]
fn confidential_the_token_is_taken_from_the_first_place_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("facebook_token"), "from-systemd\n").unwrap();
    let credentials = folder.path().display().to_string();
    let environment = |name: &str| match name {
        "STUMPER_FACEBOOK_TOKEN" => Some("from-env".to_owned()),
        "CREDENTIALS_DIRECTORY" => Some(credentials.clone()),
        _ => None,
    };
    let token = |env: Option<&str>| Password {
        env: env.map(|name| (name.to_owned(), 0..1)),
        file: None,
        section: None,
    };
    let found = |env| {
        let found = secrets::facebook_token(&token(env), environment);
        assert!(!format!("{found:?}").contains("from-"), "a token is never printed");
        found
            .map(|found| secrecy::ExposeSecret::expose_secret(&found).to_owned())
            .map_err(|missing| missing.what)
    };
    assert_eq!(found(Some("STUMPER_FACEBOOK_TOKEN")).as_deref(), Ok("from-env"));
    assert_eq!(found(None).as_deref(), Ok("from-systemd"));
    assert_eq!(found(Some("NOT_SET")), Err("this environment variable is not set"));
    let nowhere = secrets::facebook_token(&Password::default(), |_| None).unwrap_err();
    assert_eq!(nowhere.what, "a Facebook Page is named but nothing says where its token is");
}

/// A desk that runs in a folder of its own.
struct Desk {
    folder: tempfile::TempDir,
    child: Child,
    address: String,
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn command(folder: &tempfile::TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stumper"));
    command.args(arguments).current_dir(folder.path()).stdin(Stdio::null()).env_remove("RUST_LOG");
    command
}

impl Desk {
    fn start(outlets: &str) -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let bot = format!(
            "[web]\nlisten = \"127.0.0.1:0\"\n[outlets]\n{outlets}\n[network.sandbox]\nenabled = true\n"
        );
        fs::write(folder.path().join("bot.toml"), bot).unwrap();
        fs::create_dir(folder.path().join("rules")).unwrap();
        let law = "id = \"law\"\nname = \"Law\"\nstrong = [\"patent\"]\n";
        fs::write(folder.path().join("rules/law.toml"), law).unwrap();
        let mut run = command(&folder, &["run"]);
        let mut child = run.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit("http://").next().unwrap().trim_end_matches('/').to_owned();
        Desk { folder, child, address }
    }

    /// What a command wrote, and whether it went well.
    fn told(&self, arguments: &[&str]) -> (bool, String) {
        let output = command(&self.folder, arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    }

    /// Asks again and again until what is told has these words.
    fn wait_for(&self, arguments: &[&str], words: &str) -> String {
        for _ in 0..ASK_AGAIN_MAX {
            let (_, told) = self.told(arguments);
            if told.contains(words) {
                return told;
            }
        }
        panic!("{words:?} is never told: {}", self.told(arguments).1);
    }

    /// One HTTP request, written by hand, and its answer.
    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let (address, length) = (&self.address, body.len());
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }

    fn say(&self, who: &str, text: &str, in_reply_to: Option<&str>) -> String {
        let body = serde_json::json!({
            "as": who, "text": text, "visibility": "public", "in_reply_to": in_reply_to,
        });
        let answer = self.ask("POST", "/sandbox/posts", &body.to_string());
        let json = &answer[answer.find('{').unwrap()..=answer.rfind('}').unwrap()];
        serde_json::from_str::<serde_json::Value>(json).unwrap()["id"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_strangers_answer_goes_through_the_coordinator() {
    let desk = Desk::start(
        "timeline = [\"sandbox\"]\natom_file = \"stumpers.atom\"\natom_id = \"tag:a.example,2026:s\"",
    );
    let feed = || fs::read_to_string(desk.folder.path().join("stumpers.atom")).unwrap_or_default();
    desk.say("ann", "@desk Is this patent still in force?", None);
    desk.wait_for(&["questions", "list"], "seeking");
    let listed = desk.told(&["questions", "list", "--json"]).1;
    let row: serde_json::Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    let code = row["code"].as_str().unwrap();
    assert_eq!((&row["published"], &row["offers"]), (&false.into(), &0.into()));
    desk.say("ann", "@desk publish", None);
    desk.wait_for(&["questions", "show", code], "the patron agreed");
    for _ in 0..ASK_AGAIN_MAX {
        if feed().contains("Is this patent still in force?") {
            break;
        }
        desk.told(&["questions", "list"]);
    }
    assert!(feed().contains("Is this patent still in force?") && !feed().contains("ann"), "{}", feed());
    // When nothing waits to be sent, the question is on the timeline.
    for _ in 0..ASK_AGAIN_MAX {
        if !desk.told(&["questions", "show", code]).1.contains("Waiting to be sent") {
            break;
        }
    }
    let posts = fs::read_to_string(desk.folder.path().join("data/sandbox.jsonl")).unwrap();
    let public = posts.lines().find(|line| line.contains("\"purpose\":\"stumper\"")).unwrap();
    let id = public.split("\"id\":").nth(1).unwrap().split(',').next().unwrap();
    desk.say("zoe", "It lapsed in 2019, I believe.", Some(id));
    let mut offered = false;
    for _ in 0..ASK_AGAIN_MAX {
        offered = desk.told(&["questions", "show", code]).1.contains("It lapsed in 2019");
        if offered {
            break;
        }
    }
    assert!(offered, "the stranger's answer is kept");
    let shown = desk.told(&["questions", "show", code]).1;
    assert!(shown.contains("1. sandbox:zoe") && shown.contains("passed on only by you"), "{shown}");
    let listed = desk.told(&["questions", "list"]).1;
    assert!(
        listed.contains("(1 offer)") && !listed.contains("lapsed"),
        "promise 7: lists quote nobody: {listed}"
    );
    let (fine, told) = desk.told(&["questions", "relay", code, "2"]);
    assert!(!fine && told.contains("has no offered answer of this number"), "{told}");
    let (fine, told) = desk.told(&["questions", "relay", code, "1"]);
    assert!(fine && told.contains("it is passed on to the patron"), "{told}");
    let (fine, told) = desk.told(&["questions", "dismiss", code, "1"]);
    assert!(!fine && told.contains("was passed on already"), "{told}");
    desk.wait_for(&["questions", "show", code], "zoe, ");
    assert!(desk.told(&["questions", "export", code]).1.contains("It lapsed in 2019"), "offers are exported");
}
