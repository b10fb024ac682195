//! The stories in `tests/stories/`: whole conversations, as people have them with the desk.
//!
//! A story is a text. What people do stands at the beginning of a line; what the desk does follows,
//! indented: `→` a post by the desk, `=` what became of a question, `✗` what was taken back. The test
//! plays the people's lines and compares the desk's. After a change that is meant, run the tests with
//! `STORIES=update` and read the difference.
//!
//! ```text
//! ann: @desk When did the Ottoman Empire end?      a public post
//! ann privately: …                                 a direct message to the desk
//! ann replies unlisted: …                          as widely as the sandbox's desk writes itself
//! clio replies: …                                  a reply to the desk's latest post to clio
//! clio replies about {1}: …                        … to the latest one about the first question
//! clio replies privately: …                        the same as a direct message
//! zoe offers: …                                    a reply to the question published last
//! zoe@bluesky: …                                   somebody on another network
//! ann wonders: …                                   a post to nobody, with a hashtag the desk listens to
//! ann in de: …                                     a post whose client declares this language
//! ann below clio's answer …                        is written `ann replies`
//! ann edits: …                                     the post that asked her latest question says this now
//! (ann deletes their question)                     the post that asked it is gone from the network
//! (3 hours later)                                  time passes
//! (the coordinator closes {1})                     and other words of the coordinator
//! # timelines = sandbox                            where questions may be published
//! # …                                              a remark
//! ```

#![expect(clippy::unwrap_used, reason = "a panic in a test is a failed test")]

#[path = "support/world.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test program uses another part of the world")]
mod world;

use std::fmt::Write as _;
use std::path::Path;

use jiff::SignedDuration;
use stumper::desk::outlets::Verdict;
use stumper::desk::question::Event;
use stumper::desk::{AccountId, Action, Library, Network, Place, Purpose, Settings, State, Visibility};
use stumper::subjects::SubjectId;
use world::{World, account};

#[test]
fn every_story_goes_as_it_is_told() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories");
    let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(names.len() >= 30, "there are {} stories", names.len());
    let mut different = Vec::new();
    for path in names {
        let told = std::fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let played = play(&name, &told);
        if played == told {
            continue;
        }
        if std::env::var("STORIES").is_ok_and(|value| value == "update") {
            std::fs::write(&path, played).unwrap();
            continue;
        }
        different.push(format!("{name}:\n{}", first_difference(&told, &played)));
    }
    assert!(different.is_empty(), "these stories went another way:\n\n{}", different.join("\n\n"));
}

/// What people can say besides questions, more of them, and answers: how each command begins.
const COMMANDS: [&str; 24] = [
    "help",
    "stop",
    "forget me",
    "status",
    "cancel",
    "thank",
    "join ",
    "hours ",
    "languages ",
    "limit ",
    "pause ",
    "back",
    "leave",
    "my questions",
    "link",
    "unlink",
    "sign as",
    "claim",
    "pass",
    "refer to @",
    "refer to law",
    "ask: ",
    "also: ",
    "done",
];

#[test]
fn the_stories_tell_every_command_and_every_change_of_state() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories");
    let told: String = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    let is_by_people = |line: &&str| !line.starts_with([' ', '#', '(']);
    let said: Vec<String> = told
        .lines()
        .filter(is_by_people)
        .filter_map(|line| Some(line.split_once(": ")?.1.trim_start_matches("@desk ").to_lowercase()))
        .collect();
    for command in COMMANDS {
        assert!(said.iter().any(|text| text.starts_with(command)), "nobody says {command:?} in any story");
    }
    let by = || AccountId::new(Network::Sandbox, "clio");
    let states = [
        State::Seeking,
        State::Claimed { by: by() },
        State::Interview { by: by() },
        State::Answered { by: by() },
        State::Closed,
        State::Unanswered,
        State::Withdrawn,
    ];
    let events = [
        Event::Claim { by: by() },
        Event::Release,
        Event::Ask,
        Event::Reply,
        Event::Answer { by: by() },
        Event::Close,
        Event::GiveUp,
        Event::Withdraw,
    ];
    for state in &states {
        for event in &events {
            let Some(after) = state.after(event.clone()).filter(|after| after != state) else { continue };
            let change = format!(" {} ⇒ {}\n", state.word(), after.word());
            assert!(told.contains(&change), "no story tells of{change}");
        }
    }
}

/// Plays the people's lines of a story and writes the whole story down anew.
fn play(name: &str, told: &str) -> String {
    let mut world = World::with(settings_of(told));
    let mut played = String::new();
    let mut lines = told.lines().peekable();
    while let Some(line) = lines.next() {
        let is_answer = |line: &&str| line.starts_with("    ");
        // An empty line inside a post of the desk belongs to the answer.
        if is_answer(&line) || line.is_empty() && lines.peek().is_some_and(is_answer) {
            continue;
        }
        writeln!(played, "{line}").unwrap();
        if !line.is_empty() && !line.starts_with('#') {
            act(&mut world, line).unwrap_or_else(|what| panic!("{name}: {what}: {line}"));
            assert_eq!(world.posted_to_stopped(), 0, "{name}: promise 2: wrote to somebody who said stop");
            played.push_str(&world.heard());
        }
    }
    played
}

/// A remark such as `# mentions_max = 2` sets what a coordinator could set.
fn settings_of(told: &str) -> Settings {
    let mut settings = Settings::default();
    for line in told.lines().filter_map(|line| line.strip_prefix("# ")) {
        let Some((key, value)) = line.split_once(" = ") else { continue };
        match key {
            "replies_per_person_hour" => settings.replies_per_person_hour = value.parse().unwrap(),
            "learn_from_questions" => settings.learn_from_questions = value.parse().unwrap(),
            "invitations_per_day" => settings.invitations_per_day = value.parse().unwrap(),
            "claim_chance_percent" => settings.claim_chance_percent = value.parse().unwrap(),
            "holiday" => assert!(settings.holidays.add(value), "{value} is no day"),
            "library" => settings.libraries.push(Library {
                id: value.to_lowercase(),
                name: format!("{value} Library"),
                head_start: SignedDuration::from_hours(1),
                holidays: settings.holidays.clone(),
            }),
            "timelines" => {
                settings.outlets.posts =
                    value.split(", ").map(|name| Network::named(name).unwrap()).collect();
                settings.outlets.hashtag = Some("stumper".to_owned());
            }
            "mentions_max" => settings.mentions_max = value.parse().unwrap(),
            "behind_minutes" => {
                let behind = SignedDuration::from_mins(value.parse().unwrap());
                settings.behind.insert(Network::Sandbox, behind);
            }
            "keep_for_days" => {
                settings.keep_for = SignedDuration::from_hours(24 * value.parse::<i64>().unwrap())
            }
            _ => {}
        }
    }
    settings
}

/// One line of what people do.
fn act(world: &mut World, line: &str) -> Result<(), String> {
    let line = with_codes(world, line)?;
    if let Some(stage) = line.strip_prefix('(').and_then(|line| line.strip_suffix(')')) {
        return direct(world, stage);
    }
    let (who, text) = line.split_once(": ").or_else(|| line.split_once(':')).ok_or("no speaker")?;
    let mut words = who.split(' ');
    let name = words.next().ok_or("no speaker")?;
    let (handle, network) = name.split_once('@').unwrap_or((name, "sandbox"));
    let network = Network::named(network).ok_or("no such network")?;
    let speaker = account(network, handle);
    let how: Vec<&str> = words.collect();
    let visibility = match how.last() {
        Some(&"privately") => Visibility::Direct,
        Some(&"unlisted") => Visibility::Unlisted,
        Some(_) | None => Visibility::Public,
    };
    let about = how.iter().position(|word| *word == "about").and_then(|at| how.get(at + 1));
    let code = about.and_then(|code| stumper::desk::Code::parse(code));
    let declared = how.iter().position(|word| *word == "in").and_then(|at| how.get(at + 1));
    world.declared = declared.map(|tag| (*tag).to_owned());
    if how.first() == Some(&"edits") {
        world.edits(&speaker, text);
        return Ok(());
    }
    if how.first() == Some(&"wonders") {
        world.wonders(&speaker, text);
        return Ok(());
    }
    let place: Option<Place> = match how.first() {
        Some(&"replies") => {
            let found = world.latest_to(&speaker.id, code.as_ref()).ok_or("nothing to reply to")?;
            Some(found.place.clone())
        }
        Some(&"offers") => {
            let public = |posted: &&world::Posted| {
                posted.letter.purpose == Purpose::Stumper && posted.letter.network == network
            };
            Some(world.posted.iter().rev().find(public).ok_or("nothing is published")?.place.clone())
        }
        Some(&"chimes") => Some(world.posted.last().ok_or("nothing to reply to")?.place.clone()),
        _ => None,
    };
    world.says(&speaker, text, visibility, place.as_ref());
    Ok(())
}

/// `{1}` is the code of the first question, `{one-time code}` the one for linking accounts.
fn with_codes(world: &World, line: &str) -> Result<String, String> {
    let mut line = line.replace("{one-time code}", world.one_time.as_deref().unwrap_or("none was given"));
    for turn in 1..10 {
        let mark = format!("{{{turn}}}");
        if line.contains(&mark) {
            let code = world.codes.get(turn - 1).ok_or("no such question yet")?;
            line = line.replace(&mark, code.as_str());
        }
    }
    Ok(line)
}

/// A stage direction.
fn direct(world: &mut World, stage: &str) -> Result<(), String> {
    let words: Vec<&str> = stage.split(' ').collect();
    match words[..] {
        [count, unit, "later"] => {
            let count: i64 = count.parse().map_err(|_| "how many?")?;
            let minutes = match unit.trim_end_matches('s') {
                "minute" => count,
                "hour" => count * 60,
                "day" => count * 24 * 60,
                _ => return Err("which unit?".to_owned()),
            };
            world.wait(SignedDuration::from_mins(minutes));
        }
        ["it", "is", time] => {
            world.now = time.parse().map_err(|_| "not a time")?;
        }
        ["nothing", "reaches", name] => {
            world.unreachable.insert(name.to_owned());
        }
        ["nothing", "private", "reaches", name] => {
            world.closed.insert(name.to_owned());
        }
        [name, "deletes", "their", "question"] => {
            let (handle, network) = name.split_once('@').unwrap_or((name, "sandbox"));
            let network = Network::named(network).ok_or("no such network")?;
            world.deletes(&account(network, handle));
        }
        ["the", "network", "is", "down"] => world.network_down = true,
        ["the", "network", "is", "up"] => {
            world.network_down = false;
            world.deliver();
        }
        ["the", "coordinator", "closes", code] => {
            let code = stumper::desk::Code::parse(code).ok_or("no such code")?;
            world.coordinator(Action::CloseQuestion { code });
        }
        ["the", "coordinator", "releases", code] => {
            let code = stumper::desk::Code::parse(code).ok_or("no such code")?;
            world.coordinator(Action::ReleaseQuestion { code });
        }
        ["the", "coordinator", judges @ ("relays" | "dismisses"), number, "of", code] => {
            let code = stumper::desk::Code::parse(code).ok_or("no such code")?;
            let number = number.parse().map_err(|_| "no such number")?;
            let verdict = if judges == "relays" { Verdict::Relay } else { Verdict::Dismiss };
            world.coordinator(Action::JudgeOffer { code, number, verdict });
        }
        ["the", "coordinator", "gives", code, "to", name] => {
            let code = stumper::desk::Code::parse(code).ok_or("no such code")?;
            world.coordinator(Action::ReassignQuestion { code, to: AccountId::new(Network::Sandbox, name) });
        }
        ["the", "coordinator", "adds", name, "for", subject] => {
            world.coordinator(Action::AddLibrarian {
                account: account(Network::Sandbox, name),
                subjects: vec![SubjectId::new(subject)],
                hours: Vec::new(),
                languages: Vec::new(),
                limit: None,
                library: None,
                opted_in_at: None,
            });
        }
        ["the", "coordinator", "removes", name] => {
            world.coordinator(Action::RemoveLibrarian { account: AccountId::new(Network::Sandbox, name) });
        }
        ["the", "coordinator", "pauses", name] => {
            let account = AccountId::new(Network::Sandbox, name);
            world.coordinator(Action::PauseLibrarian { account, until: Some(jiff::Timestamp::MAX) });
        }
        _ => return Err("no such stage direction".to_owned()),
    }
    Ok(())
}

fn first_difference(told: &str, played: &str) -> String {
    let lines = told.lines().zip(played.lines()).enumerate();
    let at = lines.into_iter().find(|(_, (told, played))| told != played);
    match at {
        Some((at, (told, played))) => format!("  line {}\n  told:   {told}\n  played: {played}", at + 1),
        None => format!("  told {} lines, played {}", told.lines().count(), played.lines().count()),
    }
}
