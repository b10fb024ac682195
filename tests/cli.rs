//! The real `stumper`, run as people run it: in a folder with a `bot.toml`, rules, and a data folder.
//!
//! **Invariant:** every desk that a test starts is ended by it, and none listens but on this machine.

#![expect(clippy::unwrap_used, reason = "a panic here is a failed test")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use tempfile::TempDir;

/// How often a test asks again before it gives up waiting for the desk to have done something. Each
/// time runs a program, so this is many seconds.
const ASK_AGAIN_MAX: usize = 400;

/// How long a test waits for a line in the log before it fails.
const LOG_LINE_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(120);

const LAW: &str = "id = \"law\"\nname = \"Law\"\nstrong = [\"statute\", \"patent\"]\n";

const RULES: &str = r#"
id = "history"
name = "History"
strong = ["medieval", "norman conquest"]
weak = ["king", "battle"]

"#;

/// A folder with everything a desk needs.
struct Folder(TempDir);

/// A desk that runs.
struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// Such as `127.0.0.1:40321`.
    address: String,
}

/// What a desk logs.
struct Log(std::sync::mpsc::Receiver<String>);

impl Log {
    /// Waits for a line with these words, and answers it with all before it.
    fn until(&self, words: &str) -> String {
        let mut lines = String::new();
        loop {
            let line = self.0.recv_timeout(LOG_LINE_TIME_MAX);
            let line = line.unwrap_or_else(|_| panic!("{words:?} is not logged: {lines}"));
            lines.push_str(&line);
            lines.push('\n');
            if line.contains(words) {
                return lines;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Folder {
    fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        folder.write("bot.toml", "[web]\nlisten = \"127.0.0.1:0\"\n[network.sandbox]\nenabled = true\n");
        fs::create_dir(folder.path("rules")).unwrap();
        folder.write("rules/history.toml", RULES);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stumper"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        for variable in ["RUST_LOG", "STUMPER_BLUESKY_PASSWORD", "CREDENTIALS_DIRECTORY"] {
            command.env_remove(variable);
        }
        // Nothing here needs to trust anybody: the desk and its commands talk on one computer.
        command.env("SSL_CERT_FILE", "/nonexistent").env("SSL_CERT_DIR", "/nonexistent");
        command
    }

    /// What a command wrote to stdout. It must go well.
    fn data(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// How a command ended, what it wrote to stdout, and what to stderr.
    fn told(&self, arguments: &[&str]) -> String {
        told(&self.command(arguments).output().unwrap()).replace(&self.0.path().display().to_string(), "…")
    }

    fn start(&self) -> Running {
        let mut child = self.command(&["run"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        if line.is_empty() {
            let mut why = String::new();
            child.stderr.take().unwrap().read_to_string(&mut why).unwrap();
            panic!("the desk did not start: {why}");
        }
        let address = line.trim().rsplit("http://").next().unwrap().trim_end_matches('/').to_owned();
        Running { child, stdout, address }
    }

    /// Asks again and again until the data is as wanted.
    fn wait_for(&self, arguments: &[&str], is_wanted: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        for _ in 0..ASK_AGAIN_MAX {
            last = self.data(arguments);
            if is_wanted(&last) {
                return last;
            }
        }
        panic!("still not as wanted: {last}");
    }
}

impl Running {
    /// Ends the desk as a service manager does, and answers its exit code and what it logged.
    fn terminate(mut self) -> (Option<i32>, String) {
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "nothing but the address is written to stdout");
        (self.child.wait().unwrap().code(), log)
    }

    /// What the desk logs from now on, line after line.
    fn log(&mut self) -> Log {
        let stderr = BufReader::new(self.child.stderr.take().unwrap());
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line).ok())
        });
        Log(lines)
    }

    /// SIGHUP, which service managers send to have files read again.
    fn hang_up(&self) {
        let kill = format!("kill -HUP {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Ends the desk as Ctrl-C does.
    fn interrupt(mut self) -> Option<i32> {
        let kill = format!("kill -INT {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }

    /// Posts on the sandbox and answers the post's id.
    fn say(&self, who: &str, text: &str, visibility: &str, in_reply_to: Option<&str>) -> String {
        let body = serde_json::json!({
            "as": who, "text": text, "visibility": visibility, "in_reply_to": in_reply_to,
        });
        let posted: serde_json::Value =
            serde_json::from_str(&self.ask("POST", "/sandbox/posts", &body.to_string())).unwrap();
        posted["id"].as_str().unwrap().to_owned()
    }

    /// The newest post by the desk that holds `words`, from what `who` can see.
    fn post_with(&self, who: &str, words: &str) -> Option<String> {
        let inbox: serde_json::Value =
            serde_json::from_str(&self.ask("GET", &format!("/sandbox/inbox?as={who}"), "")).unwrap();
        let threads = inbox["threads"].as_array().unwrap();
        let mut posts = threads.iter().flat_map(|thread| thread["posts"].as_array().unwrap());
        let found =
            posts.find(|post| post["by_desk"] == true && post["text"].as_str().unwrap().contains(words))?;
        Some(found["id"].as_str().unwrap().to_owned())
    }

    /// One HTTP request, written by hand.
    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(&self.address).unwrap();
        let (address, length) = (&self.address, body.len());
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        if head.contains("chunked") { unchunked(body) } else { body.to_owned() }
    }
}

/// Puts the chunks of a body together.
fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        let (chunk, rest) = rest.split_at(size);
        whole.push_str(chunk);
        body = rest.strip_prefix("\r\n").unwrap_or(rest);
    }
    whole
}

fn told(output: &Output) -> String {
    format!(
        "exit: {}\n--- stdout\n{}--- stderr\n{}",
        output.status.code().map_or("none".to_owned(), |code| code.to_string()),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    )
}

fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o077 == 0
}

#[test]
fn help_and_mistakes_in_arguments() {
    let folder = Folder::new();
    assert_eq!(folder.command(&["--help"]).output().unwrap().status.code(), Some(0));
    assert_eq!(folder.command(&["--version"]).output().unwrap().status.code(), Some(0));
    insta::assert_snapshot!(folder.told(&["librarian"]), @r"
    exit: 1
    --- stdout
    --- stderr
    error: unrecognized subcommand 'librarian'

      tip: a similar subcommand exists: 'librarians'

    Usage: stumper [OPTIONS] [COMMAND]

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(folder.told(&["questions", "show", "K7Q"]), @r"
    exit: 1
    --- stdout
    --- stderr
    error: invalid value 'K7Q' for '<CODE>': a code is letters and digits in turn, such as `K7Q4`

    For more information, try '--help'.
    ");
}

#[test]
fn no_configuration() {
    let folder = Folder::new();
    fs::remove_file(folder.path("bot.toml")).unwrap();
    insta::assert_snapshot!(folder.told(&["run"]), @r"
    exit: 1
    --- stdout
    --- stderr
    error: there is no such file
    --> bot.toml
     = hint: name the right one with `--config FILE`, or copy the `bot.toml` that ships with Stumper
    ");
    insta::assert_snapshot!(folder.told(&["check", "--config", "other.toml"]), @r"
    exit: 1
    --- stdout
    error: there is no such file
    --> other.toml
     = hint: name the right one with `--config FILE`, or copy the `bot.toml` that ships with Stumper

    --- stderr
    1 to mend
    ");
}

#[test]
fn an_unreadable_configuration() {
    let folder = Folder::new();
    fs::write(folder.path("bot.toml"), [b'[', 0xff, b']']).unwrap();
    insta::assert_snapshot!(folder.told(&[]), @r"
    exit: 1
    --- stdout
    --- stderr
    error: the file is not UTF-8 text
    --> bot.toml
     = hint: save it as UTF-8
    ");
}

#[test]
fn folders_and_files_in_each_others_place() {
    let folder = Folder::new();
    insta::assert_snapshot!(folder.told(&["run", "--config", "rules"]), @r"
    exit: 1
    --- stdout
    --- stderr
    error: this is a folder, not a file
    --> rules
     = hint: name the file in it, such as `--config FOLDER/bot.toml`
    ");
    folder.write("data", "");
    insta::assert_snapshot!(folder.told(&["run"]), @r"
    exit: 1
    --- stdout
    --- stderr
    error: the data folder data cannot be made: a file has its name

    hint: set `data` in `[desk]` of `bot.toml` to a folder this user may write to
    ");
}

#[test]
fn no_rules() {
    let folder = Folder::new();
    fs::remove_dir_all(folder.path("rules")).unwrap();
    insta::assert_snapshot!(folder.told(&["run"]), @r"
    exit: 1
    --- stdout
    --- stderr
    error: there is no such directory of rules
    --> rules
     = hint: set `rules` in `[desk]` of `bot.toml` to the folder of your rule files, or copy the `rules` folder that ships with Stumper beside it

    error: with these rules the desk does not open

    hint: mend them until `stumper check` is content
    ");
    assert!(!folder.path("data").exists(), "nothing is begun that cannot go on");
}

#[test]
fn broken_rules() {
    let folder = Folder::new();
    folder.write("rules/music.toml", "id = \"music\"\nname = \"Music\"\nstrong = [\"opera\", 5]\n");
    insta::assert_snapshot!(folder.told(&["run"]), @r#"
    exit: 1
    --- stdout
    --- stderr
    error: a text in quotes is expected here, and this is a number
     --> rules/music.toml:3:20
      |
    3 | strong = ["opera", 5]
      |                    ^
      |
      = hint: put it in quotes

    error: with these rules the desk does not open

    hint: mend them until `stumper check` is content
    "#);
}

#[test]
fn a_port_in_use() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    folder.write(
        "bot.toml",
        &format!("[web]\nlisten = \"127.0.0.1:{port}\"\n[network.sandbox]\nenabled = true\n"),
    );
    insta::assert_snapshot!(folder.told(&["run"]).replace(&port, "PORT"), @r"
    exit: 1
    --- stdout
    --- stderr
    error: another program uses 127.0.0.1:PORT already

    hint: end it if it is another desk, or set another port with `listen` in `[web]` of `bot.toml`
    ");
}

#[test]
fn a_database_in_use() {
    let folder = Folder::new();
    let desk = folder.start();
    insta::assert_snapshot!(folder.told(&["run"]).replace(&desk.address, "ADDRESS"), @r"
    exit: 1
    --- stdout
    --- stderr
    error: this desk runs already

    hint: its page is at http://ADDRESS/; to start it anew, end the other `stumper` first
    ");
    // A desk that cannot be asked is as good as another program.
    fs::remove_file(folder.path("data/control.json")).unwrap();
    insta::assert_snapshot!(folder.told(&["librarians", "list"]), @r"
    exit: 1
    --- stdout
    --- stderr
    error: the database in data/store is in use by another process

    hint: no desk answers commands there: end the other `stumper`, or wait until it has started or stopped
    ");
}

#[test]
fn check_tells_everything_at_once() {
    let folder = Folder::new();
    insta::assert_snapshot!(folder.told(&["check"]), @r"
    exit: 0
    --- stdout
    --- stderr
    everything is in order
    ");
    folder.write(
        "bot.toml",
        "[limits]\nmentions_max = 500\n[network.sandbox]\nenabled = true\n[network.bluesky]\npassword = \"hunter2\"\n",
    );
    insta::assert_snapshot!(folder.told(&["check"]), @r"
    exit: 1
    --- stdout
    error: this number is out of range
    --> bot.toml:2:16
     = hint: write a number from 0 to 50

    error: a secret does not belong in this file
    --> bot.toml:6:1
     = hint: remove it here, change it at its network, and say where the new one is with `password_env` or `password_file`

    --- stderr
    2 to mend
    ");
    insta::assert_snapshot!(folder.told(&["check", "--json"]), @r#"
    exit: 1
    --- stdout
    {"file":"bot.toml","line":2,"column":16,"severity":"error","what":"this number is out of range","hint":"write a number from 0 to 50"}
    {"file":"bot.toml","line":6,"column":1,"severity":"error","what":"a secret does not belong in this file","hint":"remove it here, change it at its network, and say where the new one is with `password_env` or `password_file`"}
    --- stderr
    2 to mend
    "#);
    folder.write("bot.toml", "[network.bluesky]\nenabled = true\nidentifier = \"desk.example\"\n");
    folder.write("rules/music.toml", "id = \"music\"\nname = \"Music\"\nstrong = [\"opera\", 5]\n");
    insta::assert_snapshot!(folder.told(&["check"]), @r#"
    exit: 1
    --- stdout
    error: Bluesky is enabled but nothing says where its password is
    --> bot.toml:1:10
     = hint: add `password_env = "STUMPER_BLUESKY_PASSWORD"` and set that variable to an app password

    error: a text in quotes is expected here, and this is a number
     --> rules/music.toml:3:20
      |
    3 | strong = ["opera", 5]
      |                    ^
      |
      = hint: put it in quotes

    --- stderr
    2 to mend
    "#);
}

#[test]
fn bad_input_rule_files_are_told_together() {
    let folder = Folder::new();
    folder.write("rules/arts.toml", "id = \"history\"\nname = \"Arts\"\nstrong = [\"painting\"]\n");
    folder.write("rules/a.toml", "id = \"a\"\nname = \"A\"\nparent = \"b\"\nstrong = [\"aa\"]\n");
    folder.write("rules/b.toml", "id = \"b\"\nname = \"B\"\nparent = \"a\"\nstrong = [\"bb\"]\n");
    fs::write(folder.path("rules/latin.toml"), b"id = \"latin\"\nname = \"Caf\xe9\"\n").unwrap();
    fs::write(folder.path("rules/huge.toml"), "# much too much\n".repeat(660_000)).unwrap();
    assert!(fs::metadata(folder.path("rules/huge.toml")).unwrap().len() > 10_000_000);
    insta::assert_snapshot!(folder.told(&["check"]), @r#"
    exit: 1
    --- stdout
    error: this subject is its own parent, directly or in a circle
     --> rules/a.toml:3:10
      |
    3 | parent = "b"
      |          ^^^
      |
      = hint: take out one of the parents in the circle

    error: the id is not the file's name
     --> rules/arts.toml:1:6
      |
    1 | id = "history"
      |      ^^^^^^^^^
      |
      = hint: write `id = "arts"`, or rename the file

    error: this subject is its own parent, directly or in a circle
     --> rules/b.toml:3:10
      |
    3 | parent = "a"
      |          ^^^
      |
      = hint: take out one of the parents in the circle

    error: this file is larger than 1 MiB and was not read
    --> rules/huge.toml
     = hint: split the subject, or keep the terms that matter

    error: from here on the file is not UTF-8 text
     --> rules/latin.toml:2:12
      |
    2 | name = "Caf
      |            ^
      |
      = hint: save it as UTF-8

    --- stderr
    5 to mend
    "#);
    assert_eq!(folder.told(&["run"]).lines().next(), Some("exit: 1"), "and with them the desk does not open");
}

#[test]
fn stopped_by_a_service_manager() {
    let folder = Folder::new();
    let desk = folder.start();
    assert!(is_private(&folder.path("data")));
    assert!(is_private(&folder.path("data/control.json")));
    assert_eq!(desk.ask("GET", "/health", ""), "ok\n");
    let (code, log) = desk.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(!folder.path("data/control.json").exists());
    // All is left so that the next start finds it.
    assert_eq!(folder.start().terminate().0, Some(0));
}

#[test]
fn stopped_by_ctrl_c() {
    let folder = Folder::new();
    let desk = folder.start();
    desk.say("nina", "@desk join history", "direct", None);
    folder.wait_for(&["librarians", "list"], |list| list.contains("can be asked"));
    assert_eq!(desk.interrupt(), Some(0));
    assert!(!folder.path("data/control.json").exists());
    assert!(folder.data(&["librarians", "list"]).contains("can be asked"), "nothing was lost");
}

#[test]
fn the_coordinator_steps_in() {
    let folder = Folder::new();
    let desk = folder.start();
    for who in ["nina", "otto"] {
        desk.say(who, "@desk join history", "direct", None);
        folder.wait_for(&["librarians", "list"], |list| list.contains(&format!("sandbox:{who}")));
    }
    folder.data(&["librarians", "pause", "otto", "--for", "3d"]);
    assert!(folder.data(&["librarians", "list"]).contains("paused until"));
    desk.say("pat", "@desk Which battle ended the norman conquest?", "public", None);
    let listed = folder.wait_for(&["questions", "list", "--json"], |list| list.contains("\"asked\":1"));
    let question: serde_json::Value = serde_json::from_str(listed.trim()).unwrap();
    let code = question["code"].as_str().unwrap();

    insta::assert_snapshot!(folder.told(&["librarians", "pause", "otto", "--resume"]), @r"
    exit: 0
    --- stdout
    --- stderr
    they are asked again
    ");
    insta::assert_snapshot!(folder.told(&["questions", "reassign", code, "otto"]), @r"
    exit: 0
    --- stdout
    --- stderr
    the question is offered to them
    ");
    insta::assert_snapshot!(folder.told(&["questions", "reassign", code, "zoe"]), @r"
    exit: 1
    --- stdout
    --- stderr
    error: nobody on the roster has this name

    hint: see `stumper librarians list`
    ");
    let exported: serde_json::Value =
        serde_json::from_str(&folder.data(&["questions", "export", code])).unwrap();
    let shown: serde_json::Value =
        serde_json::from_str(&folder.data(&["questions", "show", code, "--json"])).unwrap();
    assert_eq!(exported["question"], shown["question"]);
    assert_eq!(exported["question"]["text"], "Which battle ended the norman conquest?");
    assert_eq!(exported["question"]["invitations"].as_array().unwrap().len(), 2);

    insta::assert_snapshot!(folder.told(&["questions", "close", code]), @"
    exit: 0
    --- stdout
    --- stderr
    it is closed; a patron who asked and has no answer is told
    ");
    insta::assert_snapshot!(folder.told(&["questions", "close", code]).replace(code, "CODE"), @r"
    exit: 1
    --- stdout
    --- stderr
    error: the question CODE is withdrawn already

    hint: see its history with `stumper questions show CODE`
    ");
    let told =
        std::iter::repeat_with(|| desk.post_with("pat", "coordinator has closed")).take(ASK_AGAIN_MAX * 10);
    assert!(told.flatten().next().is_some(), "the patron is told");
    assert_eq!(folder.data(&["questions", "list", "--json"]), "");
}

#[test]
fn completions_are_scripts_that_shells_can_read() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = folder.data(&["completions", shell]);
        assert!(script.contains("stumper") && script.contains("librarians"), "{shell}");
    }
    folder.write("stumper.bash", &folder.data(&["completions", "bash"]));
    let read = Command::new("bash").arg("-n").arg(folder.path("stumper.bash")).status().unwrap();
    assert!(read.success());
    assert_eq!(folder.told(&["completions", "tcsh"]).lines().next(), Some("exit: 1"));
}

/// A desk for several libraries: the coordinator says who belongs to which, and a roster keeps it.
#[test]
fn a_librarian_is_prepared_as_one_of_a_library() {
    let folder = Folder::new();
    let libraries =
        "[[library]]\nid = \"springfield\"\nname = \"Springfield Library\"\nhead_start = \"10m\"\n";
    folder.write(
        "bot.toml",
        &format!("{}\n{libraries}", std::fs::read_to_string(folder.path("bot.toml")).unwrap()),
    );
    let add = |who: &str, library: &str| {
        folder.told(&["librarians", "add", who, "--subject", "history", "--library", library])
    };
    assert!(add("sandbox:nina", "Springfield Library").starts_with("exit: 0"));
    insta::assert_snapshot!(add("sandbox:otto", "shelbyville"), @r#"
    exit: 1
    --- stdout
    --- stderr
    error: there is no such library

    hint: the libraries are `springfield`
    "#);
    let roster = folder.data(&["librarians", "export"]);
    assert!(roster.contains("library = \"springfield\""), "{roster}");
    let other = Folder::new();
    other.write("roster.toml", &roster);
    let refused = other.told(&["librarians", "import", "roster.toml"]);
    assert!(refused.contains("add it to `bot.toml`"), "{refused}");
    other.write(
        "bot.toml",
        &format!("{}\n{libraries}", std::fs::read_to_string(other.path("bot.toml")).unwrap()),
    );
    assert!(other.told(&["librarians", "import", "roster.toml"]).starts_with("exit: 0"));
    assert_eq!(other.data(&["librarians", "export"]), roster);
}

#[test]
fn commands_do_the_same_whether_the_desk_runs_or_not() {
    let talk = |folder: &Folder| {
        let steps = [
            "librarians list",
            "librarians add sandbox:nina --subject History --language de --limit 2",
            "librarians add sandbox:nina --subject histroy",
            "librarians add nina --subject history",
            "librarians add bluesky:nina.example --subject history",
            "librarians list",
            "librarians list --json",
            "librarians pause zoe",
            "librarians remove nina",
            "librarians list",
            "questions list",
            "questions list --json",
            "questions show K7Q4",
            "questions close K7Q4",
            "questions list --held",
            "questions release K7Q4",
        ];
        let told = |step: &str| folder.told(&step.split(' ').collect::<Vec<_>>());
        steps.map(|step| format!("$ stumper {step}\n{}", told(step))).join("\n")
    };
    let resting = Folder::new();
    let without = talk(&resting);
    let running = Folder::new();
    let _desk = running.start();
    assert_eq!(talk(&running), without);
    insta::assert_snapshot!(without, @r#"
    $ stumper librarians list
    exit: 0
    --- stdout
    --- stderr
    nobody is on the roster yet; librarians join by writing `join` to the desk

    $ stumper librarians add sandbox:nina --subject History --language de --limit 2
    exit: 0
    --- stdout
    --- stderr
    the entry is prepared; they will be asked once they write `join` to the desk themselves

    $ stumper librarians add sandbox:nina --subject histroy
    exit: 1
    --- stdout
    --- stderr
    error: there is no such subject

    hint: did you mean `history`?

    $ stumper librarians add nina --subject history
    exit: 1
    --- stdout
    --- stderr
    error: the account does not say which network it is on

    hint: write the network in front, as in `sandbox:nina`; the networks are `sandbox` or `bluesky` or `mastodon` or `x` or `facebook`

    $ stumper librarians add bluesky:nina.example --subject history
    exit: 1
    --- stdout
    --- stderr
    error: an account on Bluesky has to be named by its DID, which stays when the handle changes

    hint: find it at https://bsky.social/xrpc/com.atproto.identity.resolveHandle?handle=nina.example, or let them write `join` to the desk, which needs no preparation

    $ stumper librarians list
    exit: 0
    --- stdout
    ACCOUNT       STATUS              SUBJECTS  LANGUAGES  OPEN  ANSWERED
    sandbox:nina  has not joined yet  history   de         0/2   0 of 0
    --- stderr

    $ stumper librarians list --json
    exit: 0
    --- stdout
    {"network":"sandbox","id":"nina","handle":"nina","librarian":{"opted_in_at":null,"subjects":["history"],"hours":[],"languages":["de"],"limit":2,"paused_until":null,"open":[],"asked_at":null,"asked_total":0,"answered_total":0,"invitations":{"count":1,"per":"day"}}}
    --- stderr

    $ stumper librarians pause zoe
    exit: 1
    --- stdout
    --- stderr
    error: nobody on the roster has this name

    hint: see `stumper librarians list`

    $ stumper librarians remove nina
    exit: 0
    --- stdout
    --- stderr
    they are off the roster

    $ stumper librarians list
    exit: 0
    --- stdout
    --- stderr
    nobody is on the roster yet; librarians join by writing `join` to the desk

    $ stumper questions list
    exit: 0
    --- stdout
    --- stderr
    no open questions; see those that have ended with `--all`

    $ stumper questions list --json
    exit: 0
    --- stdout
    --- stderr

    $ stumper questions show K7Q4
    exit: 1
    --- stdout
    --- stderr
    error: there is no question K7Q4

    hint: see `stumper questions list --all`; ended questions are erased after a while

    $ stumper questions close K7Q4
    exit: 1
    --- stdout
    --- stderr
    error: there is no question K7Q4

    hint: see `stumper questions list --all`; ended questions are erased after a while

    $ stumper questions list --held
    exit: 0
    --- stdout
    --- stderr
    nothing is held back

    $ stumper questions release K7Q4
    exit: 1
    --- stdout
    --- stderr
    error: there is no question K7Q4

    hint: see `stumper questions list --all`; ended questions are erased after a while
    "#);
}

#[test]
fn a_question_from_asking_to_its_answer() {
    let folder = Folder::new();
    let desk = folder.start();
    desk.say("nina", "@desk join history", "direct", None);
    folder.wait_for(&["librarians", "list"], |list| list.contains("can be asked"));
    desk.say("pat", "@desk Which battle ended the norman conquest?", "public", None);
    let listed = folder.wait_for(&["questions", "list", "--json"], |list| list.contains("\"asked\":1"));
    let question: serde_json::Value = serde_json::from_str(listed.trim()).unwrap();
    let code = question["code"].as_str().unwrap();
    let invitation = std::iter::repeat_with(|| desk.post_with("nina", code))
        .take(ASK_AGAIN_MAX * 10)
        .flatten()
        .next()
        .expect("the librarian is invited");
    desk.say("nina", "@desk Hastings, in 1066.", "unlisted", Some(&invitation));
    folder.wait_for(&["questions", "list", "--all"], |list| list.contains("answered"));

    let shown = folder.data(&["questions", "show", code]);
    for expected in [
        "Which battle ended the norman conquest?",
        "history (",
        "\"norman conquest\"",
        "sandbox:nina, who takes history",
        "took it",
        "Answered by a librarian",
    ] {
        assert!(shown.contains(expected), "{expected} is missing in {shown}");
    }
    // Promise 7: what people wrote, and who they are, stands in no log.
    let (code, log) = desk.terminate();
    assert_eq!(code, Some(0));
    for secret in ["nina", "pat", "Hastings", "norman"] {
        assert!(!log.contains(secret), "{secret} stands in the log: {log}");
    }
    // What was decided outlives the process.
    assert!(folder.data(&["questions", "list", "--all"]).contains("answered"));
}

#[test]
fn nothing_lost_what_is_held_back_is_seen_and_released() {
    let folder = Folder::new();
    fs::create_dir(folder.path("rules/screening")).unwrap();
    folder.write("rules/screening/spam.toml", "id = \"spam\"\nname = \"Spam\"\nstrong = [\"dm me\"]\n");
    let desk = folder.start();
    desk.say("eve", "@desk Buy real followers, the norman conquest of §likes, DM me now", "public", None);
    let held = folder.wait_for(&["questions", "list", "--held", "--json"], |list| list.contains("held"));
    let row: serde_json::Value = serde_json::from_str(held.trim()).unwrap();
    assert_eq!((&row["state"], &row["held"]["kind"]), (&"held".into(), &"spam".into()), "{row}");
    let code = row["code"].as_str().unwrap();
    let listed = folder.data(&["questions", "list", "--held"]);
    assert!(listed.contains("spam") && listed.contains("dm me (+3)"), "{listed}");
    assert!(!held.contains("§likes") && !listed.contains("§likes"), "promise 7: lists quote nobody");
    assert!(
        folder.told(&["questions", "list"]).contains("1 held back as no question; see why with `--held`")
    );
    let shown = folder.data(&["questions", "show", code]);
    for expected in ["held", "§likes", "Held back as spam because of", "it is erased"] {
        assert!(shown.contains(expected), "{expected} is missing in {shown}");
    }
    assert!(folder.told(&["questions", "release", code]).contains("it is a question now"));
    folder.wait_for(&["questions", "list"], |list| list.contains(code));
    assert!(folder.told(&["questions", "release", code]).contains("is not held back"));
    let (_, log) = desk.terminate();
    for secret in ["eve", "§likes"] {
        assert!(!log.contains(secret), "promise 7: {secret} stands in the log: {log}");
    }
}

#[test]
fn a_corrected_question_is_shown_as_such_and_learnt_from_only_where_it_may_be() {
    let folder = Folder::new();
    let bot = fs::read_to_string(folder.path("bot.toml")).unwrap();
    folder.write(
        "bot.toml",
        &format!("[routing]\ninvitations_per_day = 9\n[privacy]\nlearn_from_questions = true\n{bot}"),
    );
    folder.write("rules/law.toml", LAW);
    let desk = folder.start();
    desk.say("nina", "@desk join history", "direct", None);
    desk.say("lexi", "@desk join law", "direct", None);
    folder.wait_for(&["librarians", "list"], |list| list.matches("can be asked").count() == 2);
    let ask = |who: &str, text: &str, visibility: &str, count: usize| {
        desk.say(who, text, visibility, None);
        let listed = folder
            .wait_for(&["questions", "list", "--json"], |list| list.matches("\"asked\":1").count() == count);
        let row: serde_json::Value = serde_json::from_str(listed.lines().last().unwrap()).unwrap();
        let code = row["code"].as_str().unwrap().to_owned();
        let invitation = std::iter::repeat_with(|| desk.post_with("nina", &code)).flatten().next().unwrap();
        desk.say(
            "nina",
            "@desk Wrong subject: law!",
            if visibility == "direct" { "direct" } else { "unlisted" },
            Some(&invitation),
        );
        folder.wait_for(&["questions", "show", &code], |shown| shown.contains("who takes law"));
        code
    };
    let public = ask("pat", "@desk May I copy a medieval\tmap?", "public", 1);
    let private = ask("quin", "@desk May I sell my medieval coin?", "direct", 1);

    let listed = folder.data(&["questions", "list"]);
    assert_eq!(listed.matches("law (says nina)").count(), 2, "{listed}");
    let listed = folder.data(&["questions", "list", "--json"]);
    assert_eq!(listed.matches(r#""subject":"law","corrected_by":"nina""#).count(), 2, "{listed}");
    let shown = folder.data(&["questions", "show", &public]);
    for expected in [
        "law, because nina said so",
        "The rules had found\n    history (",
        "\"medieval\"",
        "of another subject",
    ] {
        assert!(shown.contains(expected), "{expected} is missing in {shown}");
    }
    let shown: serde_json::Value =
        serde_json::from_str(&folder.data(&["questions", "show", &private, "--json"])).unwrap();
    assert_eq!(shown["question"]["correction"]["by"]["handle"], "nina");
    // They count as never asked.
    assert!(folder.data(&["librarians", "list", "--json"]).contains(r#""asked_total":0"#));

    let labelled = "law\tMay I copy a medieval map?\tdesk\n";
    assert_eq!(folder.data(&["questions", "labelled"]), labelled, "the private one is left out");
    assert_eq!(desk.terminate().0, Some(0));
    assert_eq!(folder.data(&["questions", "labelled"]), labelled, "whether the desk runs or not");
    folder.write("rows.tsv", labelled);
    assert!(folder.data(&["rules", "eval", "rows.tsv"]).contains("1 texts"));
    folder.write("bot.toml", &bot);
    insta::assert_snapshot!(folder.told(&["questions", "labelled"]), @r"
    exit: 1
    --- stdout
    --- stderr
    error: this desk does not let its rules learn from questions

    hint: set `learn_from_questions = true` in `[privacy]` of `bot.toml`; patrons are told from then on, and only what they ask after that is used
    ");
}

#[test]
fn rules_are_read_again_while_the_desk_works() {
    let folder = Folder::new();
    let mut desk = folder.start();
    let log = desk.log();
    // No file has changed: only the signal can be the reason.
    desk.hang_up();
    log.until("The rules were read anew: 1 subjects");

    folder.write("rules/law.toml", LAW);
    log.until("The rules were read anew: 2 subjects");
    desk.say("pat", "@desk Which statute is that?", "public", None);
    folder.wait_for(&["questions", "list"], |list| list.contains("law"));

    folder.write("rules/music.toml", "id = \"music\"\nname = \"Music\"\nstrong = [\"opera\", 5]\n");
    let told = log.until("so the old ones stay in use");
    assert!(told.contains("rules/music.toml:3:20: a text in quotes is expected here"), "{told}");
    desk.hang_up();
    log.until("so the old ones stay in use");
    desk.say("quin", "@desk Which opera cites a statute?", "public", None);
    let listed = folder.wait_for(&["questions", "list"], |list| list.matches("seeking").count() == 2);
    assert_eq!(listed.matches("law").count(), 2, "the old rules serve: {listed}");
}

#[test]
fn no_question_is_dropped_while_rules_are_exchanged() {
    const QUESTIONS: usize = 40;
    let folder = Folder::new();
    let mut desk = folder.start();
    let log = desk.log();
    for turn in 0..QUESTIONS {
        // Every other time the new rules are broken.
        let broken = if turn % 2 == 0 { "weak = 5\n" } else { "" };
        folder.write("rules/law.toml", &format!("{LAW}{broken}"));
        desk.hang_up();
        let who = format!("patron{}", turn % 5);
        desk.say(
            &who,
            &format!("@desk Which battle of the norman conquest was number {turn}?"),
            "public",
            None,
        );
    }
    let listed = folder.wait_for(&["questions", "list", "--json"], |list| list.lines().count() == QUESTIONS);
    assert_eq!(listed.matches(r#""subject":"history""#).count(), QUESTIONS, "{listed}");
    log.until("The rules were read anew: 2 subjects");
}

/// What `rules/README.md` tells a librarian to do, done to the letter.
#[test]
fn the_subject_of_the_guide_works_as_it_says() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let guide = fs::read_to_string(shipped.join("README.md")).unwrap();
    let block = |begins: &str| {
        let (_, rest) = guide.split_once(begins).unwrap();
        rest.split_once("```").unwrap().0.to_owned()
    };
    let folder = Folder::new();
    for entry in fs::read_dir(&shipped).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            fs::copy(&path, folder.path("rules").join(path.file_name().unwrap())).unwrap();
        }
    }
    fs::create_dir(folder.path("rules/learned")).unwrap();
    for entry in fs::read_dir(shipped.join("learned")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path("rules/learned").join(path.file_name().unwrap())).unwrap();
    }
    folder.write("rules/railways.toml", block("```toml\n").as_str());

    let console = block("```console\n$ stumper rules explain ");
    let question = console.split('"').nth(1).unwrap();
    let explained = folder.data(&["rules", "explain", question]);
    // What was learned changes whenever something is learned.
    let changing = ["% sure", "learned", "follows", "[", "…"];
    let shown = |line: &&str| !line.starts_with('"') && !changing.iter().any(|part| line.contains(part));
    for line in console.lines().skip(1).filter(shown) {
        assert!(explained.contains(line), "{line:?} is not shown: {explained}");
    }
    let tested = folder.data(&["rules", "test"]);
    assert!(tested.contains("0 missing, 0 noisy, 0 wrong"), "{tested}");
    let advice = folder.told(&["rules", "lint"]);
    assert!(!advice.contains("railways"), "the example is without reproach: {advice}");
    folder.write("questions.tsv", &format!("railways\t{question}\nhistory\tWho fought at Hastings?\n"));
    assert!(
        folder
            .data(&["rules", "eval", "questions.tsv"])
            .contains("railways                      1      1.000")
    );
}

#[test]
fn rules_are_learned_beside_those_that_people_wrote() {
    let folder = Folder::new();
    folder.write("rules/law.toml", LAW);
    let rows = |subject: &str, word: &str| {
        (0..25)
            .map(|n| format!("{subject}\tWhich {word} is number {n}?\tplace {}\n", n % 2))
            .collect::<String>()
    };
    folder.write(
        "questions.tsv",
        &(rows("history", "castle") + &rows("law", "tribunal") + "geology\tslate\nrow\n"),
    );
    let learn = ["rules", "learn", "--from", "questions.tsv"];
    let told = folder.told(&learn);
    for part in [
        "exit: 0",
        "learned from 50 questions of 2 sources",
        "wrote rules/learned/words.tsv",
        "questions.tsv:52: a row is a subject's id, a tab, and a text; this row is left out",
        "1 rows of `geology`, which has no rules, are left out",
    ] {
        assert!(told.contains(part), "{part:?} in {told}");
    }
    assert!(
        folder.data(&["classify", "Who built the castle?"]).contains("castle"),
        "what was learned is used"
    );
    assert!(folder.told(&learn).contains("the files in rules/learned are as they were"));
    let report: serde_json::Value =
        serde_json::from_str(&folder.data(&[&learn[..], &["--json"]].concat())).unwrap();
    assert_eq!(
        (report["questions"].as_u64(), report["changed"].as_array().map(Vec::len)),
        (Some(50), Some(0))
    );

    assert!(folder.told(&["rules", "learn"]).contains("--from"), "something to learn from is asked for");
    assert!(folder.told(&["rules", "learn", "--from", "none.tsv"]).contains("cannot read none.tsv"));
    folder.write("few.tsv", "history\tWho was first?\n");
    let few = folder.told(&["rules", "learn", "--from", "few.tsv"]);
    assert!(few.contains("exit: 1") && few.contains("none of the questions is of a subject"), "{few}");
    let desk = folder.told(&["rules", "learn", "--from-desk"]);
    assert!(desk.contains("exit: 1"), "a desk that may not learn says so: {desk}");
}

#[test]
fn the_control_endpoint_serves_nobody_without_the_token() {
    let folder = Folder::new();
    let desk = folder.start();
    assert_eq!(desk.ask("POST", "/control", "{\"ask\":\"librarians\"}"), "");
    assert_eq!(folder.data(&["librarians", "list", "--json"]), "");
}

#[test]
fn nothing_lost_an_export_can_be_imported_elsewhere() {
    let folder = Folder::new();
    let desk = folder.start();
    folder.data(&["librarians", "add", "sandbox:nina", "--subject", "history"]);
    let of_running = folder.data(&["store", "export"]);
    drop(desk.terminate());
    folder.data(&["store", "export", "saved.jsonl"]);
    assert!(is_private(&folder.path("saved.jsonl")));
    assert_eq!(fs::read_to_string(folder.path("saved.jsonl")).unwrap(), of_running);
    assert_eq!(folder.told(&["store", "export", "saved.jsonl"]).lines().next(), Some("exit: 1"));

    let other = Folder::new();
    fs::copy(folder.path("saved.jsonl"), other.path("saved.jsonl")).unwrap();
    other.data(&["store", "import", "saved.jsonl"]);
    assert!(other.data(&["librarians", "list"]).contains("sandbox:nina"));
    assert_eq!(other.told(&["store", "import", "saved.jsonl"]).lines().next(), Some("exit: 1"));
    other.data(&["store", "compact"]);
    assert!(other.data(&["librarians", "list"]).contains("sandbox:nina"));
    let left = fs::read_dir(other.path("data"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = left.filter(|name| name.ends_with(".jsonl")).collect();
    assert_eq!(left, Vec::<String>::new(), "no copy of what people wrote is left behind");
}

#[test]
fn nothing_lost_a_roster_can_be_moved_with_the_time_of_opting_in() {
    let folder = Folder::new();
    let desk = folder.start();
    desk.say("nina", "@desk join history", "direct", None);
    folder.wait_for(&["librarians", "list"], |list| list.contains("can be asked"));
    for (format, file) in [("toml", "roster.toml"), ("jsonl", "roster.jsonl")] {
        let written = folder.data(&["librarians", "export", "--format", format]);
        let other = Folder::new();
        other.write(file, &written);
        other.data(&["librarians", "import", file]);
        assert_eq!(other.data(&["librarians", "export", "--format", format]), written);
        assert!(other.data(&["librarians", "list"]).contains("can be asked"));
    }
    folder.write("roster.toml", "[[librarian]]\naccount = \"sandbox:zoe\"\nsubject = 5\n");
    insta::assert_snapshot!(folder.told(&["librarians", "import", "roster.toml"]), @r"
    exit: 1
    --- stdout
    --- stderr
    error: roster.toml:3:1: unknown field `subject`, expected one of `account`, `handle`, `subjects`, `languages`, `limit`, `library`, `opted_in_at`, `hours`; nobody was added

    hint: see what `stumper librarians export` writes for the fields and their form
    ");
}

#[test]
fn bad_input_a_roster_says_what_the_desk_could_not_use() {
    const ENTRY: &str = r#"
[[librarian]]
account = "sandbox:zoe"
handle = "zoe"
subjects = ["history"]
languages = ["en"]
limit = 3
[[librarian.hours]]
from = "18:00:00"
until = "22:00:00"
zone = "Europe/Berlin"
days = [1]
"#;
    let folder = Folder::new();
    let rows = [
        ("Berlin", "Berlin", None),
        ("Berlin", "Atlantis", Some("hours in the time zone `Europe/Atlantis`, which is not known")),
        ("[1]", "[8]", Some("hours on a day that is not known")),
        ("limit = 3", "limit = 0", Some("a limit out of range")),
        ("\"en\"", "\"klingon\"", Some("a language that is no language tag")),
    ];
    for (good, bad, wanted) in rows {
        folder.write("roster.toml", &ENTRY.replace(good, bad));
        let told = folder.told(&["librarians", "import", "roster.toml"]);
        let error = told.lines().find_map(|line| line.strip_prefix("error: "));
        let wanted = wanted.map(|what| format!("the entry of sandbox:zoe has {what}; nobody was added"));
        assert_eq!(error.map(str::to_owned), wanted, "{told}");
    }
    let on_x = ENTRY.replace("sandbox:zoe", "x:44").replace("handle = \"zoe\"", "handle = \"zoe/readers\"");
    folder.write("roster.toml", &on_x);
    insta::assert_snapshot!(folder.told(&["librarians", "import", "roster.toml"]), @r"
    exit: 1
    --- stdout
    --- stderr
    error: nobody was added; the entry of x:44: the handle names a list on X, and not a person

    hint: write up to 20 letters from a to z, digits and `_`, such as `nina`
    ");
    insta::assert_snapshot!(
        folder.told(&["librarians", "add", "x:44", "--handle", "zoe.example", "--subject", "history"]), @r"
    exit: 1
    --- stdout
    --- stderr
    error: the handle cannot be one on X

    hint: write up to 20 letters from a to z, digits and `_`, such as `nina`
    "
    );
}

#[test]
fn the_networks_are_checked() {
    let folder = Folder::new();
    insta::assert_snapshot!(folder.told(&["network", "check"]), @r"
    exit: 1
    --- stdout
    sandbox as desk
        page: not in order: the desk does not run
          hint: start it with `stumper run`
    --- stderr
    ");
    insta::assert_snapshot!(folder.told(&["network", "check", "bluesky"]), @r"
    exit: 1
    --- stdout
    --- stderr
    error: bluesky is not enabled

    hint: set `enabled = true` in `[network.bluesky]` of bot.toml
    ");
    let desk = folder.start();
    insta::assert_snapshot!(folder.told(&["network", "check"]).replace(&desk.address, "ADDRESS"), @r"
    exit: 0
    --- stdout
    sandbox as desk
        page: ok: open at http://ADDRESS/
    --- stderr
    ");
    folder.write("bot.toml", "[network.bluesky]\nenabled = true\nidentifier = \"desk.example\"\n");
    insta::assert_snapshot!(folder.told(&["network", "check"]), @r#"
    exit: 1
    --- stdout
    --- stderr
    error: Bluesky is enabled but nothing says where its password is
    --> bot.toml:1:10
     = hint: add `password_env = "STUMPER_BLUESKY_PASSWORD"` and set that variable to an app password
    "#);
}

#[test]
fn nobody_reading_on_is_no_problem() {
    let folder = Folder::new();
    let mut child = folder
        .command(&["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}
