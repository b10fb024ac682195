//! What a coordinator asks of the desk, and what it replies: one set of requests, whether the desk
//! runs (they come over its page's address) or not (the command opens the store itself).
//!
//! **Invariant:** nothing is changed here but through [`Engine::handle`], and nobody is served over
//! the network who does not hold the token from the control file, which only the user that runs the
//! desk can read.

mod file;
mod rows;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

pub use file::{ControlFile, FILE_NAME, private_file, random_hex};
pub use rows::{Details, HeldRow, Labelled, QUESTIONS_MAX, QuestionRow, RosterRow, Undelivered};

use crate::desk::libraries;
use crate::desk::outlets::{OfferFate, Verdict};
use crate::desk::{AccountId, Action, Code, Input, Network, Outcome, Question};
use crate::engine::control::rows::{details, labelled, questions, roster_rows};
use crate::engine::{Engine, HandleError, Handled, housekeeping};
use crate::store::StoreError;

/// The path of the control endpoint on the desk's page.
pub const PATH: &str = "/control";

/// The largest request that is read.
const REQUEST_BYTES_MAX: usize = 1 << 20;

/// One thing a coordinator asks of the desk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ask")]
pub enum Request {
    /// Whether anybody is there.
    Hello,
    /// Everybody on the roster.
    Librarians,
    /// The questions, oldest first.
    Questions { which: Which },
    /// One question with its history.
    Question { code: Code },
    /// Put somebody on the roster, as [`Action::AddLibrarian`].
    Add { id: String, action: Action },
    /// Ask a librarian nothing until then; `None` ends the pause.
    Pause { id: String, who: String, until: Option<Timestamp> },
    /// Take a librarian off the roster.
    Remove { id: String, who: String },
    /// End a question, telling its patron.
    Close { id: String, code: Code },
    /// Take a held post for a question after all.
    Release { id: String, code: Code },
    /// Offer a question to one librarian.
    Reassign { id: String, code: Code, to: String },
    /// Pass on, or put aside, what a stranger offered as an answer.
    Judge { id: String, code: Code, number: u32, verdict: Verdict },
    /// The questions whose subject a librarian corrected and that the rules may learn from, those after
    /// a code.
    Labelled { after: Option<Code> },
    /// Begin to write everything the desk remembers into a new file in the data folder.
    Export { file_name: String },
}

/// Which questions are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// Those that have not ended, or whose offered answers wait for the coordinator. Held posts are none of
    /// them.
    Open,
    /// Posts that seem to be spam or abuse and wait for the coordinator.
    Held,
    /// All that are kept.
    All,
}

/// What the desk says to a [`Request`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reply")]
pub enum Reply {
    Librarians {
        librarians: Vec<RosterRow>,
    },
    /// `more` where there are more than [`QUESTIONS_MAX`]; `held` is how many posts are held back.
    Questions {
        questions: Vec<QuestionRow>,
        more: bool,
        held: usize,
    },
    Question {
        details: Box<Details>,
    },
    /// Ask again with `next` where there are more.
    Labelled {
        examples: Vec<Labelled>,
        next: Option<Code>,
    },
    Hello,
    /// It was done, or nothing had to be done.
    Done {
        outcome: Outcome,
    },
    /// The file is being written. Until it is complete, there is one whose name ends in `.unfinished`.
    Exporting,
    /// The request cannot be met: what, and what to do.
    Refused {
        what: String,
        hint: Option<String>,
    },
    /// The desk is out of order: what.
    Failed {
        what: String,
    },
}

#[derive(Clone)]
struct Served {
    engine: Arc<Engine>,
    token: SecretString,
    data: PathBuf,
}

/// The control endpoint, to be merged into the desk's page.
pub fn router(engine: Arc<Engine>, file: &ControlFile, data: PathBuf) -> axum::Router {
    let served = Served { engine, token: file.token.clone(), data };
    axum::Router::new()
        .route(PATH, post(serve))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(served)
}

async fn serve(State(served): State<Served>, headers: HeaderMap, body: axum::body::Bytes) -> Response {
    let given = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes()).unwrap_or_default();
    let wanted = format!("Bearer {}", served.token.expose_secret());
    if !bool::from(given.ct_eq(wanted.as_bytes())) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Ok(request) = serde_json::from_slice::<Request>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    Json(execute(&served.engine, &served.data, request).await).into_response()
}

/// Does what is asked. `data` is the data folder, for exports.
pub async fn execute(engine: &Engine, data: &Path, request: Request) -> Reply {
    match attempt(engine, data, request).await {
        Ok(reply) => reply,
        Err(Trouble::Refused { what, hint }) => Reply::Refused { what, hint },
        Err(Trouble::Store(error)) => Reply::Failed { what: error.to_string() },
        Err(Trouble::Engine(error)) => Reply::Failed { what: error.to_string() },
        Err(Trouble::Failed(what)) => Reply::Failed { what },
    }
}

/// Why a request came to nothing.
enum Trouble {
    Refused { what: String, hint: Option<String> },
    Store(StoreError),
    Engine(HandleError),
    Failed(String),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Trouble {
        Trouble::Store(error)
    }
}

impl From<HandleError> for Trouble {
    fn from(error: HandleError) -> Trouble {
        Trouble::Engine(error)
    }
}

fn refused(what: impl Into<String>, hint: impl Into<String>) -> Trouble {
    Trouble::Refused { what: what.into(), hint: Some(hint.into()) }
}

async fn attempt(engine: &Engine, data: &Path, request: Request) -> Result<Reply, Trouble> {
    match request {
        Request::Hello => Ok(Reply::Hello),
        Request::Librarians => Ok(Reply::Librarians { librarians: roster_rows(engine) }),
        Request::Questions { which } => questions(engine, which),
        Request::Question { code } => {
            let details = Box::new(details(engine, &code)?);
            Ok(Reply::Question { details })
        }
        Request::Add { id, mut action } => {
            known_subjects(engine, &mut action)?;
            known_library(engine, &mut action)?;
            wish(engine, id, action).await
        }
        Request::Pause { id, who, until } => {
            let account = on_roster(engine, &who)?;
            wish(engine, id, Action::PauseLibrarian { account, until }).await
        }
        Request::Remove { id, who } => {
            let account = on_roster(engine, &who)?;
            wish(engine, id, Action::RemoveLibrarian { account }).await
        }
        Request::Close { id, code } => {
            let question = existing(engine, &code)?;
            if question.state.is_final() {
                let what = format!("the question {code} is {} already", question.state.word());
                return Err(refused(what, format!("see its history with `stumper questions show {code}`")));
            }
            wish(engine, id, Action::CloseQuestion { code }).await
        }
        Request::Release { id, code } => {
            if !existing(engine, &code)?.state.is_held() {
                let what = format!("{code} is not held back");
                return Err(refused(what, "see what is with `stumper questions list --held`"));
            }
            wish(engine, id, Action::ReleaseQuestion { code }).await
        }
        Request::Reassign { id, code, to } => {
            existing(engine, &code)?;
            let to = on_roster(engine, &to)?;
            wish(engine, id, Action::ReassignQuestion { code, to }).await
        }
        Request::Judge { id, code, number, verdict } => {
            let question = existing(engine, &code)?;
            let offers = &question.publicity.offers;
            let hint = format!("see what was offered with `stumper questions show {code}`");
            match offers.iter().find(|offer| offer.number == number).map(|offer| offer.fate) {
                Some(OfferFate::Waiting) => {}
                Some(OfferFate::Relayed) => {
                    return Err(refused("this offered answer was passed on already", hint));
                }
                Some(OfferFate::Dismissed) => {
                    return Err(refused("this offered answer was dismissed already", hint));
                }
                None => return Err(refused(format!("{code} has no offered answer of this number"), hint)),
            }
            wish(engine, id, Action::JudgeOffer { code, number, verdict }).await
        }
        Request::Labelled { after } => labelled(engine, after.as_ref()),
        Request::Export { file_name } => export(engine, data, &file_name),
    }
}

async fn wish(engine: &Engine, id: String, action: Action) -> Result<Reply, Trouble> {
    match engine.handle(Input::Coordinator { id, action }).await? {
        Handled::Done(outcome) => Ok(Reply::Done { outcome }),
        Handled::SeenBefore => Ok(Reply::Done { outcome: Outcome::Outdated }),
        Handled::SetAside => Err(Trouble::Failed(
            "the desk stumbled over this wish and set it aside; its log says where".to_owned(),
        )),
    }
}

/// Writes the subjects of a new librarian as the rules call them.
fn known_subjects(engine: &Engine, action: &mut Action) -> Result<(), Trouble> {
    let known = engine.subjects();
    let Action::AddLibrarian { subjects, .. } = action else { return Ok(()) };
    for subject in subjects {
        *subject = known.named(subject.as_str()).ok_or_else(|| {
            let all: Vec<&str> = known.iter().map(|subject| subject.id.as_str()).collect();
            match known.closest(subject.as_str()) {
                Some(near) => refused("there is no such subject", format!("did you mean `{}`?", near.id)),
                None if all.is_empty() => {
                    refused("there are no subjects", "see what is wrong with the rules: `stumper check`")
                }
                None => refused(
                    "there is no such subject",
                    format!("the subjects are `{}`, and `general` for any question", all.join("`, `")),
                ),
            }
        })?;
    }
    Ok(())
}

/// Writes the library of a new librarian as `bot.toml` calls it.
fn known_library(engine: &Engine, action: &mut Action) -> Result<(), Trouble> {
    let Action::AddLibrarian { library: Some(library), .. } = action else { return Ok(()) };
    let settings = engine.settings();
    let Some(found) = libraries::named(&settings, library) else {
        let all: Vec<&str> = settings.libraries.iter().map(|library| library.id.as_str()).collect();
        let hint = if all.is_empty() {
            "add it to `bot.toml` as a `[[library]]` with this `id`".to_owned()
        } else {
            format!("the libraries are `{}`", all.join("`, `"))
        };
        return Err(refused("there is no such library", hint));
    };
    library.clone_from(&found.id);
    Ok(())
}

/// Finds the one librarian whom `who` names: `network:handle`, `network:id`, or a handle alone.
fn on_roster(engine: &Engine, who: &str) -> Result<AccountId, Trouble> {
    let (network, name) = split_who(who);
    let fits = |row: &RosterRow| {
        network.is_none_or(|network| network == row.network)
            && (row.id == name || row.handle.eq_ignore_ascii_case(name))
    };
    let mut found: Vec<RosterRow> = roster_rows(engine).into_iter().filter(fits).collect();
    match (found.pop(), found.is_empty()) {
        (Some(row), true) => Ok(AccountId::new(row.network, row.id)),
        (Some(_), false) => Err(refused(
            "more than one librarian has this name",
            "name the network as well, for example `bluesky:nina.example`",
        )),
        (None, _) => Err(refused("nobody on the roster has this name", "see `stumper librarians list`")),
    }
}

/// Cuts `network:name` apart. Without a known network in front, all of it is the name.
pub fn split_who(who: &str) -> (Option<Network>, &str) {
    let who = who.trim();
    let named = who.split_once(':').and_then(|(network, name)| Some((Network::named(network)?, name)));
    let (network, name) = named.map_or((None, who), |(network, name)| (Some(network), name));
    (network, name.trim_start_matches('@'))
}

fn existing(engine: &Engine, code: &Code) -> Result<Question, Trouble> {
    engine.store().question(code)?.ok_or_else(|| {
        refused(
            format!("there is no question {code}"),
            "see `stumper questions list --all`; ended questions are erased after a while",
        )
    })
}

fn export(engine: &Engine, data: &Path, file_name: &str) -> Result<Reply, Trouble> {
    let plain = !file_name.is_empty()
        && file_name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-')
        && !file_name.starts_with('.');
    if !plain {
        return Err(refused("this is not a plain file name", "use letters, digits, dots and hyphens"));
    }
    let begun = housekeeping::begin_export(engine, &data.join(file_name));
    // Nobody waits for it here: it may take longer than a request may.
    drop(begun.map_err(|error| Trouble::Failed(error.to_string()))?);
    Ok(Reply::Exporting)
}
