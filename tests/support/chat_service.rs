//! A stand-in for the chat service of Bluesky, which nobody can run at home. It is reached as the real
//! one is: through the server of whoever calls, which vouches for them.
//!
//! **Invariant:** it listens on loopback only, and what it knows ends with it.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part of it")]
#![allow(clippy::unwrap_used, reason = "it is a part of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::bluesky_network::{Person, claims};

/// A running chat service. Dropped, it stops to answer.
pub struct ChatService {
    /// Its name, as a client passes it to the server.
    pub name: String,
    state: Arc<Mutex<Talk>>,
    task: tokio::task::JoinHandle<()>,
}

/// Everything that was said, and who may be written to.
#[derive(Default)]
struct Talk {
    /// Handles by DID.
    people: BTreeMap<String, String>,
    /// Who lets only those write whom they wrote to.
    closed: BTreeSet<String>,
    convos: Vec<Convo>,
    /// The number of a convo and of a message in it, in the order of time.
    log: Vec<(usize, usize)>,
    /// How many messages are taken without the sender hearing of it.
    lost_answers: usize,
}

struct Convo {
    members: Vec<String>,
    accepted: BTreeSet<String>,
    messages: Vec<Message>,
}

struct Message {
    sender: String,
    text: String,
    sent_at: String,
}

impl ChatService {
    pub async fn start() -> ChatService {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let did = format!("did:web:localhost%3A{port}");
        let document = json!({
            "@context": ["https://www.w3.org/ns/did/v1"], "id": did,
            "service": [{"id": "#bsky_chat", "type": "BskyChatService",
                         "serviceEndpoint": format!("http://localhost:{port}")}],
        });
        let state = Arc::new(Mutex::new(Talk::default()));
        let app = Router::new()
            .route("/.well-known/did.json", get(move || std::future::ready(Json(document))))
            .route("/xrpc/{method}", get(call).post(call))
            .with_state(state.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        ChatService { name: format!("{did}#bsky_chat"), state, task }
    }

    /// Makes a person's handle known, which the real service learns from the network.
    pub fn knows(&self, people: &[&Person<'_>]) {
        let known = people.iter().map(|person| (person.did.clone(), person.handle.clone()));
        self.state.lock().unwrap().people.extend(known);
    }

    /// From now on, only those can write to this person whom they have written to.
    pub fn closes(&self, person: &Person<'_>) {
        self.state.lock().unwrap().closed.insert(person.did.clone());
    }

    /// The next messages are taken, but whoever sends them is told nothing of use.
    pub fn loses_answers(&self, count: usize) {
        self.state.lock().unwrap().lost_answers = count;
    }

    /// A conversation of several with something said in it.
    pub fn group(&self, people: &[&Person<'_>], text: &str) {
        let members: Vec<String> = people.iter().map(|person| person.did.clone()).collect();
        let mut talk = self.state.lock().unwrap();
        let sender = members[0].clone();
        talk.convos.push(Convo { members, accepted: BTreeSet::new(), messages: Vec::new() });
        let at = talk.convos.len() - 1;
        talk.say(at, &sender, text);
    }

    /// What was said to this person, by whomever.
    pub fn said_to(&self, person: &Person<'_>) -> Vec<String> {
        let talk = self.state.lock().unwrap();
        let theirs = talk.convos.iter().filter(|convo| convo.members.contains(&person.did));
        let messages = theirs.flat_map(|convo| &convo.messages);
        messages.filter(|message| message.sender != person.did).map(|message| message.text.clone()).collect()
    }

    /// Whether a person has accepted the conversation with another one.
    pub fn has_accepted(&self, person: &Person<'_>, other: &Person<'_>) -> bool {
        let mut talk = self.state.lock().unwrap();
        let at = talk.between(&person.did, &other.did);
        talk.convos[at].accepted.contains(&person.did)
    }
}

impl Drop for ChatService {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Talk {
    fn between(&mut self, one: &str, other: &str) -> usize {
        let is = |convo: &Convo| {
            convo.members.len() == 2 && [one, other].iter().all(|did| convo.members.iter().any(|m| m == did))
        };
        self.convos.iter().position(is).unwrap_or_else(|| {
            let members = vec![one.to_owned(), other.to_owned()];
            self.convos.push(Convo { members, accepted: [one.to_owned()].into(), messages: Vec::new() });
            self.convos.len() - 1
        })
    }

    fn may_write(&mut self, from: &str, to: &str) -> bool {
        let at = self.between(from, to);
        let wrote_first = self.convos[at].messages.iter().any(|message| message.sender == to);
        !self.closed.contains(to) || wrote_first
    }

    fn say(&mut self, convo: usize, sender: &str, text: &str) -> Value {
        let sent_at = format!("{:.3}", stumper::clock::now());
        self.convos[convo].messages.push(Message { sender: sender.into(), text: text.into(), sent_at });
        let number = self.convos[convo].messages.len() - 1;
        self.log.push((convo, number));
        self.message(convo, number)
    }

    fn message(&self, convo: usize, number: usize) -> Value {
        let message = &self.convos[convo].messages[number];
        json!({"$type": "chat.bsky.convo.defs#messageView", "id": format!("m{convo}x{number}"),
               "rev": format!("r{number}"), "text": message.text, "sender": {"did": message.sender},
               "sentAt": message.sent_at})
    }

    fn view(&self, convo: usize, viewer: &str) -> Value {
        let found = &self.convos[convo];
        let members: Vec<Value> = found
            .members
            .iter()
            .map(|did| json!({"did": did, "handle": self.people.get(did).map_or("handle.invalid", |h| h)}))
            .collect();
        let status = if found.accepted.contains(viewer) { "accepted" } else { "request" };
        json!({"convo": {"id": format!("c{convo}"), "rev": "r", "members": members, "muted": false,
                         "status": status, "unreadCount": 0}})
    }

    /// Everything in the log behind a cursor that this person may read.
    fn log_for(&self, viewer: &str, cursor: Option<usize>) -> Value {
        let from = cursor.unwrap_or(self.log.len());
        let logs: Vec<Value> = self
            .log
            .iter()
            .enumerate()
            .skip(from)
            .filter(|(_, (convo, _))| self.convos[*convo].members.iter().any(|did| did == viewer))
            .map(|(at, (convo, number))| {
                json!({"$type": "chat.bsky.convo.defs#logCreateMessage", "rev": format!("{at}"),
                       "convoId": format!("c{convo}"), "message": self.message(*convo, *number)})
            })
            .collect();
        json!({"cursor": self.log.len().to_string(), "logs": logs})
    }
}

async fn call(
    State(state): State<Arc<Mutex<Talk>>>,
    Path(method): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let token = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let who = claims(token.trim_start_matches("Bearer "))["iss"].as_str().unwrap_or_default().to_owned();
    let who = who.split('#').next().unwrap_or_default().to_owned();
    let query = query.unwrap_or_default();
    let url = reqwest::Url::parse(&format!("http://localhost/?{query}")).unwrap();
    let parameter =
        |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let number = |id: Option<String>| id.and_then(|id| id.get(1..)?.parse::<usize>().ok());
    let mut talk = state.lock().unwrap();
    let convo = number(parameter("convoId").or_else(|| Some(body["convoId"].as_str()?.to_owned())));
    let convo = convo.filter(|at| talk.convos.get(*at).is_some_and(|convo| convo.members.contains(&who)));
    let refused =
        |name: &str| (StatusCode::BAD_REQUEST, Json(json!({"error": name, "message": "no"}))).into_response();
    let answer = match (method.as_str(), convo) {
        ("chat.bsky.convo.getLog", _) => {
            talk.log_for(&who, parameter("cursor").map(|cursor| cursor.parse().unwrap()))
        }
        ("chat.bsky.convo.getConvoAvailability", _) => {
            let to = parameter("members").unwrap();
            json!({"canChat": talk.may_write(&who, &to)})
        }
        ("chat.bsky.convo.getConvoForMembers", _) => {
            let to = parameter("members").unwrap();
            if !talk.may_write(&who, &to) {
                return refused("MessagesDisabled");
            }
            let at = talk.between(&who, &to);
            talk.view(at, &who)
        }
        ("chat.bsky.convo.getConvo", Some(at)) => talk.view(at, &who),
        ("chat.bsky.convo.acceptConvo", Some(at)) => {
            talk.convos[at].accepted.insert(who);
            json!({})
        }
        ("chat.bsky.convo.getMessages", Some(at)) => {
            let count = talk.convos[at].messages.len();
            let messages: Vec<Value> = (0..count).rev().map(|number| talk.message(at, number)).collect();
            json!({"messages": messages})
        }
        ("chat.bsky.convo.sendMessage", Some(at)) => {
            let text = body["message"]["text"].as_str().unwrap();
            let sent = talk.say(at, &who, text);
            if talk.lost_answers > 0 {
                talk.lost_answers -= 1;
                return (StatusCode::BAD_GATEWAY, "<html>").into_response();
            }
            sent
        }
        ("chat.bsky.convo.deleteMessageForSelf", Some(_)) => json!({}),
        _ => return refused("InvalidConvo"),
    };
    Json(answer).into_response()
}
