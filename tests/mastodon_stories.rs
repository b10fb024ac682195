//! Whole stories through the whole desk, over a stand-in for each kind of server of the Mastodon API:
//! listener, core, store, sender, and people with accounts there.
//!
//! **Invariant:** the desk in these stories is the one that `stumper run` starts; only its polling is
//! faster. What the desk says is checked where people see it: on the network.

#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

#[path = "support/mastodon.rs"]
mod mastodon;
#[path = "support/mastodon_desk.rs"]
mod mastodon_desk;

use std::sync::Arc;
use std::time::Duration;

use mastodon::{Fault, Person, Profile, Server, Stream, eventually};
use mastodon_desk::{Desk, generous};
use secrecy::SecretString;
use stumper::desk::question::State;
use stumper::desk::{Purpose, Settings, Visibility};
use stumper::engine::{self, Engine};
use stumper::networks::sandbox::{self, Handle, Sandbox, Saying};
use stumper::networks::{Connector, http, mastodon as network};
use stumper::store::Store;
use stumper::subjects::Subjects;

// ---- The stories that every kind of server is told ----

async fn two_librarians(profile: Profile) {
    let desk = Desk::open(profile).await;
    let (ann, clio, otto) =
        (desk.server.person("ann"), desk.server.person("clio@lib.example"), desk.server.person("otto"));
    desk.joins(&clio, "history").await;
    desk.joins(&otto, "history").await;
    let question = desk.asked(&ann, "When did the Ottoman Empire end?");
    ann.sees(&question, "I've asked two librarians").await;
    let to_clio = clio.hears("A question from").await;
    let to_otto = otto.hears("A question from").await;
    for copy in [&to_clio, &to_otto] {
        assert!(matches!(copy.visibility.as_str(), "unlisted" | "direct"), "promise 1: {}", copy.visibility);
    }

    clio.reply(&to_clio.id, "On 1 November 1922, when the sultanate was abolished.");
    let answer = ann.sees(&question, "On 1 November 1922").await;
    assert_eq!(answer.author, "desk");
    ann.hears("On 1 November 1922").await;

    ann.reply(&answer.id, "Thank you so much!");
    clio.hears("with thanks from the person you helped").await;

    // Promise 5, one owner: whoever comes later is told.
    otto.reply(&to_otto.id, "In 1922, I believe.");
    otto.hears("A colleague has").await;
    desk.settles().await;
    assert!(!ann.thread(&question).iter().any(|said| said.text.contains("I believe")));
    desk.said_everything_once();
}

async fn interview(profile: Profile) {
    let desk = Desk::open(profile).await;
    let (ann, clio) = (desk.server.person("ann@far.example"), desk.server.person("clio"));
    desk.joins(&clio, "genealogy").await;
    let question = desk.asked(&ann, "Which parish register names my ancestor?");
    let invitation = clio.hears("A question from").await;
    clio.reply(&invitation.id, "ask: which county, and about which year?");
    let asked = ann.sees(&question, "which county, and about which year?").await;
    ann.reply(&asked.id, "County Mayo, about 1850.");
    let reply = clio.hears("County Mayo, about 1850.").await;
    clio.reply(&reply.id, "The National Library has it on microfilm.");
    ann.sees(&question, "on microfilm").await;
    desk.settles().await;
    desk.said_everything_once();
}

async fn passing(profile: Profile) {
    let desk = Desk::open(profile).await;
    let ann = desk.server.person("ann");
    let librarians = ["clio", "otto", "vera"].map(|name| desk.server.person(name));
    for librarian in &librarians {
        desk.joins(librarian, "history").await;
    }
    desk.asked(&ann, "Who was the last emperor of the Byzantine Empire?");
    let invited =
        |person: &Person| person.heard().into_iter().find(|said| said.text.contains("A question from"));
    eventually("two are asked", || async {
        (librarians.iter().filter_map(invited).count() == 2).then_some(())
    })
    .await;
    let first = librarians.iter().find(|person| invited(person).is_some()).unwrap();
    let third = librarians.iter().find(|person| invited(person).is_none()).unwrap();
    first.reply(&invited(first).unwrap().id, "Pass, sorry!");
    first.hears("thank you for saying so").await;
    third.hears("A question from").await;
    desk.settles().await;
    desk.said_everything_once();
}

/// Promise 1, never wider: a private question is passed on privately, or not at all.
async fn private_question(profile: Profile) {
    let desk = Desk::open(profile).await;
    let (ann, clio) = (desk.server.person("ann"), desk.server.person("clio"));
    desk.joins(&clio, "law").await;
    ann.post("@desk Can my landlord evict me without a court order?", "direct", None);
    if profile == Profile::Snac {
        eventually("it is shown to the coordinator", || async {
            (!desk.engine().store().undelivered(10).unwrap().is_empty()).then_some(())
        })
        .await;
    } else {
        let invitation = clio.hears("Can my landlord evict me").await;
        clio.reply(&invitation.id, &format!("No. {}", "Ask your legal aid office. ".repeat(220)));
        ann.hears("Ask your legal aid office").await;
    }
    desk.settles().await;
    for status in desk.person.posted() {
        let names_ann = status.mentions.contains(&ann.name);
        assert!(
            !names_ann || status.visibility == "direct",
            "promise 1: whoever asked in private is not named"
        );
        let about = status.text.contains("landlord") || status.text.contains("legal aid");
        assert!(!about || status.visibility == "direct", "promise 1: {}", status.visibility);
        assert!(status.mentions.len() == 1, "{:?} reaches somebody, and nobody else", status.mentions);
    }
    desk.said_everything_once();
}

/// A public question is answered in private: as private it stays. Where the server keeps nothing private, the
/// patron is told so below the question, without a word of the answer.
async fn private_answer(profile: Profile) {
    let desk = Desk::open(profile).await;
    let (ann, clio) = (desk.server.person("ann"), desk.server.person("clio"));
    desk.joins(&clio, "history").await;
    let question = desk.asked(&ann, "When did the Ottoman Empire end?");
    let invitation = clio.hears("A question from").await;
    clio.post("@desk On 1 November 1922.", "direct", Some(&invitation.id));
    if profile == Profile::Snac {
        ann.sees(&question, "this server keeps nothing private").await;
    } else {
        ann.hears("On 1 November 1922").await;
    }
    desk.settles().await;
    for status in desk.person.posted() {
        assert!(!status.text.contains("1922") || status.visibility == "direct", "promise 1");
    }
    desk.said_everything_once();
}

/// Promises 2 and 7: after `forget me` the desk's posts about it are gone from the network.
async fn forgetting(profile: Profile) {
    let desk = Desk::open(profile).await;
    let (ann, clio) = (desk.server.person("ann"), desk.server.person("clio"));
    desk.joins(&clio, "history").await;
    let question = desk.asked(&ann, "When did the Ottoman Empire end?");
    let invitation = clio.hears("A question from").await;
    clio.reply(&invitation.id, "On 1 November 1922.");
    let answer = ann.sees(&question, "On 1 November 1922.").await;
    ann.reply(&answer.id, "forget me");
    ann.hears("I've erased your questions").await;
    desk.settles().await;
    let left = desk.person.posted();
    assert!(!left.iter().any(|said| said.text.contains("Ottoman") || said.text.contains("1922")), "{left:?}");
    assert_eq!(desk.engine().store().questions(None, 10).unwrap(), []);
}

/// A question that its author takes back by deleting it is withdrawn, and no copy of it stays.
async fn deleting(profile: Profile) {
    let desk = Desk::open(profile).await;
    let (ann, clio) = (desk.server.person("ann"), desk.server.person("clio"));
    desk.joins(&clio, "history").await;
    let question = desk.asked(&ann, "When did the Ottoman Empire end?");
    let invitation = clio.hears("A question from").await;
    desk.settles().await;
    ann.delete(&question);
    // With a stream the desk is told; without, it sees it before it would pass the answer on.
    if !profile.streams() {
        clio.reply(&invitation.id, "On 1 November 1922.");
    }
    eventually("the copy is gone", || async {
        desk.server.world().status(&invitation.id).is_none().then_some(())
    })
    .await;
    desk.settles().await;
    let posted = desk.person.posted();
    assert!(!posted.iter().any(|said| said.text.contains("Ottoman")), "{posted:?}");
    assert!(
        !posted.iter().any(|said| said.mentions.contains(&"ann".to_owned()) && said.text.contains("1922"))
    );
    let questions = desk.engine().store().questions(None, 10).unwrap();
    assert!(questions.iter().all(|question| question.gone && question.state.is_final()), "{questions:?}");
    desk.said_everything_once();
}

macro_rules! stories {
    ($($story:ident),*) => {$(
        mod $story {
            use super::Profile;

            #[tokio::test(flavor = "multi_thread")]
            async fn on_mastodon_4_3() {
                super::$story(Profile::Mastodon43).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_mastodon_4_6() {
                super::$story(Profile::Mastodon46).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_gotosocial() {
                super::$story(Profile::GoToSocial).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_mitra() {
                super::$story(Profile::Mitra).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_akkoma() {
                super::$story(Profile::Akkoma).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_snac() {
                super::$story(Profile::Snac).await;
            }
        }
    )*};
}

stories!(two_librarians, interview, passing, private_question, private_answer, forgetting, deleting);

// ---- Stories of one kind of server ----

/// Promise 3, once, and 4, nothing is lost: the desk is ended at one moment after another, each time
/// a little later in its work, and started again on what it remembers.
#[tokio::test(flavor = "multi_thread")]
async fn a_desk_that_is_killed_again_and_again_goes_on_where_it_was() {
    let mut desk = Desk::open(Profile::Mastodon46).await;
    let (ann, clio) = (desk.server.person("ann"), desk.server.person("clio"));
    desk.joins(&clio, "history").await;
    let question = desk.asked(&ann, "When did the Ottoman Empire end?");
    for moment in 0..10 {
        // The pause is the point: each life is ended at another moment of its work.
        tokio::time::sleep(Duration::from_millis(15 * moment)).await;
        desk.kill();
        desk.start().await;
    }
    let invitation = clio.hears("A question from").await;
    clio.reply(&invitation.id, "On 1 November 1922.");
    for moment in 0..8 {
        tokio::time::sleep(Duration::from_millis(20 * moment)).await;
        desk.kill();
        desk.start().await;
    }
    ann.sees(&question, "On 1 November 1922.").await;
    desk.settles().await;
    desk.said_everything_once();
    let questions = desk.engine().store().questions(None, 10).unwrap();
    assert_eq!(questions.len(), 1, "promise 3: the mention was taken in once");
    assert!(questions.iter().all(|question| question.is_looked_after()), "promise 4");
    desk.stop().await;
}

/// Promise 3: after a lost answer the key finds the post that is there, also on servers that answer a
/// repeated key with an error.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_whose_answer_was_lost_is_found_and_not_repeated() {
    let desk = Desk::open(Profile::Mastodon46).await;
    let (ann, clio) = (desk.server.person("ann"), desk.server.person("clio"));
    desk.server.world().key_repeats_fail = true;
    let mut turn = 0;
    desk.server.goes_wrong(move |method, path| {
        if method != "POST" || path != "/api/v1/statuses" {
            return Fault::None;
        }
        turn += 1;
        match turn % 3 {
            1 => Fault::LostAnswer,
            2 => Fault::PageAfter,
            _ => Fault::None,
        }
    });
    desk.joins(&clio, "history").await;
    let question = desk.asked(&ann, "When did the Ottoman Empire end?");
    let invitation = clio.hears("A question from").await;
    clio.reply(&invitation.id, "On 1 November 1922.");
    ann.sees(&question, "On 1 November 1922.").await;
    desk.settles().await;
    desk.said_everything_once();
    assert_eq!(desk.engine().store().undelivered(10).unwrap(), [], "nothing was given up");
}

/// Promises 3 and 4: an answer that the server takes and never shows is sent again, once; where that is in
/// vain, the coordinator sees it.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_the_server_swallows_is_sent_again_or_shown_to_the_coordinator() {
    for (times, arrives) in [(1, true), (2, false)] {
        let desk = Desk::open(Profile::Mastodon46).await;
        let (ann, clio) = (desk.server.person("ann"), desk.server.person("clio"));
        desk.joins(&clio, "history").await;
        let question = desk.asked(&ann, "When did the Ottoman Empire end?");
        let invitation = clio.hears("A question from").await;
        desk.settles().await;
        desk.server.world().swallows = Some(("1922", times));
        clio.reply(&invitation.id, "On 1 November 1922.");
        clio.hears("Your answer to").await;
        desk.settles().await;
        let said = ann.thread(&question).into_iter().filter(|said| said.text.contains("1922")).count();
        assert_eq!(said, usize::from(arrives));
        let undelivered = desk.engine().store().undelivered(10).unwrap();
        let kinds: Vec<Purpose> = undelivered.iter().map(|(letter, _)| letter.purpose).collect();
        assert_eq!(kinds, if arrives { vec![] } else { vec![Purpose::Answer] });
        desk.said_everything_once();
    }
}

/// A content warning goes with the copy and stands above what comes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_content_warning_stays_with_the_question() {
    let desk = Desk::open(Profile::Mastodon46).await;
    let (ann, clio) = (desk.server.person("ann"), desk.server.person("clio"));
    desk.joins(&clio, "history").await;
    let text = "@desk When did the Ottoman Empire end, and who was executed?";
    let question = ann.post_with(text, "public", None, "executions");
    let invitation = clio.hears("A question from").await;
    assert_eq!(invitation.warning, "executions");
    clio.reply(&invitation.id, "On 1 November 1922.");
    let answer = ann.sees(&question, "On 1 November 1922.").await;
    assert_eq!(answer.warning, "executions");
}

/// Whoever was asked hears that the question has changed.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_reaches_whoever_was_asked() {
    let desk = Desk::open(Profile::Mastodon46).await;
    let (ann, clio) = (desk.server.person("ann"), desk.server.person("clio"));
    desk.joins(&clio, "history").await;
    let question = desk.asked(&ann, "When did the Ottoman Empire end?");
    clio.hears("A question from").await;
    desk.settles().await;
    ann.edit(&question, "@desk When did the Byzantine Empire end?");
    let told = clio.hears("The patron has changed").await;
    assert!(told.text.contains("Byzantine"));
    let questions = desk.engine().store().questions(None, 10).unwrap();
    assert_eq!(questions[0].text.reveal(), "When did the Byzantine Empire end?");
    desk.settles().await;
    desk.said_everything_once();
}

/// The stream is a bell: with it, the desk acts at once although it looks but once a minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_wakes_the_desk() {
    let server = Server::start(Profile::Mastodon46).await;
    let person = server.person("desk");
    let ann = server.person("ann");
    let folder = tempfile::tempdir().unwrap();
    // The server names a `wss` address that is none; the true one is given.
    let streaming = Some(server.world().streaming_address.clone());
    let token = SecretString::from(person.account().token);
    let settings = network::Settings::new(&server.address, token).with_poll(Duration::from_secs(3_600));
    let connector = network::Connector::new(settings.with_streaming(streaming), http::client().unwrap());
    let engine = Arc::new(Engine::new(Store::memory(), Subjects::default(), Settings::default()));
    let running = engine::start(
        &engine,
        vec![Arc::new(Connector::Mastodon(Box::new(connector)))],
        folder.path().to_owned(),
    );
    eventually("the stream is open", || async { (server.world().streams_opened > 0).then_some(()) }).await;
    eventually("the desk listens", || async {
        engine.store().cursor(stumper::desk::Network::Mastodon).unwrap()
    })
    .await;
    ann.post("@desk help", "public", None);
    ann.hears("Ask me anything").await;
    running.stop().await;
}

/// A stream that is refused or mute costs nothing but the wait until the desk looks by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_stream_is_looked_at_again_and_again() {
    for stream in [Stream::Refused, Stream::Silent] {
        let server = Server::start(Profile::GoToSocial).await;
        server.world().stream = stream;
        let desk = Desk::open_on(server).await;
        let ann = desk.server.person("ann");
        desk.asked(&ann, "help");
        ann.hears("Ask me anything").await;
    }
}

/// Strangers' private mentions come through, whether they were filtered before or not.
#[tokio::test(flavor = "multi_thread")]
async fn filtered_private_mentions_are_let_through() {
    let server = Server::start(Profile::Mastodon46).await;
    server.world().may_set_policy = false;
    let desk = Desk::open_on(server).await;
    let ann = desk.server.person("ann");
    ann.post("@desk help", "direct", None);
    let help = ann.hears("Ask me anything").await;
    assert_eq!(help.visibility, "direct");
}

/// Items that come in another order, twice, or broken, take effect once and hide no other.
#[tokio::test(flavor = "multi_thread")]
async fn shuffled_repeated_and_broken_items_do_no_harm() {
    for profile in Profile::ALL {
        let desk = Desk::open(profile).await;
        let people: Vec<Person> = (0..12).map(|number| desk.server.person(&format!("p{number}"))).collect();
        desk.server.goes_wrong(
            |_, path| {
                if path.ends_with("/notifications") { Fault::Shuffled } else { Fault::None }
            },
        );
        for (number, person) in people.iter().enumerate() {
            person.post("@desk help", "public", None);
            let mut world = desk.server.world();
            if number % 3 == 0
                && let Some(last) = world.notifications.last().cloned()
            {
                let number = last.number + 1;
                let id = world.profile.notification_id(number);
                let raw = Some(serde_json::json!({"id": id, "type": "mention", "status": {"id": 5}}));
                world.notifications.push(mastodon::Notification {
                    id,
                    number,
                    raw,
                    to: "desk".to_owned(),
                    ..last
                });
            }
        }
        for person in &people {
            person.hears("Ask me anything").await;
        }
        desk.settles().await;
        desk.said_everything_once();
        assert_eq!(desk.person.posted().len(), people.len(), "{profile:?}");
    }
}

/// Promise 5 and 4 of a busy day: whoever waits for an answer is served first, nobody is forgotten,
/// and the server's limits are kept whatever its clock says.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_is_served_within_the_limits() {
    let server = Server::start(Profile::Mastodon46).await;
    {
        let mut world = server.world();
        world.posts_allowed = Some(mastodon::Allowed { count: 40, seconds: 2 });
        world.clock_off = jiff::SignedDuration::from_hours(1);
    }
    let desk = Desk::open_on(server).await;
    let people: Vec<Person> = (0..150).map(|number| desk.server.person(&format!("p{number}"))).collect();
    for person in &people {
        person.post("@desk help", "public", None);
    }
    for person in &people {
        person.hears("Ask me anything").await;
    }
    desk.settles().await;
    desk.said_everything_once();
    assert_eq!(desk.server.world().beyond_limits, 0, "the announced limits were kept");
}

/// Where more is to be written than the server takes, patrons are told that it takes longer.
#[tokio::test(flavor = "multi_thread")]
async fn the_acknowledgement_says_when_it_takes_longer() {
    let server = Server::start(Profile::Mitra).await;
    let mut desk = Desk::open_on(server).await;
    desk.stop().await;
    let hour = jiff::SignedDuration::from_hours(1);
    let posts = network::Rate { count: 10, within: hour };
    desk.limits = network::Limits { posts, ..generous() };
    desk.start().await;
    for number in 0..60 {
        desk.server.person(&format!("p{number}")).post("@desk help", "public", None);
    }
    eventually("the desk knows that it is behind", || async {
        desk.engine().settings().behind.get(&stumper::desk::Network::Mastodon).copied()
    })
    .await;
    eventually("as much is posted as is allowed", || async {
        (desk.person.posted().len() == 10).then_some(())
    })
    .await;
    desk.asked(&desk.server.person("ann"), "When did the Ottoman Empire end?");
    let question = eventually("the question is taken in", || async {
        desk.engine().store().questions(None, 1).unwrap().pop()
    })
    .await;
    let letters = desk.engine().store().letters_about(&question.code).unwrap();
    assert!(text_of(&letters[0].0).contains("takes longer: about"));
    assert_eq!(desk.person.posted().len(), 10, "no more than is allowed");
}

fn text_of(letter: &stumper::desk::Letter) -> &str {
    match &letter.content {
        stumper::desk::Content::Post { text, .. } => text.reveal(),
        stumper::desk::Content::Delete { .. } => "",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_question_stays_withdrawn() {
    let desk = Desk::open(Profile::Mastodon46).await;
    let (ann, clio) = (desk.server.person("ann"), desk.server.person("clio"));
    desk.joins(&clio, "history").await;
    let question = desk.asked(&ann, "When did the Ottoman Empire end?");
    let acknowledged = ann.sees(&question, "This is question").await;
    clio.hears("A question from").await;
    ann.reply(&acknowledged.id, "cancel");
    clio.hears("was withdrawn").await;
    desk.settles().await;
    let questions = desk.engine().store().questions(None, 10).unwrap();
    assert_eq!(questions[0].state, State::Withdrawn);
}

/// One question, one conversation, whatever networks its people are on. Promise 1: what is private on one
/// is private on the other; handles do not cross.
#[tokio::test(flavor = "multi_thread")]
async fn people_of_two_networks_meet_through_the_desk() {
    let mut desk = Desk::open(Profile::Mastodon46).await;
    desk.stop().await;
    let sandbox = Arc::new(Sandbox::open(&desk.folder.path().join("sandbox"), "desk").unwrap());
    desk.sandbox = Some(sandbox.clone());
    desk.start().await;
    let (ann, clio) = (desk.server.person("ann"), desk.server.person("clio"));
    desk.joins(&clio, "law").await;
    say(&sandbox, "bob", "@desk Can my landlord evict me without a court order?", Visibility::Direct, None)
        .await;
    let invitation = clio.hears("Can my landlord evict me").await;
    assert_eq!(invitation.visibility, "direct", "promise 1");
    assert!(!invitation.text.contains("bob"), "handles do not cross");
    clio.reply(&invitation.id, "No; ask your legal aid office.");
    let answer = found(&sandbox, "bob", "ask your legal aid office").await;
    assert!(answer.1.contains("a librarian") && !answer.1.contains("clio"), "handles do not cross");

    say(&sandbox, "lexi", "@desk join history", Visibility::Direct, None).await;
    found(&sandbox, "lexi", "Welcome to the desk").await;
    let question = desk.asked(&ann, "When did the Ottoman Empire end?");
    let (to_lexi, _) = found(&sandbox, "lexi", "When did the Ottoman Empire end?").await;
    say(&sandbox, "lexi", "On 1 November 1922.", Visibility::Unlisted, Some(to_lexi)).await;
    ann.sees(&question, "On 1 November 1922.").await;
    desk.settles().await;
    desk.said_everything_once();
}

async fn say(sandbox: &Sandbox, who: &str, text: &str, visibility: Visibility, reply_to: Option<u64>) {
    let saying = Saying {
        author: Handle::parse(who).unwrap(),
        text: stumper::desk::Confidential::new(text),
        visibility,
        to: [Handle::parse("desk").unwrap()].into(),
        in_reply_to: reply_to,
        language: None,
        key: None,
    };
    sandbox.say(saying, stumper::clock::now()).await.unwrap();
}

/// Waits until the desk has written something to somebody on the sandbox.
async fn found(sandbox: &Sandbox, to: &str, part: &str) -> (u64, String) {
    let name = format!("@{to} ");
    eventually(&format!("{to} reads {part:?} on the sandbox"), || async {
        sandbox.posts().iter().find_map(|entry| match entry {
            sandbox::Entry::Post(post) => {
                let text = post.text.reveal();
                (post.author == *sandbox.desk() && text.starts_with(&name) && text.contains(part))
                    .then(|| (post.id, text.to_owned()))
            }
            sandbox::Entry::Gone(_) => None,
        })
    })
    .await
}
