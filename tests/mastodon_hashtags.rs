//! Hashtags to which the desk listens, over the Mastodon stand-in: questions that nobody put to the desk
//! are offered quietly to librarians who asked for such.
//!
//! **Invariant:** what people hear is checked on the network, and what is kept in the store on the disk.

#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

#[path = "support/mastodon.rs"]
mod mastodon;
#[path = "support/mastodon_desk.rs"]
mod mastodon_desk;

use mastodon::{Fault, Person, Profile, Server, Stream, eventually};
use mastodon_desk::Desk;
use stumper::desk::{AccountId, Network, PostId};
use stumper::store::archive;

const OFFER: &str = "A public question that may be for you";

/// A desk on a server without a stream, beside which it would look only once a minute.
async fn open(profile: Profile) -> Desk {
    let server = Server::start(profile).await;
    server.world().stream = Stream::Refused;
    Desk::open_on(server).await
}

/// A desk that listens to two hashtags, with a librarian for history, and has looked at them once.
async fn desk() -> (Desk, Person) {
    let mut desk = open(Profile::Mastodon46).await;
    desk.stop().await;
    desk.hashtags = vec!["AskALibrarian".to_owned(), "AskHistory".to_owned()];
    desk.start().await;
    let clio = desk.server.person("clio");
    desk.joins(&clio, "history").await;
    looks(&desk).await;
    (desk, clio)
}

/// Waits until the desk has looked at its hashtags twice from now on, and has acted on the first look.
async fn looks(desk: &Desk) {
    let looked = || {
        let world = desk.server.world();
        world.requests.iter().filter(|request| request.ends_with("/tag/AskHistory")).count()
    };
    let before = looked();
    eventually("the desk looks", || async { (before + 3 <= looked()).then_some(()) }).await;
    desk.settles().await;
}

fn offers(person: &Person) -> Vec<mastodon::Status> {
    person.heard().into_iter().filter(|said| said.text.contains(OFFER)).collect()
}

fn address(id: &str) -> String {
    format!("https://{}/s/{id}", mastodon::DOMAIN)
}

/// What the desk keeps, as its own export writes it down.
fn kept(desk: &Desk) -> String {
    let mut out = Vec::new();
    archive::export(desk.engine().store(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Promises 1 and 2: quietly, to somebody who joined, with the address and without a word of the post; its
/// author hears nothing. However often and in whatever order the server shows it, it is offered once.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_with_a_hashtag_is_offered_once_and_quietly() {
    let (desk, clio) = desk().await;
    let ann = desk.server.person("ann@far.example");
    desk.server.goes_wrong(|_, path| if path.contains("/tag/") { Fault::Shuffled } else { Fault::None });
    let question = ann.post("When did the Ottoman Empire end? #AskALibrarian #AskHistory", "public", None);
    let offer = clio.hears(OFFER).await;
    assert!(offer.text.contains(&address(&question)) && offer.text.contains("(History"), "{}", offer.text);
    assert_eq!(offer.visibility, "direct");
    assert!(!offer.text.contains("Ottoman") && !offer.text.contains("ann"), "{}", offer.text);
    assert_eq!((offer.mentions.as_slice(), &offer.in_reply_to), (&["clio".to_owned()][..], &None));
    looks(&desk).await;
    // An edit makes no new question of it.
    ann.edit(&question, "When exactly did the Ottoman Empire end? #AskALibrarian");
    looks(&desk).await;
    assert_eq!(offers(&clio).len(), 1);
    assert_eq!(ann.heard().len(), 0, "promise 2: its author never wrote to the desk");
    assert_eq!(
        desk.person.posted().iter().filter(|post| post.in_reply_to.as_ref() == Some(&question)).count(),
        0
    );
    assert_eq!(desk.engine().store().questions(None, 10).unwrap(), []);

    // A desk that starts again offers nothing anew.
    let mut desk = desk;
    desk.stop().await;
    desk.start().await;
    looks(&desk).await;
    assert_eq!(offers(&clio).len(), 1);
}

/// The first post ever with a hashtag is as good as any other.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_the_first_look_is_left_alone_and_what_comes_first_is_not() {
    let mut desk = open(Profile::GoToSocial).await;
    let (ann, clio) = (desk.server.person("ann"), desk.server.person("clio"));
    desk.joins(&clio, "history").await;
    desk.stop().await;
    ann.post("When did the Byzantine Empire end? #AskALibrarian", "public", None);
    desk.hashtags = vec!["AskALibrarian".to_owned(), "AskHistory".to_owned()];
    desk.start().await;
    looks(&desk).await;
    let first = ann.post("When did the Ottoman Empire end? #askhistory", "public", None);
    clio.hears(&address(&first)).await;
    assert_eq!(offers(&clio).len(), 1);
}

/// Promise 4, nothing is lost silently: what was asked while the desk was down is offered when it is back, once.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_while_the_desk_was_down_is_offered_when_it_is_back() {
    let (mut desk, clio) = desk().await;
    desk.stop().await;
    let missed =
        desk.server.person("ann").post("When did the Ottoman Empire end? #AskALibrarian", "public", None);
    desk.start().await;
    clio.hears(&address(&missed)).await;
    looks(&desk).await;
    assert_eq!(offers(&clio).len(), 1);
}

/// Nobody is bothered who did not ask for it, nothing is taken that was not said to everybody, and
/// nothing is kept of it.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_wants_no_bots_or_wrote_to_few_is_left_alone_and_nothing_is_kept() {
    let (desk, clio) = desk().await;
    desk.server.world().tags_leak = true;
    let people = ["ann", "ben", "cleo", "dora", "emil", "fred"].map(|name| desk.server.person(name));
    let [ann, ben, cleo, dora, emil, fred] = &people;
    let otto = desk.server.person("otto");
    {
        let mut world = desk.server.world();
        let account = world.accounts.get_mut("ann").unwrap();
        account.note =
            "<p>Reader. <a href=\"https://desk.example/tags/nobot\" class=\"mention hashtag\" rel=\"tag\">#<span>nobot</span></a></p>".to_owned();
        world.accounts.get_mut("fred").unwrap().bot = true;
    }
    let question = "When did the Ottoman Empire end? #AskALibrarian";
    let posts = [
        ann.post(question, "public", None),
        ben.post(&format!("@otto {question}"), "direct", None),
        cleo.post(question, "private", None),
        dora.post(question, "unlisted", None),
        fred.post(question, "public", None),
        // A question that nobody here takes.
        emil.post("Which frogs live in the bogs of Mayo? #AskALibrarian", "public", None),
    ];
    looks(&desk).await;
    // They were seen: what comes after them is offered.
    let gina = desk.server.person("gina");
    let taken = gina.post("When did the Byzantine Empire end? #AskALibrarian", "public", None);
    let offer = clio.hears(OFFER).await;
    assert!(offer.text.contains(&address(&taken)), "{}", offer.text);
    looks(&desk).await;
    assert_eq!(offers(&clio).len(), 1);

    let store = desk.engine().store();
    let kept = kept(&desk);
    for (person, post) in people.iter().zip(&posts) {
        assert_eq!(person.heard().len(), 0, "{person}");
        assert_eq!(store.person(&AccountId::new(Network::Mastodon, person.url())).unwrap(), None, "{person}");
        assert_eq!(store.link(&PostId::new(Network::Mastodon, post.as_str())).unwrap(), None);
        assert!(!kept.contains(&person.url()) && !kept.contains(&address(post)), "{person}");
    }
    assert!(!kept.contains("Ottoman") && !kept.contains("frogs"), "no word is kept");
    assert!(
        !kept.contains(&gina.url()) && !kept.contains("Byzantine"),
        "of the other no more than its address"
    );
    assert_eq!((otto.heard().len(), gina.heard().len()), (1, 0));
    assert_eq!(store.questions(None, 10).unwrap(), []);
}

/// What is put to the desk is answered as a mention, whatever hashtags it has.
#[tokio::test(flavor = "multi_thread")]
async fn a_mention_with_a_hashtag_is_a_mention() {
    let (desk, clio) = desk().await;
    let ann = desk.server.person("ann");
    let question = desk.asked(&ann, "When did the Ottoman Empire end? #AskALibrarian");
    let invitation = clio.hears("A question from").await;
    clio.reply(&invitation.id, "On 1 November 1922. #AskALibrarian");
    let answer = ann.sees(&question, "On 1 November 1922").await;
    // A reply below a post of the desk names it, without meaning to or not.
    ann.reply(&answer.id, "Thanks! And when did it begin? #AskALibrarian");
    clio.hears("when did it begin").await;
    looks(&desk).await;
    assert_eq!(offers(&clio).len(), 0);
}
