//! A crowd on a server that announces its limits: 10,000 people ask within a few hours.
//!
//! The mentions are given to the core at once; what is said goes over the wire, to the Mastodon stand-in.
//! That the limits are kept for hours and not only for the first burst is held beside the pace itself.
//!
//! **Invariant:** nothing waits for real time to pass.

#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

#[path = "support/mastodon.rs"]
mod mastodon;
#[path = "support/samples.rs"]
mod samples;

use jiff::{SignedDuration, Timestamp};
use mastodon::{Allowed, Person, Profile, Server};
use secrecy::SecretString;
use stumper::desk::{Account, Content, Input, Network, Settings};
use stumper::engine::{self, Engine};
use stumper::networks::{Connector, http, mastodon as network};
use stumper::store::Store;
use stumper::subjects::Subjects;

const CROWD: usize = 10_000;

/// How often what is due is sent; after the first time the limits forbid it.
const ROUNDS: usize = 4;

fn account(person: &Person) -> Account {
    let handle = format!("{}@{}", person.name, mastodon::DOMAIN);
    Account::new(Network::Mastodon, person.url(), handle)
}

/// What somebody says to the desk, as the connector reads it.
fn says(person: &Person, text: &str, seen_at: Timestamp) -> Input {
    let id = person.post(&format!("@desk {text}"), "public", None);
    Input::Post(Box::new(samples::post(account(person), id, text, seen_at)))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Answer,
    Invitation,
    Acknowledgement,
}

/// What a post of the desk is.
fn kind(said: &mastodon::Status) -> Option<Kind> {
    let of = |part| said.text.contains(part);
    if of("street lamps") {
        Some(Kind::Answer)
    } else if of("A question from") {
        Some(Kind::Invitation)
    } else if of("This is question") {
        Some(Kind::Acknowledgement)
    } else {
        None
    }
}

/// Promise 4 on a busy day: nobody is forgotten, the announced limits are kept, whoever waits for an answer
/// comes first, and patrons are told that it takes longer.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_mentions_keep_within_the_limits_and_answers_go_first() {
    let server = Server::start(Profile::Mastodon46).await;
    {
        let mut world = server.world();
        world.posts_allowed = Some(Allowed { count: 300, seconds: 3 * 3_600 });
        world.requests_allowed = Some(Allowed { count: 300, seconds: 300 });
    }
    let token = SecretString::from(server.person("desk").account().token);
    let settings = network::Settings::new(&server.address, token);
    let connector = network::Connector::new(settings, http::client().unwrap());
    let connector = Connector::Mastodon(Box::new(connector));
    let engine = Engine::new(Store::memory(), Subjects::default(), Settings::default());
    engine.set_account(connector.connect().await.unwrap());

    let start = stumper::clock::now().checked_sub(SignedDuration::from_hours(3)).unwrap();
    let at = |seconds: usize| {
        start.checked_add(SignedDuration::from_secs(i64::try_from(seconds).unwrap())).unwrap()
    };
    let librarians: Vec<Person> = (0..20).map(|number| server.person(&format!("clio{number}"))).collect();
    for librarian in &librarians {
        engine.handle_at(says(librarian, "join general", at(0)), at(0)).await.unwrap();
    }
    for number in 0..CROWD {
        let person = server.person(&format!("p{number}"));
        let ask = says(&person, "Why is the sky over the library blue at night?", at(number));
        engine.handle_at(ask, at(number)).await.unwrap();
    }
    let mut answered = std::collections::BTreeSet::new();
    for librarian in librarians.iter().take(3) {
        let asked = engine.store().questions_involving(&account(librarian).id).unwrap();
        let Some(question) = asked.first() else { continue };
        let answer = format!("{}: it is the street lamps.", question.code);
        engine.handle_at(says(librarian, &answer, at(CROWD)), at(CROWD)).await.unwrap();
        answered.insert(question.code.clone());
    }

    for _ in 0..ROUNDS {
        engine::send_due(&engine, &connector, &stumper::clock::now).await.unwrap();
    }
    assert_eq!(server.world().beyond_limits, 0, "the announced limits were kept");
    let posted = server.person("desk").posted();
    assert!((100..=300).contains(&posted.len()), "as many as may be: {}", posted.len());
    let answers: Vec<_> = posted.iter().filter(|said| kind(said) == Some(Kind::Answer)).collect();
    assert_eq!(answers.len(), answered.len(), "whoever waits for an answer waits for nobody");
    // People read in order, so that the acknowledgement to whoever gets an answer goes before it.
    let is_before_its_answer = |said: &mastodon::Status| {
        kind(said) == Some(Kind::Acknowledgement)
            && answers.iter().any(|answer| answer.mentions == said.mentions)
    };
    let others: Vec<_> = posted.iter().filter(|said| !is_before_its_answer(said)).collect();
    let kinds: Vec<Kind> = others.iter().filter_map(|said| kind(said)).collect();
    assert!(kinds.is_sorted(), "answers before invitations before acknowledgements: {kinds:?}");
    assert!(kinds.contains(&Kind::Invitation) && kinds.contains(&Kind::Acknowledgement), "{kinds:?}");
    let replied_to: Vec<u64> = others
        .iter()
        .filter(|said| kind(said) == Some(Kind::Acknowledgement))
        .map(|said| server.world().status(said.in_reply_to.as_ref().unwrap()).unwrap().number)
        .collect();
    assert!(replied_to.is_sorted(), "the oldest first: {replied_to:?}");

    // Nobody is forgotten: the others' letters wait, and whoever asks now is told.
    assert!(engine.store().counts().unwrap().unsettled > CROWD - posted.len());
    let late = server.person("late");
    let now = stumper::clock::now();
    engine.handle_at(says(&late, "Why is the sky over the library blue at night?", now), now).await.unwrap();
    let questions = engine.store().questions_involving(&account(&late).id).unwrap();
    let letters = engine.store().letters_about(&questions[0].code).unwrap();
    let tells = letters.iter().any(|(letter, _)| match &letter.content {
        Content::Post { text, .. } => {
            letter.to == account(&late) && text.reveal().contains("takes longer: about")
        }
        Content::Delete { .. } => false,
    });
    assert!(tells, "the acknowledgement says that it takes longer");
}
