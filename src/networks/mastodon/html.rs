//! HTML to text: posts arrive as HTML, made by servers of many kinds, or by whoever wants to do harm.
//!
//! One pass over the signs with a small stack of open elements. What Mastodon hides from readers (the
//! scheme and tail of a link) is written out from the link's address; a mention becomes the account's
//! whole name.
//!
//! **Invariant:** no recursion, no backtracking: the time is in proportion to the length, whatever the
//! text is. Nothing fails; what is no markup is text.

mod entities;
mod out;
mod tag;

use crate::networks::mastodon::html::entities::decoded;
use crate::networks::mastodon::html::out::Out;
use crate::networks::mastodon::html::tag::{Tag, after_element};

/// How many open elements are remembered. Deeper ones are read as if they were not there.
const DEPTH_MAX: usize = 64;

/// Elements whose content is nothing to read.
const UNREAD: [&str; 6] = ["script", "style", "template", "head", "title", "iframe"];

/// What the caller knows about links.
pub(super) trait Names {
    /// The whole handle, without `@`, of the account whose profile is at this address.
    fn handle_at(&self, href: &str) -> Option<String>;
}

/// Text, and where the run of mentions at its beginning ends.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plain {
    pub(super) text: String,
    /// The bytes of `text` that mentions and spaces before any other word take.
    pub(super) address_end: usize,
}

/// Reads HTML into text. `has_quote` says that the post quotes another one beside its text, so that the
/// link to it within the text is left out.
pub(super) fn plain(html: &str, names: &impl Names, has_quote: bool) -> Plain {
    let mut reader = Reader { names, has_quote, out: Out::default(), open: Vec::new(), deeper: 0 };
    let mut rest = html;
    while !rest.is_empty() && !reader.out.is_full() {
        let text_end = rest.find('<').unwrap_or(rest.len());
        let (text, from_tag) = rest.split_at(text_end);
        reader.text(text);
        let Some((tag, after)) = Tag::read(from_tag) else {
            // A `<` that begins no tag is one that somebody wrote.
            let Some(after) = from_tag.strip_prefix('<') else { break };
            reader.text("<");
            rest = after;
            continue;
        };
        rest = reader.tag(&tag, after);
    }
    reader.out.finish()
}

/// What is done with the content of an open element.
#[derive(Clone, Debug, PartialEq)]
enum Content {
    Read,
    /// Hidden, or written out in another way already.
    Skipped,
    /// White space is kept.
    Preformatted,
}

#[derive(Debug)]
struct Open {
    name: String,
    content: Content,
}

struct Reader<'n, N> {
    names: &'n N,
    has_quote: bool,
    out: Out,
    open: Vec<Open>,
    /// How many elements are open beyond those that are remembered.
    deeper: usize,
}

impl<N: Names> Reader<'_, N> {
    fn content(&self) -> Content {
        self.open.last().map_or(Content::Read, |open| open.content.clone())
    }

    fn text(&mut self, raw: &str) {
        match self.content() {
            Content::Skipped => {}
            Content::Read => self.out.words(&decoded(raw)),
            Content::Preformatted => self.out.lines(&decoded(raw)),
        }
    }

    /// Takes a tag, and answers where reading goes on.
    fn tag<'h>(&mut self, tag: &Tag<'h>, after: &'h str) -> &'h str {
        let name = tag.name.to_ascii_lowercase();
        if tag.closes {
            self.close(&name);
            return after;
        }
        if UNREAD.contains(&name.as_str()) && !tag.closes_itself {
            return after_element(&name, after);
        }
        match name.as_str() {
            "br" => self.visible(Out::line),
            "hr" => self.visible(Out::paragraph),
            "img" => {
                // Custom emoji of some servers are images that say what they are.
                if let Some(words) = tag.attribute("alt") {
                    self.text(&words.replace('<', "&lt;"));
                }
            }
            _ if tag.closes_itself || is_void(&name) => {}
            _ => self.open(name, tag),
        }
        after
    }

    fn visible(&mut self, what: fn(&mut Out)) {
        if self.content() != Content::Skipped {
            what(&mut self.out);
        }
    }

    fn open(&mut self, name: String, tag: &Tag<'_>) {
        if self.open.len() >= DEPTH_MAX {
            self.deeper = self.deeper.saturating_add(1);
            return;
        }
        let outer = self.content();
        let mut content = outer.clone();
        if outer != Content::Skipped {
            match name.as_str() {
                "li" => self.out.new_item(),
                "ul" | "ol" => self.out.new_line(),
                _ if is_block(&name) => self.out.paragraph(),
                _ => {}
            }
            if name == "pre" {
                content = Content::Preformatted;
            }
            if self.has_quote && tag.has_class("quote-inline") || tag.has_class("invisible") {
                content = Content::Skipped;
            }
            if name == "a" && self.link(tag) {
                content = Content::Skipped;
            }
        }
        self.open.push(Open { name, content });
    }

    /// Writes a link out. `false` where its own text is to be read.
    fn link(&mut self, tag: &Tag<'_>) -> bool {
        let Some(href) = tag.attribute("href") else { return false };
        let href = href.trim();
        let named = tag.has_class("mention") && !tag.has_class("hashtag");
        if let Some(handle) = self.names.handle_at(href) {
            self.out.mention(&handle);
            return true;
        }
        if named || tag.has_class("hashtag") || tag.attribute("rel").is_some_and(|rel| rel.contains("tag")) {
            return false;
        }
        if !href.starts_with("https://") && !href.starts_with("http://") {
            return false;
        }
        self.out.word(href);
        true
    }

    fn close(&mut self, name: &str) {
        // An end tag for what was not remembered: whichever it is, it ends one of the deeper ones.
        if self.deeper > 0 {
            self.deeper -= 1;
            return;
        }
        let Some(at) = self.open.iter().rposition(|open| open.name == name) else { return };
        self.open.truncate(at);
        if is_block(name) || matches!(name, "ul" | "ol") {
            self.visible(Out::paragraph);
        } else if name == "li" {
            self.visible(Out::new_line);
        }
    }
}

fn is_block(name: &str) -> bool {
    matches!(
        name,
        "p" | "div" | "blockquote" | "pre" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "table" | "tr" | "dl"
    )
}

fn is_void(name: &str) -> bool {
    matches!(name, "input" | "wbr" | "meta" | "link" | "area" | "base" | "col" | "embed" | "source" | "track")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::networks::mastodon::html::out::TEXT_BYTES_MAX;

    struct Known;

    impl Names for Known {
        fn handle_at(&self, href: &str) -> Option<String> {
            match href {
                "https://l.example/@bot" => Some("bot@l.example".to_owned()),
                "https://lib.example/@ann" => Some("ann@lib.example".to_owned()),
                _ => None,
            }
        }
    }

    fn text(html: &str) -> String {
        plain(html, &Known, false).text
    }

    /// What is left once the address is cut off, as a desk reads it.
    fn said(html: &str) -> String {
        let plain = plain(html, &Known, false);
        plain.text.get(plain.address_end..).unwrap().to_owned()
    }

    const BOT: &str = "<span class=\"h-card\"><a class=\"u-url mention\" href=\"https://l.example/@bot\">@<span>bot</span></a></span>";

    #[test]
    fn a_mention_of_mastodon_is_read_as_people_see_it() {
        let html = format!(
            "<p>{BOT} who wrote this?<br><a href=\"https://x.example/a/b\"><span class=\"invisible\">https://</span>\
             <span class=\"ellipsis\">x.example/a</span><span class=\"invisible\">/b</span></a></p>"
        );
        assert_eq!(said(&html), "who wrote this?\nhttps://x.example/a/b");
        assert_eq!(text(&html), "@bot@l.example who wrote this?\nhttps://x.example/a/b");
    }

    #[test]
    fn rows_of_markup_and_what_is_read() {
        let rows = [
            ("<p>one</p><p>two</p>", "one\n\ntwo"),
            ("<p>one<br />two<br/>three</p>", "one\ntwo\nthree"),
            ("<ul><li>red</li><li>green</li></ul>after", "- red\n- green\n\nafter"),
            ("<p>before</p><ol><li>a<ul><li>b</li></ul></li></ol>", "before\n\n- a\n- b"),
            ("<pre><code>a\n  b</code></pre>", "a\nb"),
            ("<blockquote><p>said</p></blockquote><p>reply</p>", "said\n\nreply"),
            ("a &amp; b &lt;c&gt; &#39;d&#x27; &nbsp; e", "a & b <c> 'd' e"),
            ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
            ("a <3 b", "a <3 b"),
            ("&unknown; &amp &; &#xFFFFFFFF; &#0;", "&unknown; &amp &; &#xFFFFFFFF; &#0;"),
            ("so <b>bold</b>, <em>very</em> <del>not</del>", "so bold, very not"),
            (
                "<a href=\"https://m.example/tags/x\" class=\"mention hashtag\" rel=\"tag\">#<span>x</span></a>",
                "#x",
            ),
            ("<a href=\"https://m.example/tags/x\" rel=\"tag\">#x</a>", "#x"),
            ("<a class=\"mention\" href=\"https://other.example/@eve\">@<span>eve</span></a> hi", "@eve hi"),
            ("<a href='https://a.example/?q=1&amp;r=2'>short…</a>", "https://a.example/?q=1&r=2"),
            ("<a href=javascript:alert(1)>click</a>", "click"),
            ("<a>no address</a>", "no address"),
            ("a<!-- hidden -->b", "ab"),
            ("a<!-- never ends", "a"),
            ("a<script>alert('</p>')</script>b", "ab"),
            ("a<style>never ends", "a"),
            ("zero\u{200B}width soft\u{AD}hyphen", "zerowidth softhyphen"),
            ("family 👨‍👩‍👧", "family 👨‍👩‍👧"),
            ("hello :blobcat: <img class=\"emoji\" alt=\":cat:\">", "hello :blobcat: :cat:"),
            ("<p", "<p"),
            ("<a href=\"x", "<a href=\"x"),
            ("</p></p>text</div>", "text"),
            ("  \n ", ""),
            ("", ""),
            ("مرحبا <b>بك</b>", "مرحبا بك"),
        ];
        for (html, want) in rows {
            assert_eq!(text(html), want, "{html}");
        }
    }

    #[test]
    fn only_mentions_before_the_first_word_are_the_address() {
        let ann = "<a class=\"mention\" href=\"https://lib.example/@ann\">@<span>ann</span></a>";
        assert_eq!(said(&format!("<p>{BOT} {ann} hello</p>")), "hello");
        assert_eq!(said(&format!("<p>{BOT}</p><p>refer to {ann}</p>")), "refer to @ann@lib.example");
        assert_eq!(said(&format!("<p>{BOT}<br>{ann}</p>")), "");
    }

    #[test]
    fn a_quote_beside_the_text_is_not_read_twice() {
        let html = "<p class=\"quote-inline\">RE: <a href=\"https://x.example/1\">x</a></p><p>why?</p>";
        assert_eq!(plain(html, &Known, true).text, "why?");
        assert_eq!(plain(html, &Known, false).text, "RE: https://x.example/1\n\nwhy?");
    }

    /// Hostile input: what matters is that it ends, with little memory, and says something sensible.
    #[test]
    fn hostile_markup_is_read_in_one_pass() {
        let deep = format!("{}core{}", "<div>".repeat(100_000), "</div>".repeat(100_000));
        assert_eq!(text(&deep), "core");
        let nested = format!("{}core", "<b><a href='https://a.example'>".repeat(1_000));
        assert!(text(&nested).starts_with("https://a.example"));
        assert_eq!(text(&"&".repeat(50_000)), "&".repeat(50_000));
        assert_eq!(text(&"&amp".repeat(20_000)).len(), 80_000);
        for piece in
            ["<", "<p", "<a href=\"", "</", "<!--", "<p class='a' ", "&#", "<script>", "</script", "\u{300}"]
        {
            let long = piece.repeat(1_000_000 / piece.len());
            assert!(text(&long).len() <= TEXT_BYTES_MAX + 8, "{piece}");
        }
        assert!(text(&"<li>".repeat(250_000)).len() <= TEXT_BYTES_MAX + 8);
        let many_attributes = format!("<a {}>x</a>", "a=1 ".repeat(200_000));
        assert_eq!(text(&many_attributes), "x");
    }

    proptest! {
        /// Whatever comes in, something comes out: no panic, no markup made of text, nothing too long.
        #[test]
        fn anything_is_read(html in "(\\PC|[ .\n<>&;#/='\"-]|<p>|</p>|<a href=\"|<span class=\"invisible\">|</span>|&amp;|<br>|<li>|<pre>|<!--|-->){0,300}") {
            let read = plain(&html, &Known, false);
            prop_assert!(read.text.len() <= html.len() * 3 + 16);
            prop_assert!(read.text.is_char_boundary(read.address_end));
            prop_assert_eq!(read.text.trim_end(), read.text.as_str());
        }

        /// A text without markup is read as it is, but for its white space.
        #[test]
        fn plain_text_stays(words in proptest::collection::vec("[a-zäöü0-9.,;:!?()@#]{1,12}", 0..40)) {
            let joined = words.join(" ");
            prop_assert_eq!(text(&joined), joined);
        }
    }
}
