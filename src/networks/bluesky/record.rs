//! A letter as the record that the AT Protocol stores: its key and its bytes.
//!
//! **Invariant:** both are computed from the letter and its place in the thread alone. The same letter
//! gives the same key and the same bytes however often it is sent, so that a repeat changes nothing.

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::desk::{Anchor, Content, LetterId, Network, Place};
use crate::networks::Outgoing;
use crate::networks::bluesky::richtext::{self, Facet};

/// The collection of posts.
pub(super) const POSTS: &str = "app.bsky.feed.post";

/// How many keys there are for one letter. The next one is taken where the server dislikes how a key
/// reads, or where another letter has it.
pub(super) const KEYS_MAX: u32 = 4;

/// The digits of a TID, in the order of their values.
const TID_DIGITS: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";

/// The length of a TID.
const TID_SIGNS: usize = 13;

/// How far a key may lie after the time of its letter, in microseconds. Letters of one decision have
/// the same time; with this and the 10 bits of the clock id two of them meet once in a million.
const SPREAD_MICROS: u16 = 1024;

/// The longest language tag that is passed on, in bytes.
const LANGUAGE_BYTES_MAX: usize = 35;

/// Why a letter cannot be written as a record.
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(super) enum NotAPost {
    /// It is a deletion.
    Deletion,
    /// Its mentions do not fit.
    Malformed,
    /// What it replies to is not a post of this network with a content hash.
    NowhereToReply,
}

/// The body of `com.atproto.repo.putRecord`. The order of the fields is the order on the wire.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Put<'a> {
    repo: &'a str,
    collection: &'a str,
    rkey: &'a str,
    /// `null`, and it must be said: put it only where there is nothing yet.
    swap_record: (),
    record: Post<'a>,
}

/// A record of `app.bsky.feed.post`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Post<'a> {
    #[serde(rename = "$type")]
    kind: &'a str,
    text: &'a str,
    created_at: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    langs: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<Reply<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    facets: Vec<Facet>,
}

#[derive(Serialize)]
struct Reply<'a> {
    root: StrongRef<'a>,
    parent: StrongRef<'a>,
}

#[derive(Serialize)]
struct StrongRef<'a> {
    uri: &'a str,
    cid: &'a str,
}

/// The body of the request that puts the letter into `repo` under `key`.
///
/// # Errors
///
/// Where the letter is no post that this network can hold.
pub(super) fn put_body(outgoing: &Outgoing, repo: &str, key: &str) -> Result<String, NotAPost> {
    let Content::Post { text, mentions, language, .. } = &outgoing.letter.content else {
        return Err(NotAPost::Deletion);
    };
    let text = text.reveal();
    let facets = richtext::facets(text, mentions).map_err(|_| NotAPost::Malformed)?;
    let reply = outgoing.reply_to.as_ref().map(reply_to).transpose()?;
    let record = Post {
        kind: POSTS,
        text,
        created_at: format!("{:.3}", outgoing.letter.made_at),
        langs: language.iter().map(String::as_str).filter(|tag| is_language(tag)).collect(),
        reply,
        facets,
    };
    let put = Put { repo, collection: POSTS, rkey: key, swap_record: (), record };
    Ok(serde_json::to_string(&put).expect("texts, numbers and lists can always be written as JSON"))
}

/// The key of a letter: its first one, or, where that cannot be used, the next.
pub(super) fn key_of(letter: &LetterId, made_at: Timestamp, turn: u32) -> String {
    let digest = Sha256::digest(format!("record key {turn} {letter}"));
    let two_bytes = |at: usize| {
        let byte = |at: usize| digest.get(at).copied().unwrap_or_default();
        u16::from_be_bytes([byte(at), byte(at + 1)])
    };
    let micros = u64::try_from(made_at.as_microsecond()).unwrap_or(0);
    tid(micros.saturating_add(u64::from(two_bytes(0) % SPREAD_MICROS)), two_bytes(2))
}

/// A timestamp identifier: 53 bits of microseconds since 1970 and 10 bits of clock id, in 13 digits
/// that sort like the numbers.
pub(super) fn tid(micros: u64, clock_id: u16) -> String {
    let number = (micros & ((1 << 53) - 1)) << 10 | u64::from(clock_id & 0x3ff);
    (0..TID_SIGNS)
        .rev()
        .map(|place| {
            let digit = (number >> (5 * place)) & 31;
            let sign = TID_DIGITS.get(usize::try_from(digit).unwrap_or(0));
            char::from(*sign.expect("five bits are less than 32"))
        })
        .collect()
}

/// The time that a record key claims to be from; `None` where it is no TID.
pub(super) fn time_of_tid(key: &str) -> Option<Timestamp> {
    if key.len() != TID_SIGNS {
        return None;
    }
    let number = key.bytes().try_fold(0_u128, |number, sign| {
        let digit = TID_DIGITS.iter().position(|digit| *digit == sign)?;
        Some(number << 5 | u128::try_from(digit).ok()?)
    })?;
    let micros = i64::try_from(u64::try_from(number).ok()? >> 10).ok()?;
    Timestamp::from_microsecond(micros).ok()
}

fn reply_to(place: &Place) -> Result<Reply<'_>, NotAPost> {
    if place.network != Network::Bluesky {
        return Err(NotAPost::NowhereToReply);
    }
    Ok(Reply { root: strong_ref(&place.root)?, parent: strong_ref(&place.post)? })
}

fn strong_ref(anchor: &Anchor) -> Result<StrongRef<'_>, NotAPost> {
    let cid = anchor.revision.as_deref().ok_or(NotAPost::NowhereToReply)?;
    Ok(StrongRef { uri: &anchor.id, cid })
}

/// A server refuses a post whose language is no tag, and the tag is not worth that.
fn is_language(tag: &str) -> bool {
    tag.len() <= LANGUAGE_BYTES_MAX
        && tag.split('-').all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|sign| sign.is_ascii_alphanumeric())
        })
        && tag.split('-').next().is_some_and(|first| matches!(first.len(), 2 | 3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::letter::Mention;
    use crate::desk::{Account, InputId, Visibility};
    use crate::samples;

    #[test]
    fn tids_are_those_of_the_specification() {
        let check = |micros, clock_id, want: &str| {
            assert_eq!(tid(micros, clock_id), want);
            assert_eq!(time_of_tid(want).unwrap().as_microsecond(), i64::try_from(micros).unwrap());
        };
        check(0, 0, "2222222222222");
        check(1_700_000_000_000_000, 0, "3ke6kg3wk2222");
        check(1_700_000_000_000_000, 1023, "3ke6kg3wk22zz");
        check(1_764_000_000_123_456, 7, "3m6f72qccm22b");
    }

    #[test]
    fn what_is_no_tid_has_no_time() {
        for key in
            ["", "self", "3m6f72qccm22", "3m6f72qccm22bb", "3m6f72qccm2 b", "0000000000000", "3M6F72QCCM22B"]
        {
            assert_eq!(time_of_tid(key), None, "{key}");
        }
        // 65 bits.
        assert_eq!(time_of_tid("zzzzzzzzzzzzz"), None);
    }

    fn letter_id(turn: usize) -> LetterId {
        LetterId::derive(&InputId::new("test", "input"), turn)
    }

    fn outgoing() -> Outgoing {
        let text = "Hé 👋 @alice.example — see https://lib.example/x";
        let account = Account::new(Network::Bluesky, "did:plc:a", "alice.example");
        let mentions = vec![Mention { start: 9, end: 23, account: account.clone() }];
        let anchor = |key: &str, cid: &str| Anchor {
            id: format!("at://did:plc:a/app.bsky.feed.post/{key}"),
            revision: Some(cid.to_owned()),
        };
        Outgoing {
            letter: samples::letter(
                "input",
                account,
                samples::words(text, mentions, Visibility::Public),
                "2026-11-24T10:00:00.123456Z".parse().unwrap(),
            ),
            reply_to: Some(Place {
                network: Network::Bluesky,
                post: anchor("p", "bafp"),
                root: anchor("r", "bafr"),
            }),
        }
    }

    #[test]
    fn a_letter_is_the_same_bytes_each_time() {
        let made_at = outgoing().letter.made_at;
        let body = || put_body(&outgoing(), "did:plc:desk", &key_of(&letter_id(0), made_at, 0)).unwrap();
        assert_eq!(body(), body());
        insta::assert_snapshot!(body(), @r##"{"repo":"did:plc:desk","collection":"app.bsky.feed.post","rkey":"3n32f526fgvan","swapRecord":null,"record":{"$type":"app.bsky.feed.post","text":"Hé 👋 @alice.example — see https://lib.example/x","createdAt":"2026-11-24T10:00:00.123Z","langs":["en"],"reply":{"root":{"uri":"at://did:plc:a/app.bsky.feed.post/r","cid":"bafr"},"parent":{"uri":"at://did:plc:a/app.bsky.feed.post/p","cid":"bafp"}},"facets":[{"index":{"byteStart":9,"byteEnd":23},"features":[{"$type":"app.bsky.richtext.facet#mention","did":"did:plc:a"}]},{"index":{"byteStart":32,"byteEnd":53},"features":[{"$type":"app.bsky.richtext.facet#link","uri":"https://lib.example/x"}]}]}}"##);
    }

    #[test]
    fn letters_of_one_decision_have_different_keys() {
        let made_at = outgoing().letter.made_at;
        let mut keys: Vec<_> = (0..100).map(|turn| key_of(&letter_id(turn), made_at, 0)).collect();
        keys.extend((1..KEYS_MAX).map(|turn| key_of(&letter_id(0), made_at, turn)));
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count);
        for key in keys {
            let late = time_of_tid(&key).unwrap().as_microsecond() - made_at.as_microsecond();
            assert!((0..i64::from(SPREAD_MICROS)).contains(&late), "{late} µs after the letter");
        }
    }

    #[test]
    fn what_cannot_be_replied_to_is_refused() {
        let mut without_hash = outgoing();
        without_hash.reply_to.as_mut().unwrap().root.revision = None;
        assert_eq!(put_body(&without_hash, "did:plc:desk", "k"), Err(NotAPost::NowhereToReply));
        let mut elsewhere = outgoing();
        elsewhere.reply_to.as_mut().unwrap().network = Network::Sandbox;
        assert_eq!(put_body(&elsewhere, "did:plc:desk", "k"), Err(NotAPost::NowhereToReply));
    }

    #[test]
    fn only_language_tags_are_passed_on() {
        for (tag, good) in [
            ("en", true),
            ("pt-BR", true),
            ("zh-Hant-TW", true),
            ("yue", true),
            ("", false),
            ("english", false),
            ("en_US", false),
            ("e", false),
            ("en-", false),
            ("日本", false),
        ] {
            assert_eq!(is_language(tag), good, "{tag}");
        }
    }
}
