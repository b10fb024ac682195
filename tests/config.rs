//! What a coordinator is told about a `bot.toml`: a table of mistakes and the words for them.
//!
//! **Invariant:** no message holds anything that stands in the file.

use jiff::SignedDuration;
use secrecy::ExposeSecret;
use stumper::cli::render::{self, Colour, Lines};
use stumper::config::{self, Password, secrets};
use stumper::desk::commands::hours::zone_named;
use stumper::desk::{Account, Network, Person, Settings};
use stumper::networks::x::{FieldNames, Prices};

/// What is said about a file, a fault a line: place, what is wrong, what to do.
fn said(text: &str) -> String {
    let (config, faults) = config::parse("bot.toml", text);
    assert_eq!(config.is_none(), !faults.is_empty(), "there is a configuration just where there is no error");
    let lines = faults.iter().map(|fault| {
        let place = fault.position(text).map(|place| format!("{place} ")).unwrap_or_default();
        format!("{place}{}\n  hint: {}\n", fault.what, fault.hint.as_deref().unwrap_or("-"))
    });
    lines.collect()
}

/// A file with the sandbox enabled, and `lines` in front of that.
fn with(lines: &str) -> String {
    said(&format!("{lines}\n[network.sandbox]\nenabled = true\n"))
}

#[test]
fn the_shipped_file_is_in_order_and_says_what_is_the_default_anyway() {
    let text = include_str!("../bot.toml");
    let (config, faults) = config::parse("bot.toml", text);
    assert_eq!(faults, []);
    let config = config.unwrap();
    assert_eq!(config.settings, Settings::default());
    assert!(config.sandbox);
    assert_eq!(config.bluesky, None);
    assert_eq!(config.x, None);
    assert_eq!((config.facebook, config.atom), (None, None));
    assert_eq!(config.listen.to_string(), "127.0.0.1:7365");
}

#[test]
fn every_setting_of_the_shipped_file_can_be_switched_on() {
    let text = include_str!("../bot.toml").replace("enabled = false", "enabled = true");
    let text: String = text
        .lines()
        .map(|line| {
            match line.strip_prefix("# ").filter(|rest| rest.contains(" = \"") || rest.starts_with("[[")) {
                Some(setting) => format!("{setting}\n"),
                None => format!("{line}\n"),
            }
        })
        .collect();
    assert_eq!(said(&text), "");
    let config = config::parse("bot.toml", &text).0.unwrap();
    assert!(config.settings.outlets.is_any() && config.atom.is_some() && config.facebook.is_some());
    let bluesky = config.bluesky.unwrap();
    assert_eq!(bluesky.identifier, "desk.library.example");
    assert_eq!(bluesky.service, "https://bsky.social");
}

#[test]
fn settings_of_x_arrive_where_they_belong() {
    let text = r#"
        [network.x]
        enabled = true
        log_in = "app"
        client_id = "abc"
        field_names = "tweet"
        ask_for_authors = false
        [network.budget]
        monthly_dollars = 25
        price_read_post = 0.001
        price_post = 0.000001
    "#;
    let (config, faults) = config::parse("bot.toml", text);
    assert_eq!(faults, []);
    let x = config.unwrap().x.unwrap();
    let redirect = "http://127.0.0.1:7366/".to_owned();
    assert_eq!(x.log_in, config::x::LogIn::App { client_id: "abc".to_owned(), redirect });
    assert_eq!(x.field_names, FieldNames::Tweet);
    assert!(!x.ask_for_authors);
    let want = Prices { monthly: 25_000_000, read_post: 1_000, post: 1, ..Prices::default() };
    assert_eq!(x.prices, want);
}

#[test]
fn mistakes_about_x_are_told() {
    let text = r#"
[network.x]
enabled = true
service = "http://elsewhere.example"
log_in = "password"
field_names = "toots"
poll_messages = "1s"
[network.budget]
monthly_dollars = "10"
price_post = 0.0000001
price_message = -1
price_other = 1e3
"#;
    insta::assert_snapshot!(said(text), @r#"
    4:11 this is not the address of a service
      hint: write "https://api.x.com"
    5:10 there is no such way to log in
      hint: write "keys" for OAuth 1.0a or "app" for OAuth 2.0
    6:15 X has no such names of fields
      hint: write "post" or "tweet"
    7:17 this length of time is out of range
      hint: write a length from 1 minute to 1 hour
    9:19 an amount of dollars belongs here
      hint: write dollars without quotes, such as `monthly_dollars = 10` or `monthly_dollars = 0.015`
    10:14 an amount of dollars belongs here
      hint: write dollars without quotes, such as `price_post = 10` or `price_post = 0.015`
    11:17 an amount of dollars belongs here
      hint: write dollars without quotes, such as `price_message = 10` or `price_message = 0.015`
    12:15 an amount of dollars belongs here
      hint: write dollars without quotes, such as `price_other = 10` or `price_other = 0.015`
    "#);
    let app = "[network.x]\nenabled = true\nlog_in = \"app\"\nredirect = \"https://lib.example/\"\n";
    insta::assert_snapshot!(said(app), @r#"
    1:10 the app is not named
      hint: add `client_id = "…"` with the client id that X's developer console shows
    4:12 nobody would hear X there
      hint: write one such as "http://127.0.0.1:7366/", on this computer and with a port
    "#);
}

#[test]
fn settings_arrive_where_they_belong() {
    let text = r#"
        [desk]
        name = "Ask Anna"
        contact = "desk@library.example"
        language = "pt-BR"
        time_zone = "America/Sao_Paulo"
        [routing]
        sure_from_percent = 35
        invite_at_once = 4
        ask_next_after = "90s"
        give_up_after = "1 week"
        [privacy]
        keep_for = "2 hours"
        [limits]
        mentions_max = 0
        [network.sandbox]
        enabled = true
    "#;
    let settings = config::parse("bot.toml", text).0.unwrap().settings;
    let expected = Settings {
        name: "Ask Anna".to_owned(),
        contact: Some("desk@library.example".to_owned()),
        language: "pt-BR".to_owned(),
        time_zone: zone_named("America/Sao_Paulo").unwrap(),
        sure_from_percent: 35,
        invite_at_once: 4,
        ask_next_after: SignedDuration::from_secs(90),
        give_up_after: SignedDuration::from_hours(168),
        keep_for: SignedDuration::from_hours(2),
        mentions_max: 0,
        ..Settings::default()
    };
    assert_eq!(settings, expected);
}

#[test]
fn holidays_are_the_desks_and_each_librarys_own() {
    let text = r#"
        [desk]
        holidays = ["25 Dec", "2027-03-26"]
        [[library]]
        id = "springfield"
        holidays = ["17 March"]
        [[library]]
        id = "shelbyville"
        [network.sandbox]
        enabled = true
    "#;
    let settings = config::parse("bot.toml", text).0.unwrap().settings;
    let is_one = |library: Option<&str>, day: &str| {
        let clio = Person::new(Account::new(Network::Sandbox, "clio", "clio"));
        let person = Person { library: library.map(str::to_owned), ..clio };
        settings.holidays_of(&person).contain(day.parse().unwrap())
    };
    for (library, day, expected) in [
        (None, "2030-12-25", true),
        (None, "2027-03-26", true),
        (None, "2028-03-26", false),
        (None, "2027-03-17", false),
        (Some("springfield"), "2027-03-17", true),
        (Some("springfield"), "2027-12-25", true),
        (Some("shelbyville"), "2027-03-17", false),
        (Some("nowhere any more"), "2027-12-25", true),
    ] {
        assert_eq!(is_one(library, day), expected, "{library:?} {day}");
    }
    insta::assert_snapshot!(said("[desk]\nholidays = [\"Christmas\", \"Friday\"]"), @r#"
    2:13 there is no such day
      hint: write one such as "25 Dec" for every year, or "2027-03-26" for one
    2:26 there is no such day
      hint: write one such as "25 Dec" for every year, or "2027-03-26" for one
    "#);
}

#[test]
fn lengths_of_time() {
    let read = |written: &str| config::parse_duration(written).map(|length| length.as_secs());
    for (written, seconds) in [
        ("45s", 45),
        ("10m", 600),
        ("10 min", 600),
        ("2h", 7_200),
        ("3 days", 259_200),
        (" 1 week ", 604_800),
    ] {
        assert_eq!(read(written), Ok(seconds), "{written}");
    }
    for (written, why) in [
        ("10", "this length of time has no unit"),
        ("10 parsecs", "this length of time has a unit that is not known"),
        ("ten minutes", "this is not a length of time"),
        ("-5m", "this is not a length of time"),
        ("1.5h", "this length of time has a unit that is not known"),
        ("", "this is not a length of time"),
        ("９m", "this is not a length of time"),
        ("99999999999999999999d", "this length of time is too long"),
    ] {
        assert!(read(written).unwrap_err().starts_with(why), "{written}: {:?}", read(written));
    }
}

#[test]
fn wrong_values() {
    insta::assert_snapshot!(with("[routing]\nask_next_after = \"10\""), @r#"
    2:18 this length of time has no unit
      hint: write a number and a unit, such as "45s", "10m", "2h" or "3 days"
    "#);
    insta::assert_snapshot!(with("[routing]\nask_next_after = 10"), @r#"
    2:18 this length of time has no unit
      hint: write a number and a unit, such as "45s", "10m", "2h" or "3 days"
    "#);
    insta::assert_snapshot!(with("[routing]\nask_next_after = \"10 parsecs\""), @r#"
    2:18 this length of time has a unit that is not known
      hint: write a number and a unit, such as "45s", "10m", "2h" or "3 days"
    "#);
    insta::assert_snapshot!(with("[routing]\nask_next_after = \"1s\""), @r"
    2:18 this length of time is out of range
      hint: write a length from 1 minute to 1 week
    ");
    insta::assert_snapshot!(with("[routing]\nask_next_after = \"3 days\"\ngive_up_after = \"2 days\""), @r"
    2:18 `ask_next_after` is not shorter than `give_up_after`, so only the first librarians would ever be asked
      hint: make `ask_next_after` shorter or `give_up_after` longer
    ");
    insta::assert_snapshot!(with("[routing]\ninvite_at_once = \"two\"\ndefault_limit = 0"), @r"
    2:18 a whole number belongs here
      hint: write a number from 1 to 20, such as `invite_at_once = 2`
    3:17 this number is out of range
      hint: write a number from 1 to 100
    ");
    insta::assert_snapshot!(with("[limits]\nmentions_max = -1\nreplies_per_person_hour = 99999999999999999999"), @r"
    2:16 this number is out of range
      hint: write a number from 0 to 50
    3:27 this number is out of range
      hint: write a number from 1 to 1000
    ");
    insta::assert_snapshot!(with("[desk]\nname = 5\nlanguage = \"English\""), @r#"
    2:8 a text belongs here
      hint: write `name = "…"`, with the quotes
    3:12 this is not a language tag
      hint: write one such as `en`, `de` or `pt-BR`
    "#);
    insta::assert_snapshot!(with("[desk]\nname = \"@desk\"\nrules = \"\""), @r#"
    2:8 this cannot be the desk's name
      hint: use one to 60 characters without `@`, such as "the reference desk"
    3:9 this folder has no name
      hint: write one such as "rules"
    "#);
    insta::assert_snapshot!(with("[desk]\ntime_zone = \"Europe/Atlantis\""), @r"
    2:13 there is no such time zone
      hint: write one such as `Europe/Berlin`, `America/New_York` or `UTC`
    ");
    insta::assert_snapshot!(with("[desk]\ntime_zone = 1"), @r#"
    2:13 a text belongs here
      hint: write `time_zone = "…"`, with the quotes
    "#);
    insta::assert_snapshot!(with("[web]\nlisten = \"7365\""), @r#"
    2:10 this is not an address with a port
      hint: write one such as "127.0.0.1:7365" or "[::1]:7365"
    "#);
    insta::assert_snapshot!(with("[web]\nlisten = \"0.0.0.0:7365\""), @r"
    2:10 the page would be open to other computers, and it has no log-in yet
      hint: listen on 127.0.0.1 or [::1]; from elsewhere, reach it through an SSH tunnel
    ");
    insta::assert_snapshot!(said("[network.sandbox]\nenabled = \"yes\""), @r"
    2:11 `true` or `false` belongs here
      hint: write `enabled = true` or `enabled = false`, without quotes
    ");
}

#[test]
fn unknown_keys_and_sections() {
    insta::assert_snapshot!(with("[web]\nlisen = \"127.0.0.1:1\""), @r"
    2:1 there is no such key in `[web]`
      hint: did you mean `listen`?
    ");
    insta::assert_snapshot!(with("[desk]\nkeep-for = \"1h\"\nkeep_for = \"1h\""), @r"
    2:1 there is no such key in `[desk]`
      hint: the keys here are `name`, `contact`, `language`, `time_zone`, `holidays`, `rules`, `data`
    3:1 there is no such key in `[desk]`
      hint: it belongs in the section `[privacy]`
    ");
    insta::assert_snapshot!(said("[network.bluesky]\nidentifer = \"a\"\npolls = \"1s\"\n[network.sandbox]\nenabled = true"), @r"
    2:1 there is no such key in `[network.bluesky]`
      hint: did you mean `identifier`?
    3:1 there is no such key in `[network.bluesky]`
      hint: did you mean `poll`?
    ");
    insta::assert_snapshot!(with("[desk]\ncolour = \"red\""), @r"
    2:1 there is no such key in `[desk]`
      hint: the keys here are `name`, `contact`, `language`, `time_zone`, `holidays`, `rules`, `data`
    ");
    insta::assert_snapshot!(with("[routes]\n[privcy]\n[network.blueski]\n[zebra]"), @r"
    1:2 there is no such section
      hint: the sections are `[desk]`, `[routing]`, `[library]`, `[privacy]`, `[limits]`, `[outlets]`, `[web]`, `[network.sandbox]`, `[network.mastodon]`, `[network.bluesky]`, `[network.x]`, `[network.budget]`
    2:2 there is no such section
      hint: did you mean `[privacy]`?
    3:10 there is no such section
      hint: did you mean `[network.bluesky]`?
    4:2 there is no such section
      hint: the sections are `[desk]`, `[routing]`, `[library]`, `[privacy]`, `[limits]`, `[outlets]`, `[web]`, `[network.sandbox]`, `[network.mastodon]`, `[network.bluesky]`, `[network.x]`, `[network.budget]`
    ");
    insta::assert_snapshot!(with("name = \"x\"\nweb = 5"), @r"
    1:1 this key stands outside its section
      hint: move it into the section `[desk]`
    2:1 this is the name of a section
      hint: write `[web]` on a line of its own, and its keys below
    ");
}

#[test]
fn networks() {
    insta::assert_snapshot!(said(""), @r"
    no network is in use, so nobody could reach the desk
      hint: set `enabled = true` in `[network.sandbox]` to try the desk in the browser
    ");
    insta::assert_snapshot!(said("[network.bluesky]\nenabled = true"), @r#"
    1:10 Bluesky is enabled but the account is not named
      hint: add `identifier = "desk.example.org"` with the account's handle
    "#);
    insta::assert_snapshot!(said(
        "[network.bluesky]\nenabled = true\nidentifier = \"@a.example\"\nservice = \"http://bsky.example\""
    ), @r#"
    4:11 this is not the address of a service
      hint: write one such as "https://bsky.social"
    "#);
}

#[test]
fn all_faults_at_once_in_the_order_of_the_file() {
    insta::assert_snapshot!(with("[desk]\nname = \n[web]\nlisten = \"nowhere\"\n[limits]\nmentions_max = 1000\nx"), @r#"
    2:8 this is not valid TOML: string values must be quoted, expected literal string
      hint: write text as `key = "value"` and start each section with `[name]`
    4:10 this is not an address with a port
      hint: write one such as "127.0.0.1:7365" or "[::1]:7365"
    6:16 this number is out of range
      hint: write a number from 0 to 50
    7:2 this is not valid TOML: key with no value, expected `=`
      hint: write text as `key = "value"` and start each section with `[name]`
    "#);
}

#[test]
fn confidential_a_secret_in_the_file_is_never_shown() {
    let text = "[network.bluesky]\nenabled = true\nidentifier = \"a.example\"\npassword = \"hunter2\"\n";
    let (config, faults) = config::parse("bot.toml", text);
    assert_eq!(config, None);
    insta::assert_snapshot!(render::faults(&faults, |_| Some(text), Lines::Hidden, Colour::Plain), @r"
    error: a secret does not belong in this file
    --> bot.toml:4:1
     = hint: remove it here, change it at its network, and say where the new one is with `password_env` or `password_file`
    ");
    for text in
        ["password = hunter2", "[x]\ntoken = 5 # hunter2", "api_key = \"hunter2", "hunter2 = 1\nhunter2 = 2"]
    {
        let (_, faults) = config::parse("bot.toml", text);
        let shown = render::faults(&faults, |_| Some(text), Lines::Hidden, Colour::Plain);
        assert!(!faults.is_empty() && !shown.contains("hunter2"), "{shown}");
        assert!(!serde_json::to_string(&faults).unwrap().contains("hunter2"), "{faults:?}");
    }
}

#[test]
fn no_text_makes_reading_panic() {
    let whole = include_str!("../bot.toml");
    for (at, _) in whole.char_indices().step_by(5) {
        let (before, after) = whole.split_at(at);
        config::parse("bot.toml", before);
        config::parse("bot.toml", after);
    }
    for odd in
        ["\u{feff}[desk]", "\0", "[[desk]]", "desk.name.x = 1", "[desk]\n[desk]", "a.b.c.d = {", "=\n=\n"]
    {
        assert_ne!(said(odd), "", "{odd:?}");
    }
}

#[test]
fn confidential_a_password_is_taken_from_the_first_place_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("own"), "from-file\n").unwrap();
    std::fs::write(folder.path().join("bluesky_password"), "from-systemd\n").unwrap();
    std::fs::write(folder.path().join("empty"), " \n").unwrap();
    let credentials = folder.path().display().to_string();
    let environment = |name: &str| match name {
        "STUMPER_BLUESKY_PASSWORD" => Some("from-env".to_owned()),
        "CREDENTIALS_DIRECTORY" => Some(credentials.clone()),
        _ => None,
    };
    let env = |name: &str| Some((name.to_owned(), 0..1));
    let file = |name: &str| Some((folder.path().join(name), 2..3));
    let rows = [
        (env("STUMPER_BLUESKY_PASSWORD"), file("own"), Ok("from-env")),
        (None, file("own"), Ok("from-file")),
        (None, None, Ok("from-systemd")),
        (env("NOT_SET"), file("own"), Err("this environment variable is not set")),
        (None, file("missing"), Err("the file with the password cannot be read")),
        (None, file("empty"), Err("the password is empty")),
    ];
    for (env, file, expected) in rows {
        let password = Password { env, file, section: None };
        let found = secrets::bluesky_password(&password, environment);
        assert!(!format!("{found:?}").contains("from-"), "a password is never printed");
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found.expose_secret(), expected),
            (Err(missing), Err(expected)) => assert_eq!(missing.what, expected),
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
    }
    let nowhere = secrets::bluesky_password(&Password::default(), |_| None).unwrap_err();
    assert_eq!(nowhere.what, "Bluesky is enabled but nothing says where its password is");
}

const MASTODON: &str = "[network.mastodon]\nenabled = true\n";

#[test]
fn a_server_of_the_mastodon_api_is_named_with_where_its_token_is() {
    let text = format!("{MASTODON}server = \"https://lib.example/\"\ntoken_env = \"T\"\n");
    let mastodon = config::parse("bot.toml", &text).0.unwrap().mastodon.unwrap();
    assert_eq!(mastodon.server, "https://lib.example");
    assert_eq!(mastodon.poll.as_secs(), 5);
    assert_eq!(mastodon.streaming, None);
    let environment = |name: &str| (name == "T").then(|| " token \n".to_owned());
    let token = secrets::mastodon_token(&mastodon.token, environment).unwrap();
    assert_eq!(secrecy::ExposeSecret::expose_secret(&token), "token");
    let missing = secrets::mastodon_token(&Password::default(), |_| None).unwrap_err();
    assert_eq!(missing.what, "Mastodon is enabled but nothing says where its access token is");
}

#[test]
fn what_is_wrong_about_a_server_is_said() {
    insta::assert_snapshot!(said(MASTODON), @r#"
    1:10 Mastodon is enabled but the server is not named
      hint: add `server = "https://lib.example"` with the server where the desk has its account
    "#);
    for server in ["lib.example", "http://lib.example", "https://lib.example/about", "https://t@lib.example"]
    {
        assert!(
            said(&format!("{MASTODON}server = \"{server}\"")).contains("not the address of a server"),
            "{server}"
        );
    }
    for streaming in ["https://lib.example", "ws://lib.example", "wss://lib.example?access_token=t"] {
        let text = format!("{MASTODON}server = \"https://lib.example\"\nstreaming = \"{streaming}\"");
        assert!(said(&text).contains("not an address for streaming"), "{streaming}");
    }
    let local = format!("{MASTODON}server = \"http://127.0.0.1:80\"\nstreaming = \"ws://127.0.0.1:81\"");
    assert_eq!(said(&local), "");
}
