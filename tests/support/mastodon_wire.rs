//! The wire of the Mastodon stand-in: its API over HTTP, and its stream.

#![allow(clippy::unwrap_used, clippy::result_large_err, reason = "it is a part of tests")]

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server as handshake;

use super::{Account, Allowed, DOMAIN, Fault, KEY_TIME, Notification, Server, Status, Stream, World};

type Shared = Arc<Mutex<World>>;

pub(super) async fn serve(world: Shared) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let streams = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // It says `wss` whatever it speaks, as some do; the desk is told the true address.
    world.lock().unwrap().streaming_address = format!("ws://{}", streams.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(world.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let shared = world.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = streams.accept().await {
            tokio::spawn(stream(shared.clone(), socket));
        }
    });
    Server { address, world }
}

async fn stream(world: Shared, socket: TcpStream) {
    let (mut changes, behaves) = {
        let world = world.lock().unwrap();
        (world.changes.subscribe(), world.stream)
    };
    if behaves == Stream::Refused {
        return;
    }
    let mut token = String::new();
    let check = |request: &handshake::Request, response: handshake::Response| {
        let header = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        token = header.unwrap_or_default().trim_start_matches("Bearer ").to_owned();
        Ok(response)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(socket, check).await else { return };
    let name = {
        let mut world = world.lock().unwrap();
        world.streams_opened += 1;
        world.accounts.iter().find(|(_, account)| account.token == token).map(|(name, _)| name.clone())
    };
    let Some(name) = name else { return };
    if behaves == Stream::Silent {
        std::future::pending::<()>().await;
    }
    socket.send(Message::Ping(Bytes::new())).await.ok();
    loop {
        tokio::select! {
            change = changes.recv() => {
                let Ok((to, what)) = change else { return };
                if to != name {
                    continue;
                }
                let event = match what.split_once(' ') {
                    Some(("delete", id)) => json!({"stream": ["user"], "event": "delete", "payload": id}),
                    Some((_, id)) => {
                        let payload = json!({"id": id}).to_string();
                        json!({"stream": ["user"], "event": "status.update", "payload": payload})
                    }
                    None => json!({"stream": ["user:notification"], "event": "notification", "payload": "{}"}),
                };
                if socket.send(Message::Text(event.to_string().into())).await.is_err() {
                    return;
                }
            }
            message = socket.next() => if message.is_none_or(|message| message.is_err()) { return },
        }
    }
}

/// An answer before the fault is applied to it.
pub(super) struct Said {
    status: u16,
    body: Value,
}

fn ok(body: Value) -> Said {
    Said { status: 200, body }
}

fn no(status: u16, error: &str) -> Said {
    Said { status, body: json!({"error": error}) }
}

async fn answer(State(world): State<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let method = head.method.as_str().to_owned();
    let path = head.uri.path().to_owned();
    let query: Vec<(String, String)> = url_query(head.uri.query().unwrap_or_default());
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let token = header("authorization").unwrap_or_default().trim_start_matches("Bearer ").to_owned();
    let key = header("idempotency-key");
    let (said, fault, limits, now, profile) = {
        let mut world = world.lock().unwrap();
        world.requests.push(format!("{method} {path}"));
        let fault = (world.faults)(&method, &path);
        let when = world.true_now();
        let text = body["status"].as_str().unwrap_or_default();
        world.log.push(format!("{when} {method} {path} {fault:?} {key:?} {text:.60}"));
        let name = world.accounts.iter().find(|(_, account)| account.token == token);
        let name = name.map(|(name, _)| name.clone());
        let (limits, is_beyond) = use_up(&mut world, &method, &path);
        let said = match (name, fault) {
            _ if is_beyond => no(429, "Too many requests"),
            (None, _) if path.ends_with("/instance") => instance(&world, &path),
            (None, _) => no(401, "The access token is invalid"),
            (
                Some(_),
                Fault::LostRequest | Fault::BadGateway | Fault::TooMany { .. } | Fault::Busy | Fault::Hangs,
            ) => ok(Value::Null),
            (Some(name), Fault::Late(seconds)) => {
                if method == "POST" && path == "/api/v1/statuses" {
                    let at = world.true_now().checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
                    world.late.push((at, name, key, body));
                }
                ok(Value::Null)
            }
            (Some(name), _) => {
                let (method, path, query) = (method.as_str(), path.as_str(), query.as_slice());
                route(&mut world, &name, &Asked { method, path, query, key: key.as_deref(), body: &body })
            }
        };
        (said, fault, limits, world.now(), world.profile)
    };
    if fault == Fault::Hangs {
        std::future::pending::<()>().await;
    }
    let mut response = match fault {
        Fault::LostRequest | Fault::LostAnswer | Fault::Late(_) => broken(),
        Fault::ErrorAfter => text(500, "<html>Something went wrong</html>"),
        Fault::PageAfter => text(200, "<html>Please wait</html>"),
        Fault::BadGateway => text(502, "<html>Bad gateway</html>"),
        Fault::Busy => text(503, "<html>Busy</html>"),
        Fault::Truncated => {
            let whole = said.body.to_string();
            text(said.status, whole.get(..whole.len() / 2).unwrap_or("{"))
        }
        Fault::TooMany { says } => {
            let mut response = text(429, "{\"error\":\"Too many requests\"}");
            if says {
                let reset = now.checked_add(jiff::SignedDuration::from_secs(90)).unwrap();
                header_of(&mut response, "x-ratelimit-reset", &profile.time(reset));
            }
            response
        }
        Fault::Shuffled | Fault::None | Fault::Hangs => {
            let mut body = said.body;
            if let (Fault::Shuffled, Value::Array(items)) = (fault, &mut body) {
                items.reverse();
                let again = items.clone();
                items.extend(again);
            }
            let empty_no = profile == super::Profile::Snac && said.status == 401;
            text(said.status, &if empty_no { String::new() } else { body.to_string() })
        }
    };
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap();
    header_of(&mut response, "date", &date);
    if let Some((allowed, remaining, reset)) = limits {
        header_of(&mut response, "x-ratelimit-limit", &allowed.to_string());
        header_of(&mut response, "x-ratelimit-remaining", &remaining.to_string());
        header_of(&mut response, "x-ratelimit-reset", &profile.time(reset));
    }
    response
}

fn header_of(response: &mut Response, name: &'static str, value: &str) {
    response.headers_mut().insert(name, value.parse().unwrap());
}

fn text(status: u16, body: &str) -> Response {
    let kind = if body.starts_with('<') { "text/html" } else { "application/json" };
    Response::builder().status(status).header("content-type", kind).body(Body::from(body.to_owned())).unwrap()
}

/// An answer that breaks off.
fn broken() -> Response {
    let body = futures_util::stream::iter([Ok(Bytes::from("{\"id\":")), Err(std::io::Error::other("gone"))]);
    Response::builder().status(200).body(Body::from_stream(body)).unwrap()
}

type Left = Option<(u32, u32, jiff::Timestamp)>;

/// Counts a request, and says what is left of the nearest limit.
fn use_up(world: &mut World, method: &str, path: &str) -> (Left, bool) {
    let now = world.true_now();
    let is_post = method == "POST" && path == "/api/v1/statuses";
    let mut nearest: Left = None;
    let mut is_beyond = false;
    let limits = [("requests", world.requests_allowed), ("posts", world.posts_allowed.filter(|_| is_post))];
    for (kind, allowed) in limits {
        let Some(Allowed { count, seconds }) = allowed else { continue };
        let window = now.as_second().div_euclid(seconds);
        let used = world.used.entry((kind, window)).or_default();
        *used += 1;
        is_beyond |= *used > count;
        let remaining = count.saturating_sub(*used);
        let reset = jiff::Timestamp::from_second((window + 1) * seconds).unwrap();
        let reset = reset.checked_add(world.clock_off).unwrap();
        if nearest.is_none_or(|(_, least, _)| remaining < least) {
            nearest = Some((count, remaining, reset));
        }
    }
    world.beyond_limits += usize::from(is_beyond);
    (nearest.filter(|_| world.profile.tells_rate_limits()), is_beyond)
}

/// What is asked, by somebody who may ask.
struct Asked<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a [(String, String)],
    key: Option<&'a str>,
    body: &'a Value,
}

fn route(world: &mut World, name: &str, asked: &Asked<'_>) -> Said {
    let Asked { method, path, query, key, body } = *asked;
    let parts: Vec<&str> = path.trim_start_matches("/api/").split('/').collect();
    match (method, parts.as_slice()) {
        ("GET", ["v1" | "v2", "instance"]) => instance(world, path),
        ("GET", ["v1", "accounts", "verify_credentials"]) => ok(account(&world.accounts[name])),
        ("GET", ["v1", "accounts", "lookup"]) => {
            let acct = query.iter().find(|(key, _)| key == "acct").map_or("", |(_, value)| value);
            let short = acct.strip_suffix(&format!("@{DOMAIN}")).unwrap_or(acct);
            world.accounts.get(short).map_or_else(|| no(404, "Record not found"), |found| ok(account(found)))
        }
        ("GET", ["v1", "timelines", "tag", tag]) => tagged(world, tag, query),
        ("GET", ["v1", "accounts", id, "statuses"]) => own_statuses(world, name, id, query),
        ("GET", ["v1", "notifications"]) => notifications(world, name, query),
        ("PATCH", ["v2", "notifications", "policy"]) if world.profile.has_policy() => {
            if !world.may_set_policy {
                return no(403, "This action is outside the authorized scopes");
            }
            world.policy_accepts = body["for_private_mentions"] == "accept";
            ok(body.clone())
        }
        ("GET", ["v1", "notifications", "requests"]) if world.profile.has_policy() => {
            let any = world.notifications.iter().any(|notification| notification.filtered);
            ok(if any { json!([{"id": "1"}]) } else { json!([]) })
        }
        ("POST", ["v1", "notifications", "requests", _, "accept"]) if world.profile.has_policy() => {
            world.accepted_requests += 1;
            world.notifications.iter_mut().for_each(|notification| notification.filtered = false);
            ok(json!({}))
        }
        ("POST", ["v1", "statuses"]) => take_status(world, name, key, body),
        ("GET", ["v1", "statuses", id]) => match world.status(id) {
            Some(found) if world.can_see(name, found) => ok(status(world, found)),
            Some(_) | None => no(404, "Record not found"),
        },
        ("DELETE", ["v1", "statuses", id]) => {
            let found = world.statuses.iter_mut().find(|status| status.id == *id && !status.deleted);
            match found.filter(|status| status.author == name) {
                Some(found) => {
                    found.deleted = true;
                    ok(json!({"id": id}))
                }
                None => no(404, "Record not found"),
            }
        }
        ("GET", ["v1", "statuses", id, "context"]) => {
            let mut below = vec![(*id).to_owned()];
            let mut found = Vec::new();
            for one in &world.statuses {
                if one.in_reply_to.as_ref().is_some_and(|parent| below.contains(parent)) {
                    below.push(one.id.clone());
                    if !one.deleted && world.can_see(name, one) {
                        found.push(status(world, one));
                    }
                }
            }
            ok(json!({"ancestors": [], "descendants": found}))
        }
        _ => no(404, "Not found"),
    }
}

fn instance(world: &World, path: &str) -> Said {
    if path.contains("/v2/") && !world.profile.has_v2_instance() {
        return Said { status: 404, body: Value::Null };
    }
    let streaming = world.streaming_address.replace("ws://", "wss://");
    ok(world.profile.instance(DOMAIN, &streaming))
}

pub(super) fn take_status(world: &mut World, name: &str, key: Option<&str>, body: &Value) -> Said {
    let now = world.true_now();
    world.bodies.push(body.clone());
    let text = body["status"].as_str().unwrap_or_default();
    let used = key.map(|key| (name.to_owned(), key.to_owned())).filter(|_| world.profile.honours_keys());
    if let Some((id, at)) = used.as_ref().and_then(|used| world.keys.get(used)).cloned()
        && now.duration_since(at) < KEY_TIME
    {
        if world.key_repeats_fail {
            return no(500, "Something went wrong");
        }
        return world
            .status(&id)
            .map_or_else(|| no(404, "Record not found"), |found| ok(status(world, found)));
    }
    let Some(visibility) = body["visibility"].as_str() else {
        return no(422, "the desk must always say how visible a post is");
    };
    if text.trim().is_empty() {
        return no(422, "Validation failed: Text can't be blank");
    }
    let max = world.profile.instance(DOMAIN, "")["configuration"]["statuses"]["max_characters"].as_u64();
    let count = counted(text) + body["spoiler_text"].as_str().unwrap_or_default().chars().count() as u64;
    if max.is_some_and(|max| max < count) {
        return no(422, "Validation failed: Text character limit exceeded");
    }
    let in_reply_to = body["in_reply_to_id"].as_str();
    if let Some(parent) = in_reply_to
        && !world.status(parent).is_some_and(|parent| world.can_see(name, parent))
    {
        return no(404, "The post you are trying to reply to does not appear to exist");
    }
    if world.profile.honours_allowed_mentions() {
        let Some(allowed) = body["allowed_mentions"].as_array() else {
            return no(422, "the desk must always say whom a post may mention");
        };
        let ids = world.mentions(text).into_iter().map(|name| world.accounts[&name].id.clone());
        if ids.into_iter().any(|id| !allowed.iter().any(|known| known == &id)) {
            return no(422, "Post would be sent to unexpected accounts");
        }
    }
    let id = world.add(Status {
        id: String::new(),
        number: 0,
        author: name.to_owned(),
        text: text.to_owned(),
        warning: body["spoiler_text"].as_str().unwrap_or_default().to_owned(),
        visibility: world.profile.kept(visibility).to_owned(),
        in_reply_to: in_reply_to.map(str::to_owned),
        mentions: Vec::new(),
        language: body["language"].as_str().map(str::to_owned),
        created_at: world.now(),
        edited_at: None,
        deleted: false,
    });
    let said = ok(status(world, world.status(&id).unwrap()));
    if world.swallows(text) {
        world.forget_latest();
    } else if let Some(used) = used {
        world.keys.insert(used, (id, now));
    }
    said
}

/// As Mastodon counts: every link is 23 signs, a mention is its local part.
fn counted(text: &str) -> u64 {
    let words = text.split_inclusive(char::is_whitespace);
    let count = words.map(|word| {
        let bare = word.trim();
        if bare.starts_with("http://") || bare.starts_with("https://") {
            return 23 + (word.chars().count() - bare.chars().count()) as u64;
        }
        match bare.strip_prefix('@').and_then(|name| name.split_once('@')) {
            Some((_, domain)) => (word.chars().count() - domain.chars().count() - 1) as u64,
            None => word.chars().count() as u64,
        }
    });
    count.sum()
}

fn own_statuses(world: &World, name: &str, id: &str, query: &[(String, String)]) -> Said {
    let Some((author, _)) = world.accounts.iter().find(|(_, account)| account.id == id) else {
        return no(404, "Record not found");
    };
    let before = query.iter().find(|(key, _)| key == "max_id").map(|(_, value)| value.clone());
    let before =
        before.and_then(|id| world.statuses.iter().find(|status| status.id == id)).map(|found| found.number);
    let theirs = world.statuses.iter().rev().filter(|status| {
        status.author == *author
            && !status.deleted
            && world.can_see(name, status)
            && before.is_none_or(|before| status.number < before)
            // GoToSocial lists no direct posts with the others.
            && !(world.profile == super::Profile::GoToSocial && status.visibility == "direct" && status.in_reply_to.is_some())
    });
    ok(Value::Array(theirs.take(40).map(|found| status(world, found)).collect()))
}

/// The newest posts with a hashtag, the newest first.
fn tagged(world: &World, tag: &str, query: &[(String, String)]) -> Said {
    let value = |wanted: &str| query.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.as_str());
    let limit = value("limit").and_then(|limit| limit.parse().ok()).unwrap_or(20).min(40);
    let since = value("since_id").and_then(|id| world.statuses.iter().find(|status| status.id == id));
    let tag = format!("#{tag}").to_lowercase();
    let has_tag = |text: &str| {
        let mut words = text.split(|sign: char| !sign.is_alphanumeric() && !matches!(sign, '#' | '_'));
        words.any(|word| word.to_lowercase() == tag)
    };
    let found = world.statuses.iter().rev().filter(|status| {
        !status.deleted
            && (status.visibility == "public" || world.tags_leak)
            && since.is_none_or(|since| since.number < status.number)
            && has_tag(&status.text)
    });
    ok(Value::Array(found.take(limit).map(|found| status(world, found)).collect()))
}

fn notifications(world: &World, name: &str, query: &[(String, String)]) -> Said {
    let value = |wanted: &str| query.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.as_str());
    let number = |id: &str| world.notifications.iter().find(|one| one.id == id).map(|one| one.number);
    let limit =
        value("limit").and_then(|limit| limit.parse().ok()).unwrap_or(40).min(world.profile.page_max());
    let filtered = value("include_filtered") == Some("true");
    let theirs = world.notifications.iter().filter(|one| one.to == name && (!one.filtered || filtered));
    let theirs = theirs.filter(|one| one.raw.is_some() || world.status(&one.status).is_some());
    let page: Vec<&Notification> =
        match (value("min_id").filter(|_| world.profile.reads_forward()), value("max_id")) {
            (Some(min), _) => {
                let after = number(min).unwrap_or(0);
                let mut page: Vec<_> = theirs.filter(|one| after < one.number).take(limit).collect();
                page.reverse();
                page
            }
            (None, max) => {
                let before = max.and_then(number).unwrap_or(u64::MAX);
                let mut page: Vec<_> = theirs.filter(|one| one.number < before).collect();
                page.reverse();
                page.truncate(limit);
                page
            }
        };
    ok(Value::Array(page.into_iter().map(|one| notification(world, one)).collect()))
}

fn notification(world: &World, one: &Notification) -> Value {
    if let Some(raw) = &one.raw {
        return raw.clone();
    }
    let found = world.status(&one.status).unwrap();
    json!({"id": one.id, "type": "mention", "created_at": world.profile.time(one.created_at),
           "account": account(&world.accounts[&found.author]), "status": status(world, found)})
}

pub(super) fn url(account: &Account) -> String {
    format!("https://{}/@{}", account.domain, account.username)
}

fn acct(account: &Account) -> String {
    if account.domain == DOMAIN {
        account.username.clone()
    } else {
        format!("{}@{}", account.username, account.domain)
    }
}

fn account(account: &Account) -> Value {
    json!({"id": account.id, "username": account.username, "acct": acct(account), "url": url(account),
           "bot": account.bot, "note": account.note, "fields": []})
}

fn status(world: &World, found: &Status) -> Value {
    let mentions: Vec<Value> = found
        .mentions
        .iter()
        .map(|name| &world.accounts[name])
        .map(|who| json!({"id": who.id, "username": who.username, "acct": acct(who), "url": url(who)}))
        .collect();
    let parent = found.in_reply_to.as_ref();
    let parent_author = parent.and_then(|id| world.statuses.iter().find(|status| status.id == *id));
    json!({"id": found.id, "uri": format!("https://{DOMAIN}/s/{}", found.id),
           "created_at": world.profile.time(found.created_at),
           "edited_at": found.edited_at.map(|at| world.profile.time(at)),
           "in_reply_to_id": parent,
           "in_reply_to_account_id": parent_author.map(|status| world.accounts[&status.author].id.clone()),
           "visibility": found.visibility, "language": found.language, "spoiler_text": found.warning,
           "account": account(&world.accounts[&found.author]), "mentions": mentions, "tags": [],
           "content": html(world, found)})
}

/// The text as servers of this family write it in HTML.
fn html(world: &World, found: &Status) -> String {
    let escaped = |text: &str| {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
    };
    let word = |word: &str| {
        let trimmed = word.trim_end_matches(['.', ',', ':', ';', '!', '?', ')']);
        let rest = &word[trimmed.len()..];
        if let Some(name) = trimmed.strip_prefix('@') {
            let name = name.strip_suffix(&format!("@{DOMAIN}")).unwrap_or(name);
            if let Some(who) = world.accounts.get(name) {
                let (href, user) = (url(who), &who.username);
                return if world.profile == super::Profile::Snac {
                    format!("<a href=\"{href}\" class=\"mention u-url\">@{user}</a>{rest}")
                } else {
                    format!(
                        "<span class=\"h-card\" translate=\"no\"><a href=\"{href}\" class=\"u-url mention\">@<span>{user}</span></a></span>{rest}"
                    )
                };
            }
        }
        if let Some(bare) = trimmed.strip_prefix("https://") {
            let cut = bare.char_indices().nth(20).map_or(bare.len(), |(at, _)| at);
            let (shown, hidden) = (escaped(&bare[..cut]), escaped(&bare[cut..]));
            return format!(
                "<a href=\"{}\" rel=\"nofollow noopener\"><span class=\"invisible\">https://</span><span class=\"ellipsis\">{shown}</span><span class=\"invisible\">{hidden}</span></a>{rest}",
                escaped(trimmed)
            );
        }
        escaped(word)
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    let paragraph = |text: &str| text.split('\n').map(line).collect::<Vec<_>>().join("<br />");
    let paragraphs: Vec<String> =
        found.text.split("\n\n").map(|text| format!("<p>{}</p>", paragraph(text))).collect();
    paragraphs.concat()
}

fn url_query(query: &str) -> Vec<(String, String)> {
    let url = reqwest::Url::parse(&format!("http://localhost/?{query}")).unwrap();
    url.query_pairs().map(|(key, value)| (key.into_owned(), value.into_owned())).collect()
}
