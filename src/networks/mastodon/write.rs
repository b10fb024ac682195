//! A letter as the request that posts it, and finding it again among what was posted.
//!
//! **Invariant:** the same letter gives the same bytes. Nobody is mentioned whom the letter does not
//! name, and a visibility is always said.

use serde::Serialize;
use serde_json::Value;
use unicode_segmentation::UnicodeSegmentation;

use crate::desk::letter::Mention;
use crate::desk::{Content, Network, Visibility};
use crate::networks::mastodon::server::Server;
use crate::networks::mastodon::status::{self, Me};
use crate::networks::{Outgoing, is_language_tag};

/// The body of `POST /api/v1/statuses`. The order of the fields is the order on the wire.
#[derive(Serialize)]
struct NewStatus<'a> {
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_reply_to_id: Option<&'a str>,
    visibility: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    spoiler_text: &'a str,
    /// Undocumented, and the best guard there is: the server refuses a text that mentions anybody else.
    /// An empty list is said too.
    allowed_mentions: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'static str>,
}

/// Why a letter cannot be written as a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotAStatus {
    /// It is a deletion, or its mentions do not fit its text.
    Malformed,
    /// It replies to a post of another network.
    NowhereToReply,
    /// The server keeps nothing private enough.
    NotPrivate,
}

/// The body of the request that posts the letter, and the visibility that it asks for. `mentioned` are
/// the server's own ids of the accounts that the letter mentions.
pub(super) fn body(
    outgoing: &Outgoing,
    server: &Server,
    mentioned: &[String],
) -> Result<(String, Visibility), NotAStatus> {
    let Content::Post { text, mentions, visibility, language, warning, .. } = &outgoing.letter.content else {
        return Err(NotAStatus::Malformed);
    };
    let kept = server.kept(*visibility).ok_or(NotAStatus::NotPrivate)?;
    let status = NewStatus {
        status: harmless(text.reveal(), mentions).ok_or(NotAStatus::Malformed)?,
        in_reply_to_id: parent(outgoing)?,
        visibility: word(kept),
        language: language.as_deref().filter(|tag| is_language_tag(tag)),
        spoiler_text: warning.as_ref().map_or("", |warning| warning.reveal()),
        allowed_mentions: mentioned,
        content_type: server.wants_content_type().then_some("text/plain"),
    };
    Ok((serde_json::to_string(&status).expect("texts and lists can always be written as JSON"), kept))
}

/// The id of the post that a letter replies to.
pub(super) fn parent(outgoing: &Outgoing) -> Result<Option<&str>, NotAStatus> {
    match &outgoing.reply_to {
        None => Ok(None),
        Some(place) if place.network == Network::Mastodon => Ok(Some(&place.post.id)),
        Some(_) => Err(NotAStatus::NowhereToReply),
    }
}

fn word(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Public => "public",
        Visibility::Unlisted => "unlisted",
        Visibility::Followers => "private",
        Visibility::Direct => "direct",
    }
}

/// The text with every `@` defused that could be read as a mention the letter does not make. `None`
/// where a mention lies outside the text.
fn harmless(text: &str, mentions: &[Mention]) -> Option<String> {
    let mut out = String::with_capacity(text.len() + 16);
    let mut done = 0;
    for mention in mentions {
        let before = text.get(done..mention.start)?;
        let named = text.get(mention.start..mention.end).filter(|named| named.starts_with('@'))?;
        defuse(before, &mut out);
        out.push_str(named);
        done = mention.end;
    }
    defuse(text.get(done..)?, &mut out);
    Some(out)
}

fn defuse(text: &str, out: &mut String) {
    let mut before = out.chars().next_back();
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        out.push(sign);
        let begins_name = signs.peek().is_some_and(|next| next.is_alphanumeric() || *next == '_');
        // Inside an address of a page it is no mention, and the address must stay as it is.
        let inside =
            before.is_some_and(|before| before.is_alphanumeric() || matches!(before, '/' | '=' | '_'));
        if sign == '@' && begins_name && !inside {
            out.push('\u{200B}');
        }
        before = Some(sign);
    }
}

/// What of a text stays the same whatever a server makes of it: its letters and digits.
pub(super) fn gist(text: &str) -> String {
    text.graphemes(true)
        .filter(|grapheme| grapheme.chars().any(char::is_alphanumeric))
        .flat_map(str::chars)
        .filter(|sign| sign.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Whether a status of the desk's own is this letter.
pub(super) fn is_letter(status: &Value, outgoing: &Outgoing, me: &Me) -> bool {
    let Content::Post { text, .. } = &outgoing.letter.content else { return false };
    let Ok(parent) = parent(outgoing) else { return false };
    status::text(status, "in_reply_to_id") == parent
        && status::whole_text(status, me).is_some_and(|there| gist(&there) == gist(text.reveal()))
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::desk::{Account, Anchor, Confidential, Place};
    use crate::samples;

    fn server(version: &str) -> Server {
        Server::read(&json!({"version": version}))
    }

    fn ann() -> Account {
        Account::new(Network::Mastodon, "https://lib.example/@ann", "ann@lib.example")
    }

    pub(in crate::networks::mastodon) fn outgoing(text: &str, visibility: Visibility) -> Outgoing {
        let mentions = vec![Mention { start: 0, end: 16, account: ann() }];
        let content = Content::Post {
            text: Confidential::new(format!("@ann@lib.example {text}")),
            mentions,
            visibility,
            reply_to: None,
            language: Some("en".to_owned()),
            warning: Some(Confidential::new("surgery")),
        };
        let made_at = "2026-11-24T10:00:00Z".parse().unwrap();
        let letter = samples::letter("a", ann(), content, made_at);
        let place = Place::top(Network::Mastodon, Anchor::new("1135"));
        Outgoing { letter, reply_to: Some(place) }
    }

    #[test]
    fn a_letter_is_the_same_bytes_each_time() {
        let (body, kept) =
            body(&outgoing("Found it.", Visibility::Unlisted), &server("4.5.0"), &["10922".to_owned()])
                .unwrap();
        assert_eq!(kept, Visibility::Unlisted);
        insta::assert_snapshot!(body, @r#"{"status":"@ann@lib.example Found it.","in_reply_to_id":"1135","visibility":"unlisted","language":"en","spoiler_text":"surgery","allowed_mentions":["10922"]}"#);
    }

    /// Promise 1: a server's own default for visibility must never come into play.
    #[test]
    fn a_visibility_is_always_said_and_an_empty_list_of_mentions_too() {
        for visibility in
            [Visibility::Direct, Visibility::Followers, Visibility::Unlisted, Visibility::Public]
        {
            let (body, _) = body(&outgoing("x", visibility), &server("0.20 gotosocial"), &[]).unwrap();
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(body["visibility"], word(visibility));
            assert_eq!(body["allowed_mentions"], json!([]));
            assert_eq!(body["content_type"], "text/plain");
        }
        assert_eq!(
            body(&outgoing("x", Visibility::Direct), &server("snac"), &[]),
            Err(NotAStatus::NotPrivate)
        );
        let (_, kept) = body(&outgoing("x", Visibility::Unlisted), &server("4.0 (Mitra)"), &[]).unwrap();
        assert_eq!(kept, Visibility::Direct);
    }

    /// Promise 2: nobody is mentioned whom the letter does not name.
    #[test]
    fn only_the_addressee_is_mentioned() {
        let rows = [
            ("ask @eve", "ask @\u{200B}eve"),
            ("(@eve) @_x", "(@\u{200B}eve) @\u{200B}_x"),
            ("https://x.example/@eve/1", "https://x.example/@eve/1"),
            ("eve@x.example", "eve@x.example"),
            ("@ alone @", "@ alone @"),
            ("again @ann@lib.example", "again @\u{200B}ann@lib.example"),
        ];
        for (text, want) in rows {
            let outgoing = outgoing(text, Visibility::Unlisted);
            let Content::Post { text, mentions, .. } = &outgoing.letter.content else { panic!() };
            assert_eq!(harmless(text.reveal(), mentions).unwrap(), format!("@ann@lib.example {want}"));
        }
        let outside = Mention { start: 3, end: 900, account: ann() };
        assert_eq!(harmless("@ann", &[outside]), None);
        assert_eq!(harmless("xann", &[Mention { start: 0, end: 4, account: ann() }]), None);
    }

    #[test]
    fn a_letter_is_found_again_in_what_servers_make_of_it() {
        let me = status::tests::me();
        let outgoing =
            outgoing("See https://x.example/a?b=1&c=2\n\n“yes” — @\u{200B}eve", Visibility::Unlisted);
        let html = "<p><span class=\"h-card\"><a href=\"https://lib.example/@ann\" class=\"u-url mention\">@<span>ann</span></a></span> See \
             <a href=\"https://x.example/a?b=1&amp;c=2\"><span class=\"invisible\">https://</span>x.example/a?b…</a></p><p>“yes” — @\u{200B}eve</p>";
        let mentions = json!([{"id": "1", "acct": "ann@lib.example", "url": "https://lib.example/@ann"}]);
        let status = |content: &str, parent: Value| json!({"id": "9", "content": content, "in_reply_to_id": parent, "mentions": mentions});
        assert!(is_letter(&status(html, json!("1135")), &outgoing, &me));
        assert!(!is_letter(&status(html, json!("1136")), &outgoing, &me), "a reply to something else");
        assert!(!is_letter(&status(html, json!(null)), &outgoing, &me));
        assert!(!is_letter(&status("<p>See</p>", json!("1135")), &outgoing, &me), "another text");
    }
}
