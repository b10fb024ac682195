//! Whole stories through the whole desk on X: listener, core, sled, sender.
//!
//! **Invariant:** the desk in these stories is the one that `stumper run` starts; only its polling is
//! faster. What it says is looked at where people see it, and after each story X's rules have been kept
//! and nothing was said twice.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use stumper::config::rules_dir;
use stumper::desk::{Confidential, Network, Settings, Visibility};
use stumper::engine::{self, Engine, Running};
use stumper::networks::sandbox::{self, Handle, Sandbox, Saying};
use stumper::networks::{Connector, http, x};
use stumper::store::Store;
use stumper::subjects::Subjects;
use tokio::runtime::Runtime;

use crate::server::{DESK, TestPost, X, mentions_in};

const ANN: &str = "22";
const CLIO: &str = "33";
const OTTO: &str = "44";

/// How long anything may take. Waiting ends as soon as it has happened.
const TIME_MAX: Duration = Duration::from_secs(60);

struct Desk {
    x: X,
    folder: tempfile::TempDir,
    sandbox: Option<Arc<Sandbox>>,
    life: Option<Life>,
}

struct Life {
    runtime: Runtime,
    engine: Arc<Engine>,
    running: Running,
}

impl Desk {
    async fn open() -> Desk {
        let x = X::start().await;
        for (id, handle) in [(ANN, "ann"), (CLIO, "clio"), (OTTO, "otto")] {
            x.person(id, handle);
        }
        let mut desk = Desk { x, folder: tempfile::tempdir().unwrap(), sandbox: None, life: None };
        desk.start().await;
        desk
    }

    async fn open_with_sandbox() -> (Desk, Arc<Sandbox>) {
        let mut desk = Desk::open().await;
        desk.kill();
        let sandbox = Sandbox::open(&desk.folder.path().join("sandbox"), "desk").unwrap();
        let sandbox = Arc::new(sandbox);
        desk.sandbox = Some(sandbox.clone());
        desk.start().await;
        (desk, sandbox)
    }

    async fn start(&mut self) {
        let open = || Store::open_sled(&self.folder.path().join("store")).ok();
        let store = eventually("the database is free", open).await;
        let rules = rules_dir::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")).unwrap();
        let (subjects, _) = Subjects::compile(&rules);
        let engine = Arc::new(Engine::new(
            store,
            subjects,
            Settings { invitations_per_day: 100, ..Settings::default() },
        ));
        let connector = x::Connector::new(self.x.settings(self.folder.path()), http::client().unwrap());
        let mut connectors = vec![Arc::new(Connector::X(Box::new(connector)))];
        if let Some(sandbox) = &self.sandbox {
            connectors.push(Arc::new(Connector::Sandbox(sandbox::Connector::new(sandbox.clone()))));
        }
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let running = {
            let _inside = runtime.enter();
            engine::start(&engine, connectors, self.folder.path().to_owned())
        };
        // A desk answers nothing that was there before its first look.
        eventually("the desk has looked", || engine.store().cursor(Network::X).unwrap()).await;
        self.life = Some(Life { runtime, engine, running });
    }

    fn kill(&mut self) {
        if let Some(life) = self.life.take() {
            life.runtime.shutdown_background();
        }
    }

    fn engine(&self) -> &Engine {
        &self.life.as_ref().unwrap().engine
    }

    async fn hears(&self, person: &str, part: &str) -> String {
        let heard = || self.x.messages_to(person).into_iter().find(|text| text.contains(part));
        eventually(part, heard).await
    }

    /// Somebody becomes a librarian, by a direct message.
    async fn joins(&self, person: &str, subjects: &str) {
        self.x.message(person, &format!("join {subjects}"));
        self.hears(person, "Welcome to the desk").await;
    }

    /// The desk's reply to a post.
    async fn reply_to(&self, post: u64) -> TestPost {
        let reply = || self.x.by_desk().into_iter().find(|own| own.reply_to == Some(post));
        eventually("the desk replies", reply).await
    }

    /// Ends the story: everything was said, by the rules, and once.
    async fn ends(mut self) {
        let engine = &self.life.as_ref().unwrap().engine;
        eventually("the outbox is empty", || (engine.store().counts().unwrap().unsettled == 0).then_some(()))
            .await;
        assert_eq!(self.x.wrongs(), Vec::<String>::new(), "the rules of X");
        let said = self.x.by_desk();
        for post in &said {
            assert_eq!(mentions_in(&post.text), Vec::<String>::new(), "nobody is mentioned in public");
            let same = said.iter().filter(|other| other.reply_to == post.reply_to).count();
            assert_eq!(same, 1, "promise 3: one reply to each post");
        }
        let questions = engine.store().questions(None, 100).unwrap();
        assert!(questions.iter().all(|question| question.is_looked_after()), "promise 4");
        let charged = self.x.lock().charged;
        let spent: serde_json::Value =
            serde_json::from_slice(&std::fs::read(self.folder.path().join("x-spent.json")).unwrap()).unwrap();
        assert!(charged <= spent["spent"].as_u64().unwrap(), "charged {charged}, counted {spent}");
        if let Some(life) = self.life.take() {
            life.running.stop().await;
            life.engine.store().close().await.unwrap();
            life.runtime.shutdown_background();
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let looked = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(TIME_MAX, looked).await.unwrap_or_else(|_| panic!("this never happened: {what}"))
}

/// Promises 1, 2 and 3 on X: no acknowledgement, librarians in direct messages, one reply.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_gets_one_reply_and_that_is_the_answer() {
    let desk = Desk::open().await;
    desk.joins(CLIO, "history").await;
    let question = desk.x.post(ANN, "@libbot When did the Ottoman Empire end?", None);
    let invitation = desk.hears(CLIO, "A question from ann").await;
    assert!(invitation.contains("One short post"), "{invitation}");
    assert_eq!(desk.x.by_desk().len(), 0, "no acknowledgement");
    desk.x.message(CLIO, "On 1 November 1922, when the sultanate was abolished.");
    let answer = desk.reply_to(question).await;
    assert!(answer.text.starts_with("On 1 November 1922"), "{}", answer.text);
    desk.hears(CLIO, "is on its way").await;
    // Thanks travel on, and are not answered in public.
    desk.x.post(ANN, "Thank you so much!", Some(answer.id));
    desk.hears(CLIO, "thanks from the person you helped").await;
    assert_eq!(desk.x.by_desk().len(), 1);
    assert_eq!(desk.x.messages_to(ANN).len(), 0, "promise 2: ann never wrote privately");
    desk.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_interview_takes_one_reply_to_each_post() {
    let desk = Desk::open().await;
    desk.joins(CLIO, "genealogy").await;
    let question = desk.x.post(ANN, "@libbot Which parish register names my ancestor?", None);
    desk.hears(CLIO, "A question from").await;
    desk.x.message(CLIO, "ask: which county, and about which year?");
    let asked = desk.reply_to(question).await;
    assert!(asked.text.contains("which county"), "{}", asked.text);
    // Before the patron writes again there is no reply left.
    desk.x.message(CLIO, "Perhaps the one in Ballina.");
    desk.hears(CLIO, "Your words did not reach them").await;
    let more = desk.x.post(ANN, "County Mayo, about 1850.", Some(asked.id));
    desk.hears(CLIO, "County Mayo, about 1850.").await;
    desk.x.message(CLIO, "The National Library has it on microfilm.");
    assert!(desk.reply_to(more).await.text.contains("on microfilm"));
    desk.ends().await;
}

/// Crossing networks: the librarian is somewhere else, and neither side sees the other's handle.
#[tokio::test(flavor = "multi_thread")]
async fn a_librarian_elsewhere_answers_a_patron_on_x() {
    let (desk, sandbox) = Desk::open_with_sandbox().await;
    let say = async |text: &str, in_reply_to: Option<u64>| {
        let saying = Saying {
            author: Handle::parse("nina").unwrap(),
            text: Confidential::new(text),
            visibility: Visibility::Public,
            to: Default::default(),
            in_reply_to,
            language: None,
            key: None,
        };
        sandbox.say(saying, stumper::clock::now()).await.unwrap();
    };
    let told = |part: &'static str| {
        let sandbox = sandbox.clone();
        move || {
            let posts = sandbox.posts();
            posts.iter().find_map(|entry| match entry {
                sandbox::Entry::Post(post) if post.text.reveal().contains(part) => {
                    Some((post.id, post.text.clone()))
                }
                sandbox::Entry::Post(_) | sandbox::Entry::Gone(_) => None,
            })
        }
    };
    say("@desk join history", None).await;
    eventually("nina is welcome", told("Welcome to the desk")).await;
    let question = desk.x.post(ANN, "@libbot When did the Ottoman Empire end?", None);
    let (invitation, text) = eventually("nina is asked", told("A question from")).await;
    assert!(text.reveal().contains("a patron") && !text.reveal().contains("ann "), "{}", text.reveal());
    say("@desk In 1922.", Some(invitation)).await;
    let answer = desk.reply_to(question).await;
    assert!(answer.text.contains("In 1922.") && answer.text.contains("a librarian"), "{}", answer.text);
    desk.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_joined_in_public_is_asked_only_after_writing_privately() {
    let desk = Desk::open().await;
    let joined = desk.x.post(CLIO, "@libbot join history", None);
    assert!(desk.reply_to(joined).await.text.contains("direct messages"));
    desk.x.post(ANN, "@libbot When did the Ottoman Empire end?", None);
    eventually("the question is taken in", || {
        (desk.engine().store().questions(None, 9).unwrap().len() == 1).then_some(())
    })
    .await;
    assert_eq!(desk.x.messages_to(CLIO).len(), 0, "promise 2");
    desk.x.message(CLIO, "hello");
    desk.x.post(OTTO, "@libbot Who was the last emperor of the Byzantine Empire?", None);
    desk.hears(CLIO, "A question from otto").await;
    desk.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_is_cut_and_its_librarian_is_told() {
    let desk = Desk::open().await;
    desk.joins(CLIO, "history").await;
    let question = desk.x.post(ANN, "@libbot When did the Ottoman Empire end?", None);
    desk.hears(CLIO, "A question from").await;
    desk.x.message(CLIO, &"The sultanate was abolished in 1922. ".repeat(12));
    let answer = desk.reply_to(question).await;
    assert!(
        answer.text.contains("1922. […]") && answer.text.contains("— clio, for question"),
        "{}",
        answer.text
    );
    desk.hears(CLIO, "only the beginning of your answer fits").await;
    // The rest goes to the patron's next post.
    let more = desk.x.post(ANN, "And then?", Some(answer.id));
    desk.hears(CLIO, "And then?").await;
    desk.x.message(CLIO, "The caliph stayed until 1924.");
    assert!(desk.reply_to(more).await.text.contains("until 1924"));
    desk.ends().await;
}

/// Promise 1: what was asked in private is answered in private.
#[tokio::test(flavor = "multi_thread")]
async fn a_private_question_stays_private() {
    let desk = Desk::open().await;
    desk.joins(CLIO, "history").await;
    desk.x.message(ANN, "When did the Ottoman Empire end? I ask for a reason.");
    desk.hears(ANN, "This is question").await;
    let invitation = desk.hears(CLIO, "A question from a patron").await;
    assert!(!invitation.contains("ann "), "{invitation}");
    desk.x.message(CLIO, "On 1 November 1922.");
    desk.hears(ANN, "On 1 November 1922.").await;
    assert_eq!(desk.x.by_desk().len(), 0);
    desk.ends().await;
}

/// An answer must not reach the wrong patron.
#[tokio::test(flavor = "multi_thread")]
async fn with_two_questions_in_hand_the_desk_asks_which_one_is_meant() {
    let desk = Desk::open().await;
    desk.joins(CLIO, "history").await;
    let first = desk.x.post(ANN, "@libbot When did the Ottoman Empire end?", None);
    let other = desk.hears(CLIO, "When did the Ottoman Empire end?").await;
    let second = desk.x.post(OTTO, "@libbot Who was the last emperor of the Byzantine Empire?", None);
    let invitation = desk.hears(CLIO, "last emperor").await;
    desk.x.message(CLIO, "It was in 1922.");
    desk.hears(CLIO, "Which one do you mean").await;
    assert_eq!(desk.x.by_desk().len(), 0);
    let code = |invitation: &str| {
        invitation.split("for you, ").nth(1).unwrap().split(' ').next().unwrap().to_owned()
    };
    desk.x.message(CLIO, &format!("{} Constantine XI.", code(&invitation)));
    assert!(desk.reply_to(second).await.text.contains("Constantine XI"));
    desk.x.message(CLIO, &format!("{} On 1 November 1922.", code(&other)));
    assert!(desk.reply_to(first).await.text.contains("1922"));
    desk.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_works_at_once_and_is_confirmed_once() {
    let desk = Desk::open().await;
    desk.joins(CLIO, "history").await;
    desk.x.message(CLIO, "stop");
    desk.hears(CLIO, "I won't write to you any more").await;
    desk.x.post(ANN, "@libbot When did the Ottoman Empire end?", None);
    let stopped = desk.x.post(OTTO, "@libbot stop", None);
    desk.reply_to(stopped).await;
    assert!(!desk.x.messages_to(CLIO).iter().any(|text| text.contains("A question from")));
    desk.ends().await;
}

/// Promise 3, once, and 4, nothing is lost: killed at one moment after another.
#[tokio::test(flavor = "multi_thread")]
async fn a_desk_that_is_killed_again_and_again_goes_on_where_it_was() {
    let mut desk = Desk::open().await;
    desk.joins(CLIO, "history").await;
    desk.x.message(CLIO, "my questions");
    for moment in 0..8 {
        // The pause is the point: each life is ended at another moment of its work. No letter is on its
        // way then, because one in doubt would wait two minutes before it is looked for.
        tokio::time::sleep(Duration::from_millis(17 * moment)).await;
        let engine = &desk.life.as_ref().unwrap().engine;
        eventually("nothing is on its way", || {
            (engine.store().counts().unwrap().unsettled == 0).then_some(())
        })
        .await;
        desk.kill();
        desk.x.post(ANN, &format!("@libbot join me for number {moment}?"), None);
        desk.start().await;
    }
    let questions = || desk.engine().store().questions(None, 100).unwrap().len();
    eventually("all are taken in", || (questions() == 8).then_some(())).await;
    desk.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_calls_the_desk_is_taken_for_a_question() {
    let desk = Desk::open().await;
    let question = desk.x.post(ANN, "@libbot When did the Ottoman Empire end?", None);
    // The desk's name is only carried over in front of these.
    let carried = desk.x.post(OTTO, "I wonder when that was.", Some(question));
    let called = desk.x.post(OTTO, "@libbot help", Some(carried));
    assert!(desk.reply_to(called).await.text.contains("Ask me anything"));
    let questions = desk.engine().store().questions(None, 100).unwrap();
    assert_eq!(questions.len(), 1);
    assert_eq!(desk.x.by_desk().iter().filter(|post| post.author == DESK).count(), 1);
    desk.ends().await;
}
