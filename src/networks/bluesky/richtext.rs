//! Text with facets: the AT Protocol keeps mentions and links beside a text, as ranges of its bytes.
//!
//! **Invariant:** no facet of a stranger is trusted: a range may lie outside the text, inside a
//! character or across another one, and then it is left out. No text is cut anywhere but at a
//! character, and nobody is mentioned in an outgoing text whom the letter does not name.

use serde::Serialize;
use serde_json::Value;

use crate::desk::letter::Mention;
use crate::desk::{Account, Network};

/// How many facets of one post are looked at.
const FACETS_MAX: usize = 200;

/// How many links of one outgoing text become links.
const LINKS_MAX: usize = 20;

/// The longest address written out in place of its shortened form, in bytes.
const LINK_BYTES_MAX: usize = 2_000;

/// The longest handle, in bytes: that of a host name.
const HANDLE_BYTES_MAX: usize = 253;

/// What the network shows instead of a handle that cannot be confirmed.
const NO_HANDLE: &str = "handle.invalid";

/// An incoming text made plain.
pub(super) struct Plain {
    pub(super) text: String,
    /// Whether a facet mentions the desk.
    pub(super) mentions_desk: bool,
    /// The other accounts that facets mention, each once.
    pub(super) mentions: Vec<Account>,
}

/// One facet as the lexicon `app.bsky.richtext.facet` writes it.
#[derive(Serialize)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(super) struct Facet {
    index: Index,
    features: [Feature; 1],
}

#[derive(Serialize)]
#[cfg_attr(test, derive(Debug, PartialEq))]
#[serde(rename_all = "camelCase")]
struct Index {
    byte_start: usize,
    byte_end: usize,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(Debug, PartialEq))]
#[serde(tag = "$type")]
enum Feature {
    #[serde(rename = "app.bsky.richtext.facet#mention")]
    Mention { did: String },
    #[serde(rename = "app.bsky.richtext.facet#link")]
    Link { uri: String },
    #[serde(rename = "app.bsky.richtext.facet#tag")]
    Tag { tag: String },
}

/// A mention of the letter that does not fit its text or this network.
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(super) struct BadMention;

/// Takes the desk's own mention out of a text and writes shortened links out. `facets` is what the
/// record says, in whatever shape.
pub(super) fn plain(text: &str, facets: &Value, desk: &Account) -> Plain {
    let mut plain = Plain { text: String::new(), mentions_desk: false, mentions: Vec::new() };
    let mut done = 0;
    for (start, end, feature) in facets_in_order(facets) {
        if let Feature::Mention { did } = &feature {
            plain.note_mention(did, text.get(start..end), desk);
        }
        // Left where it is: a range that overlaps an earlier one, or that is none in this text.
        if start < done {
            continue;
        }
        let (Some(before), Some(label)) = (text.get(done..start), text.get(start..end)) else { continue };
        plain.add_words(before, desk);
        plain.add_facet(label, feature, desk);
        done = end;
    }
    plain.add_words(text.get(done..).unwrap_or_default(), desk);
    plain.text = plain.text.trim_matches(is_blank).to_owned();
    plain
}

impl Plain {
    fn note_mention(&mut self, did: &str, label: Option<&str>, desk: &Account) {
        if did == desk.id.id {
            self.mentions_desk = true;
        } else if !self.mentions.iter().any(|account| account.id.id == did) {
            let handle = label.and_then(handle_in).unwrap_or_else(|| NO_HANDLE.to_owned());
            self.mentions.push(Account::new(Network::Bluesky, did, handle));
        }
    }

    fn add_facet(&mut self, label: &str, feature: Feature, desk: &Account) {
        match feature {
            Feature::Mention { did } if did == desk.id.id => {}
            Feature::Mention { .. } => match handle_in(label) {
                Some(handle) => self.add(&format!("@{handle}")),
                None => self.add(label),
            },
            Feature::Link { uri } => self.add(&link_written_out(label, &uri)),
            Feature::Tag { .. } => self.add(label),
        }
    }

    /// Adds text without facets. The desk's handle typed there without one (in a plain reply, say)
    /// is taken out as well: it is how people begin a message.
    fn add_words(&mut self, words: &str, desk: &Account) {
        let mut rest = words;
        while let Some((before, after)) = split_at_handle(rest, &desk.handle) {
            self.add(before);
            rest = after;
            self.close_gap(&mut rest);
        }
        self.close_gap(&mut rest);
        self.add(rest);
    }

    /// Where a mention was taken out, the blanks on both of its sides become one, and at the
    /// beginning of the text its comma or colon goes with it.
    fn close_gap(&self, rest: &mut &str) {
        if self.text.is_empty() {
            *rest = rest.trim_start_matches(|sign| is_blank(sign) || matches!(sign, ',' | ':' | ';'));
        } else if self.text.ends_with(is_blank) {
            *rest = rest.trim_start_matches(|sign| sign == ' ' || is_invisible(sign));
        }
    }

    fn add(&mut self, text: &str) {
        self.text.push_str(text);
    }
}

/// The facets of an outgoing text: the letter's mentions, and its links.
///
/// # Errors
///
/// Where a mention is not a range of the text, not of this network, or overlaps another one.
pub(super) fn facets(text: &str, mentions: &[Mention]) -> Result<Vec<Facet>, BadMention> {
    let mut facets = Vec::new();
    for mention in mentions {
        let label = text.get(mention.start..mention.end).ok_or(BadMention)?;
        let id = &mention.account.id;
        if !label.starts_with('@') || id.network != Network::Bluesky || !id.id.starts_with("did:") {
            return Err(BadMention);
        }
        facets.push(Facet::new(mention.start, mention.end, Feature::Mention { did: id.id.clone() }));
    }
    facets.sort_by_key(|facet| facet.index.byte_start);
    if facets.windows(2).any(|pair| pair[0].index.byte_end > pair[1].index.byte_start) {
        return Err(BadMention);
    }
    if let Some((start, end)) = own_tag(text) {
        // Without the sign, and never inside anything else: it is the text's first word.
        let tag = text.get(start + 1..end).unwrap_or_default().to_owned();
        facets.push(Facet::new(start, end, Feature::Tag { tag }));
    }
    for (start, end) in links(text).take(LINKS_MAX) {
        let taken = facets.iter().any(|facet| facet.index.byte_start < end && start < facet.index.byte_end);
        let Some(uri) = text.get(start..end).filter(|_| !taken) else { continue };
        facets.push(Facet::new(start, end, Feature::Link { uri: uri.to_owned() }));
    }
    facets.sort_by_key(|facet| facet.index.byte_start);
    Ok(facets)
}

/// The hashtag with which a text begins, as published questions do.
fn own_tag(text: &str) -> Option<(usize, usize)> {
    let first = text.split(char::is_whitespace).next()?;
    let word = first.strip_prefix('#')?;
    let plain = |sign: char| sign.is_alphanumeric() || sign == '_';
    let is_tag = word.chars().all(plain) && word.chars().any(char::is_alphabetic);
    is_tag.then_some((0, first.len()))
}

impl Facet {
    fn new(byte_start: usize, byte_end: usize, feature: Feature) -> Facet {
        Facet { index: Index { byte_start, byte_end }, features: [feature] }
    }
}

/// The facets that say something this desk understands, by their beginning.
fn facets_in_order(facets: &Value) -> Vec<(usize, usize, Feature)> {
    let all = facets.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut found: Vec<_> = all.iter().take(FACETS_MAX).filter_map(facet_in).collect();
    found.sort_by_key(|(start, end, _)| (*start, *end));
    found
}

fn facet_in(facet: &Value) -> Option<(usize, usize, Feature)> {
    let offset = |name: &str| usize::try_from(facet.get("index")?.get(name)?.as_u64()?).ok();
    // A range that is missing or broken still tells who is mentioned.
    let start = offset("byteStart").unwrap_or(usize::MAX);
    let end = offset("byteEnd").unwrap_or(usize::MAX);
    let feature = facet.get("features")?.as_array()?.iter().take(FACETS_MAX).find_map(|feature| {
        let text = |name: &str| feature.get(name)?.as_str().map(str::to_owned);
        match feature.get("$type")?.as_str()? {
            "app.bsky.richtext.facet#mention" => {
                text("did").filter(|did| did.starts_with("did:")).map(|did| Feature::Mention { did })
            }
            "app.bsky.richtext.facet#link" => text("uri").map(|uri| Feature::Link { uri }),
            _ => None,
        }
    })?;
    Some((start, end, feature))
}

/// The handle in the text of a mention, without the signs nobody sees; `None` where it is none.
fn handle_in(label: &str) -> Option<String> {
    let visible: String = label.chars().filter(|sign| !is_blank(*sign)).collect();
    let handle = visible.strip_prefix('@').unwrap_or(&visible);
    let is_handle = handle.len() <= HANDLE_BYTES_MAX
        && handle.contains('.')
        && handle.chars().all(is_handle_sign)
        && handle.starts_with(|sign: char| sign.is_ascii_alphanumeric());
    is_handle.then(|| handle.to_owned())
}

fn is_handle_sign(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || matches!(sign, '.' | '-')
}

/// The text before and after the first `@handle` that stands by itself.
fn split_at_handle<'t>(text: &'t str, handle: &str) -> Option<(&'t str, &'t str)> {
    text.match_indices('@').find_map(|(at, _)| {
        let before = text.get(..at)?;
        let end = at + 1 + handle.len();
        let after = text.get(end..)?;
        // The end of a sentence is no part of the handle; `@desk.example.org` is another account.
        let longer =
            after.trim_start_matches(['.', '-']).starts_with(|sign: char| sign.is_ascii_alphanumeric())
                && after.starts_with(is_handle_sign);
        let whole = text.get(at + 1..end)?.eq_ignore_ascii_case(handle)
            && !before.ends_with(|sign: char| sign.is_alphanumeric())
            && !longer;
        (whole && !handle.is_empty()).then_some((before, after))
    })
}

/// What to show for a link whose text may be a shortened form of its address.
fn link_written_out(label: &str, uri: &str) -> String {
    let web = uri.starts_with("https://") || uri.starts_with("http://");
    if !web || uri.len() > LINK_BYTES_MAX || uri.contains(|sign: char| is_blank(sign) || sign.is_control()) {
        return label.to_owned();
    }
    let stem = label.trim_end_matches(['…', '.']);
    let shortened = !stem.is_empty() && (uri.contains(stem) || without_scheme(uri).starts_with(stem));
    if shortened || label.trim().is_empty() { uri.to_owned() } else { format!("{label} ({uri})") }
}

fn without_scheme(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    rest.strip_prefix("www.").unwrap_or(rest)
}

/// The byte ranges of web addresses in a text.
fn links(text: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
    text.match_indices("http").filter_map(|(start, _)| {
        let rest = text.get(start..)?;
        let host = rest.strip_prefix("https://").or_else(|| rest.strip_prefix("http://"))?;
        let alone = !text.get(..start)?.ends_with(|sign: char| sign.is_alphanumeric());
        let ends =
            rest.find(|sign: char| is_blank(sign) || sign.is_control() || "<>\"“”„«»|`".contains(sign));
        let address = without_trailing_punctuation(rest.get(..ends.unwrap_or(rest.len()))?);
        let has_host = host.starts_with(|sign: char| sign.is_alphanumeric() || sign == '[');
        (alone && has_host && address.len() <= LINK_BYTES_MAX).then_some((start, start + address.len()))
    })
}

/// An address without the punctuation of the sentence around it. A closing bracket belongs to the
/// address only where it was opened in it.
fn without_trailing_punctuation(mut address: &str) -> &str {
    loop {
        let shorter = address.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '’', '…', '*', '_', '~']);
        let unopened = |open: char, close: char| {
            shorter.ends_with(close) && shorter.matches(close).count() > shorter.matches(open).count()
        };
        let bracket = if unopened('(', ')') || unopened('[', ']') || unopened('{', '}') { 1 } else { 0 };
        let next = shorter.get(..shorter.len() - bracket).unwrap_or(shorter);
        if next == address {
            return address;
        }
        address = next;
    }
}

/// Blank to a reader: white space, and signs that only steer how text is set.
fn is_blank(sign: char) -> bool {
    sign.is_whitespace() || is_invisible(sign)
}

/// Zero-width spaces and joiners, marks and controls of writing direction, the byte order mark and
/// the soft hyphen: none of them is seen, and people hide words and handles with them.
fn is_invisible(sign: char) -> bool {
    matches!(
        sign,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DESK: &str = "did:plc:desk";

    fn desk() -> Account {
        Account { bot: true, ..Account::new(Network::Bluesky, DESK, "desk.test") }
    }

    fn mention(start: i64, end: i64, did: &str) -> Value {
        json!({"index": {"byteStart": start, "byteEnd": end},
               "features": [{"$type": "app.bsky.richtext.facet#mention", "did": did}]})
    }

    fn link(start: i64, end: i64, uri: &str) -> Value {
        json!({"index": {"byteStart": start, "byteEnd": end},
               "features": [{"$type": "app.bsky.richtext.facet#link", "uri": uri}]})
    }

    fn check(name: &str, text: &str, facets: Value, want: &str) -> Plain {
        let got = plain(text, &facets, &desk());
        assert_eq!(got.text, want, "{name}");
        got
    }

    #[test]
    fn the_desks_mention_goes_and_the_question_stays() {
        let row = |name, text, start, end, want| {
            assert!(check(name, text, json!([mention(start, end, DESK)]), want).mentions_desk, "{name}");
        };
        row("in front", "@desk.test who wrote this?", 0, 10, "who wrote this?");
        row("with a comma", "@desk.test, who wrote this?", 0, 10, "who wrote this?");
        row("in the middle", "Dear @desk.test who wrote this?", 5, 15, "Dear who wrote this?");
        row("at the end", "who wrote this? @desk.test", 16, 26, "who wrote this?");
        row("alone", "@desk.test", 0, 10, "");
        row("after an emoji", "👩‍🚀 @desk.test why?", 12, 22, "👩‍🚀 why?");
        row("on its own line", "@desk.test\n\nwhy?", 0, 10, "why?");
        row("zero-width signs around it", "\u{200b}@desk.test\u{200b}join", 3, 13, "join");
        row("isolates around it", "\u{2068}@desk.test\u{2069} join\u{200b}", 3, 13, "join");
        row("beyond the text", "@desk.test why?", 0, 900, "why?");
        row("inside a character", "é@desk.test why?", 1, 12, "é@desk.test why?");
        row("backwards", "@desk.test why?", 10, 0, "why?");
        row("below zero", "@desk.test why?", -1, 10, "why?");
        row("a label that is not its handle", "@library why?", 0, 8, "why?");
    }

    #[test]
    fn facets_of_any_shape_are_survived() {
        for (name, facets) in [
            ("none", json!(null)),
            ("a text", json!("facets")),
            ("numbers", json!([1, 2, null])),
            ("no range", json!([{"features": [{"$type": "app.bsky.richtext.facet#mention"}]}])),
            ("a range of texts", json!([{"index": {"byteStart": "0", "byteEnd": "3"}, "features": []}])),
            ("not a DID", json!([mention(0, 3, "https://example.org")])),
            (
                "a new kind",
                json!([{"index": {"byteStart": 0, "byteEnd": 3}, "features": [{"$type": "x#y"}]}]),
            ),
            ("features no list", json!([{"index": {"byteStart": 0, "byteEnd": 3}, "features": {}}])),
        ] {
            let got = check(name, "why is the sky blue?", facets, "why is the sky blue?");
            assert!(!got.mentions_desk && got.mentions.is_empty(), "{name}");
        }
        let flood: Vec<_> = (0..10_000).map(|at| mention(at, at + 1, &format!("did:plc:{at}"))).collect();
        assert_eq!(plain("a", &json!(flood), &desk()).mentions.len(), FACETS_MAX);
    }

    #[test]
    fn overlapping_facets_take_nothing_twice() {
        let facets =
            json!([mention(0, 10, DESK), mention(5, 15, "did:plc:ann"), link(3, 12, "https://a.example")]);
        let got = check("overlap", "@desk.test ann.test why?", facets, "ann.test why?");
        assert_eq!(got.mentions.len(), 1, "an overlapping mention still counts as one");
    }

    #[test]
    fn other_people_stay_in_the_text_and_are_listed() {
        let text = "@desk.test ask @ann.test or @Bob\u{200b}.test or @Bob.test";
        let at = |name: &str| text.find(name).unwrap() as i64;
        let (ann, bob, again) = (at("@ann"), at("@Bob\u{200b}"), at("@Bob.test"));
        let facets = json!([
            mention(again, again + 9, "did:plc:bob"),
            mention(0, 10, DESK),
            mention(ann, ann + 9, "did:plc:ann"),
            mention(bob, bob + 12, "did:plc:bob"),
        ]);
        let got = check("others", text, facets, "ask @ann.test or @Bob.test or @Bob.test");
        let listed: Vec<_> =
            got.mentions.iter().map(|who| (who.id.id.as_str(), who.handle.as_str())).collect();
        assert_eq!(listed, [("did:plc:ann", "ann.test"), ("did:plc:bob", "Bob.test")]);

        let got =
            check("a nickname", "my friend Ann", json!([mention(10, 13, "did:plc:ann")]), "my friend Ann");
        assert_eq!(got.mentions[0].handle, NO_HANDLE);
    }

    #[test]
    fn a_handle_typed_without_a_facet_is_taken_out_too() {
        let row = |name, text, want| {
            assert!(!check(name, text, json!(null), want).mentions_desk, "{name}");
        };
        row("in front", "@desk.test yes, the red one", "yes, the red one");
        row("in capitals", "@Desk.Test: yes", "yes");
        row("end of a sentence", "I asked @desk.test.", "I asked .");
        row("somebody else", "@desk.test.example yes", "@desk.test.example yes");
        row("an e-mail address", "me@desk.test", "me@desk.test");
        row("twice", "@desk.test @desk.test a @desk.test b", "a b");
    }

    #[test]
    fn shortened_links_are_written_out() {
        let long = "https://lib.example/a/very/long/path?q=1";
        check(
            "shortened",
            "see lib.example/a/very/lo… ok",
            json!([link(4, 28, long)]),
            &format!("see {long} ok"),
        );
        check("with dots", "lib.example/a...", json!([link(0, 16, long)]), long);
        check(
            "www is left out",
            "lib.example/a…",
            json!([link(0, 16, "https://www.lib.example/a/b")]),
            "https://www.lib.example/a/b",
        );
        check("whole already", long, json!([link(0, 40, long)]), long);
        check("words", "this book", json!([link(5, 9, long)]), &format!("this book ({long})"));
        check("not of the web", "click", json!([link(0, 5, "javascript:alert(1)")]), "click");
        check("with a line in it", "click", json!([link(0, 5, "https://a.example/\n@desk stop")]), "click");
    }

    fn found(text: &str) -> Vec<&str> {
        links(text).map(|(start, end)| &text[start..end]).collect()
    }

    #[test]
    fn links_in_a_text_are_found() {
        assert_eq!(found("see https://lib.example/x."), ["https://lib.example/x"]);
        assert_eq!(found("(https://lib.example/x)"), ["https://lib.example/x"]);
        assert_eq!(found("https://en.example/wiki/A_(b), and"), ["https://en.example/wiki/A_(b)"]);
        assert_eq!(found("“https://lib.example/é?q=ü&a=b#c”"), ["https://lib.example/é?q=ü&a=b#c"]);
        assert_eq!(found("http://a.example https://b.example"), ["http://a.example", "https://b.example"]);
        assert_eq!(found("https:// nothing http://. xhttps://a.example http"), [""; 0]);
        assert_eq!(found("\u{2068}https://lib.example/x\u{2069}!"), ["https://lib.example/x"]);
        assert_eq!(found("https://a.example/[1]]]"), ["https://a.example/[1]"]);
    }

    fn names(text: &str, part: &str, did: &str) -> Mention {
        let start = text.find(part).unwrap();
        let account = Account::new(Network::Bluesky, did, &part[1..]);
        Mention { start, end: start + part.len(), account }
    }

    #[test]
    fn outgoing_facets_count_bytes() {
        let text = "Hé 👋 @alice.example — see https://lib.example/x";
        let facets = facets(text, &[names(text, "@alice.example", "did:plc:a")]).unwrap();
        insta::assert_snapshot!(serde_json::to_string(&facets).unwrap(), @r##"[{"index":{"byteStart":9,"byteEnd":23},"features":[{"$type":"app.bsky.richtext.facet#mention","did":"did:plc:a"}]},{"index":{"byteStart":32,"byteEnd":53},"features":[{"$type":"app.bsky.richtext.facet#link","uri":"https://lib.example/x"}]}]"##);
    }

    #[test]
    fn the_hashtag_in_front_becomes_one() {
        let of = |text: &str| serde_json::to_string(&facets(text, &[]).unwrap()).unwrap();
        insta::assert_snapshot!(of("#stümper Who knows? #other"), @r##"[{"index":{"byteStart":0,"byteEnd":9},"features":[{"$type":"app.bsky.richtext.facet#tag","tag":"stümper"}]}]"##);
        for text in ["", "#", "#1066 was when?", "# heading", "no #tag in front", "#a-b"] {
            assert_eq!(of(text), "[]", "{text}");
        }
    }

    #[test]
    fn a_mention_that_does_not_fit_is_an_error() {
        let text = "👋 @ann.test @bob.test";
        let good = names(text, "@ann.test", "did:plc:a");
        let check = |name: &str, bad: Mention| {
            assert_eq!(facets(text, &[good.clone(), bad]), Err(BadMention), "{name}");
        };
        check("inside a character", Mention { start: 1, end: 4, ..good.clone() });
        check("beyond the text", Mention { start: 15, end: 900, ..good.clone() });
        check("the same words twice", good.clone());
        check("no @ there", Mention { start: 6, end: 14, ..good.clone() });
        check("no DID", names(text, "@bob.test", "bob.test"));
        let mut elsewhere = names(text, "@bob.test", "did:plc:b");
        elsewhere.account.id.network = Network::Sandbox;
        check("another network", elsewhere);
    }
}
