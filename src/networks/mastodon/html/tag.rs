//! Tags: where they end, what they are called, and the attributes that are asked for.
//!
//! **Invariant:** each look at a tag goes through it once, from its beginning to its end.

use crate::networks::mastodon::html::entities::decoded;

/// The longest address or class that is looked at, in bytes.
const VALUE_BYTES_MAX: usize = 4_000;

/// A tag, cut out of the text but not understood yet.
pub(super) struct Tag<'h> {
    pub(super) name: &'h str,
    attributes: &'h str,
    pub(super) closes: bool,
    pub(super) closes_itself: bool,
}

impl<'h> Tag<'h> {
    /// The tag at the beginning of `html`, and what follows it. `None` where it is none: there is no
    /// name after the `<`, or no end.
    pub(super) fn read(html: &'h str) -> Option<(Tag<'h>, &'h str)> {
        let inner = html.strip_prefix('<')?;
        if let Some(comment) = inner.strip_prefix("!--") {
            let (_, after) = comment.split_once("-->").unwrap_or((comment, ""));
            return Some((Tag { name: "!", attributes: "", closes: false, closes_itself: true }, after));
        }
        let (closes, inner) = match inner.strip_prefix('/') {
            Some(inner) => (true, inner),
            None => (false, inner),
        };
        if !inner.starts_with(|sign: char| sign.is_ascii_alphabetic() || (sign == '!' && !closes)) {
            return None;
        }
        let end = end_of_tag(inner)?;
        let (body, after) = (inner.get(..end)?, inner.get(end + 1..)?);
        let closes_itself = body.ends_with('/');
        let body = body.trim_end_matches('/');
        let name_end = body.find(|sign: char| sign.is_whitespace() || sign == '/').unwrap_or(body.len());
        let (name, attributes) = body.split_at(name_end);
        let closes_itself = closes_itself || name.starts_with('!');
        Some((Tag { name, attributes, closes, closes_itself }, after))
    }

    /// The value of an attribute, decoded.
    pub(super) fn attribute(&self, wanted: &str) -> Option<String> {
        let mut rest = self.attributes;
        loop {
            rest = rest.trim_start_matches(|sign: char| sign.is_whitespace() || sign == '/' || sign == '=');
            if rest.is_empty() {
                return None;
            }
            let name_end = rest.find(|sign: char| sign.is_whitespace() || sign == '=' || sign == '/');
            let (name, after) = rest.split_at(name_end.unwrap_or(rest.len()));
            let Some(value) = after.trim_start().strip_prefix('=') else {
                rest = after;
                continue;
            };
            let value = value.trim_start();
            let (value, after) = match value.chars().next() {
                Some(quote @ ('"' | '\'')) => {
                    let value = value.get(1..).unwrap_or_default();
                    value.split_once(quote).unwrap_or((value, ""))
                }
                _ => value.split_at(value.find(char::is_whitespace).unwrap_or(value.len())),
            };
            if name.eq_ignore_ascii_case(wanted) {
                return (value.len() <= VALUE_BYTES_MAX).then(|| decoded(value).into_owned());
            }
            rest = after;
        }
    }

    pub(super) fn has_class(&self, wanted: &str) -> bool {
        self.attribute("class").is_some_and(|classes| classes.split_whitespace().any(|class| class == wanted))
    }
}

/// Where the `>` is that ends a tag; one inside quotes does not.
fn end_of_tag(inner: &str) -> Option<usize> {
    let mut quote = None;
    let mut after_equals = false;
    for (at, byte) in inner.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') if after_equals => quote = Some(byte),
            // A new tag begins before this one has ended, so this one is none.
            (None, b'<') => return None,
            (None, _) => {}
        }
        after_equals = byte == b'=' || (after_equals && byte.is_ascii_whitespace());
    }
    None
}

/// What follows the end tag of an element whose content is nothing to read.
pub(super) fn after_element<'h>(name: &str, html: &'h str) -> &'h str {
    let mut rest = html;
    while let Some((_, after)) = rest.split_once("</") {
        let named = after.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name));
        if named {
            return after.split_once('>').map_or("", |(_, after)| after);
        }
        rest = after;
    }
    ""
}
