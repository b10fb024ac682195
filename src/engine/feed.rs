//! The feed of open stumpers: an Atom file (RFC 4287) of what patrons agreed to publish, for a web server
//! to hand out.
//!
//! **Invariant:** the file is there whole or as it was before, holds nothing but what is published and
//! open now, and no sign of a text can end the element that it stands in.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tracing::warn;

use crate::clock;
use crate::desk::{Code, Confidential, Question};
use crate::engine::Engine;
use crate::engine::run::Stop;
use crate::store::{Store, StoreError};

/// How many stumpers the feed holds at most: the newest.
const ENTRIES_MAX: usize = 200;

/// How many questions are read from the store at a time.
const PAGE: usize = 200;

/// The shortest time between two writings of the file.
const PAUSE: Duration = Duration::from_secs(2);

/// How long to wait before writing is tried again where it failed.
const RETRY: Duration = Duration::from_secs(60);

/// How many characters of a question are its title.
const TITLE_CHARS_MAX: usize = 80;

/// Where the feed lies, and what it is called by machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    pub file: PathBuf,
    /// A `tag:` URI or an address. Part of the id of every entry.
    pub id: String,
}

/// One published question.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    code: Code,
    at: Timestamp,
    text: Confidential,
    language: Option<String>,
}

/// Keeps the file as it should be until the desk stops.
pub(super) async fn keep(engine: Arc<Engine>, feed: Arc<Feed>, mut stop: Stop) {
    let mut changes = engine.publicity();
    let mut written = None;
    loop {
        changes.borrow_and_update();
        let renewed = renew(&engine, &feed, &mut written, clock::now());
        let wait = match &renewed {
            Ok(()) => PAUSE,
            Err(error) => {
                warn!(%error, "The feed of published questions cannot be written: {error}");
                RETRY
            }
        };
        if stop.or(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
        // What changed during the pause is noticed at once. The engine outlives its parts, so that an
        // error cannot come.
        if renewed.is_ok() && stop.or(changes.changed()).await.is_none() {
            return;
        }
    }
}

/// Why the feed could not be written.
#[derive(Debug, thiserror::Error)]
enum FeedError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the file cannot be written: {0}")]
    Io(#[from] std::io::Error),
}

/// Writes the file unless what it holds is the same as `written`, which is what it holds then.
fn renew(
    engine: &Engine,
    feed: &Feed,
    written: &mut Option<Vec<Entry>>,
    now: Timestamp,
) -> Result<(), FeedError> {
    let entries = entries(engine.store())?;
    if written.as_ref() == Some(&entries) {
        return Ok(());
    }
    let text = text(&feed.id, &engine.settings().name, now, &entries);
    replace(&feed.file, text.as_bytes())?;
    *written = Some(entries);
    Ok(())
}

/// What is published and open, the newest first.
fn entries(store: &Store) -> Result<Vec<Entry>, StoreError> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = store.questions(after.as_ref(), PAGE)?;
        let Some(last) = page.last() else { break };
        after = Some(last.code.clone());
        found.extend(page.iter().filter_map(entry));
    }
    found.sort_by(|one, other| (other.at, &other.code).cmp(&(one.at, &one.code)));
    found.truncate(ENTRIES_MAX);
    Ok(found)
}

fn entry(question: &Question) -> Option<Entry> {
    let published = question.open_stumper()?;
    Some(Entry {
        code: question.code.clone(),
        at: published.at,
        text: published.text.clone(),
        language: question.language.clone(),
    })
}

/// The whole file.
fn text(id: &str, name: &str, now: Timestamp, entries: &[Entry]) -> String {
    let (id, name) = (escaped(id), escaped(name));
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <feed xmlns=\"http://www.w3.org/2005/Atom\">\n  <id>{id}</id>\n  <title>Open questions of {name}</title>\n  \
         <updated>{}</updated>\n  <author><name>{name}</name></author>\n",
        moment(now)
    );
    for entry in entries {
        let at = moment(entry.at);
        let language =
            entry.language.as_ref().map(|tag| format!(" xml:lang=\"{}\"", escaped(tag))).unwrap_or_default();
        let words = entry.text.reveal();
        // Writing to a text cannot fail.
        let _ = write!(
            text,
            "  <entry{language}>\n    <id>{id}:{}:{}</id>\n    <title type=\"text\">{}</title>\n    \
             <published>{at}</published>\n    <updated>{at}</updated>\n    \
             <content type=\"text\">{}</content>\n  </entry>\n",
            entry.code,
            entry.at.as_second(),
            escaped(&title(words)),
            escaped(words),
        );
    }
    text.push_str("</feed>\n");
    text
}

/// A time as RFC 3339 has it, to the second.
fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The beginning of a question on one line.
fn title(words: &str) -> String {
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(TITLE_CHARS_MAX) {
        Some((at, _)) => format!("{}…", line.split_at(at).0.trim_end()),
        None => line,
    }
}

/// A text as it may stand in an element or a quoted attribute. What XML does not allow at all is left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' => escaped.push(sign),
            '\u{FFFE}' | '\u{FFFF}' => {}
            control if control.is_control() => {}
            other => escaped.push(other),
        }
    }
    escaped
}

/// Puts a file in the place of another, so that whoever reads it sees the one or the other.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".unfinished");
    let unfinished = path.with_file_name(name);
    let mut file = std::fs::File::create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::desk::settings::Outlets;
    use crate::desk::{Action, Input, Network, Outcome, Settings};
    use crate::engine::Handled;
    use crate::samples;
    use crate::subjects::Subjects;

    fn an_entry(text: &str) -> Entry {
        Entry {
            code: Code::parse("K7Q4").unwrap(),
            at: "2026-03-02T10:00:00Z".parse().unwrap(),
            text: Confidential::new(text),
            language: Some("en".to_owned()),
        }
    }

    #[test]
    fn a_feed_as_a_reader_gets_it() {
        let now = "2026-03-02T11:30:00.5Z".parse().unwrap();
        let entries = [an_entry("Who wrote \"<Utopia>\" & where?\n\nI'm stumped.\u{0}")];
        insta::assert_snapshot!(text("tag:lib.example,2026:stumpers", "Ask <Anna>", now, &entries), @r#"
        <?xml version="1.0" encoding="utf-8"?>
        <feed xmlns="http://www.w3.org/2005/Atom">
          <id>tag:lib.example,2026:stumpers</id>
          <title>Open questions of Ask &lt;Anna&gt;</title>
          <updated>2026-03-02T11:30:00Z</updated>
          <author><name>Ask &lt;Anna&gt;</name></author>
          <entry xml:lang="en">
            <id>tag:lib.example,2026:stumpers:K7Q4:1772445600</id>
            <title type="text">Who wrote &quot;&lt;Utopia&gt;&quot; &amp; where? I&#39;m stumped.</title>
            <published>2026-03-02T10:00:00Z</published>
            <updated>2026-03-02T10:00:00Z</updated>
            <content type="text">Who wrote &quot;&lt;Utopia&gt;&quot; &amp; where?

        I&#39;m stumped.</content>
          </entry>
        </feed>
        "#);
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_element(words in "(?s).{0,200}") {
            let escaped = escaped(&words);
            let unsafe_sign = |sign: char| matches!(sign, '<' | '>' | '"' | '\'') || sign.is_control() && !matches!(sign, '\t' | '\n');
            prop_assert!(!escaped.chars().any(unsafe_sign));
            for (at, _) in escaped.match_indices('&') {
                let rest = &escaped[at..];
                prop_assert!(["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"].iter().any(|known| rest.starts_with(known)));
            }
        }
    }

    async fn says(engine: &Engine, id: &str, text: &str) -> Handled {
        let author = samples::account(Network::Sandbox, "pat");
        let post = samples::post(author, id, text, clock::now());
        engine.handle(Input::Post(Box::new(post))).await.unwrap()
    }

    #[tokio::test]
    async fn the_file_holds_what_is_published_and_nothing_that_was() {
        let folder = tempfile::tempdir().unwrap();
        let feed =
            Feed { file: folder.path().join("stumpers.atom"), id: "tag:lib.example,2026:s".to_owned() };
        let settings =
            Settings { outlets: Outlets { feed: true, ..Outlets::default() }, ..Settings::default() };
        let engine = Engine::new(Store::memory(), Subjects::default(), settings);
        let mut changes = engine.publicity();
        let mut written = None;
        let mut renewed = || {
            changes.borrow_and_update();
            renew(&engine, &feed, &mut written, clock::now()).unwrap();
            std::fs::read_to_string(&feed.file).unwrap()
        };
        let question = "Which poem begins with a woodland on a snowy evening?";
        says(&engine, "1", question).await;
        assert!(!renewed().contains("woodland"), "not without consent");
        says(&engine, "2", "publish").await;
        assert!(engine.publicity().borrow().gt(&0), "whoever keeps the feed is woken");
        assert!(renewed().contains("woodland"));
        says(&engine, "3", "unpublish").await;
        assert!(!renewed().contains("woodland"));
        says(&engine, "4", "publish").await;
        assert!(renewed().contains("woodland"));
        let code = engine.store().questions(None, 9).unwrap().pop().unwrap().code;
        let close = Input::Coordinator { id: "1".to_owned(), action: Action::CloseQuestion { code } };
        assert_eq!(engine.handle(close).await.unwrap(), Handled::Done(Outcome::Closed));
        let text = renewed();
        assert!(!text.contains("woodland") && text.ends_with("</feed>\n"));
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing unfinished is left behind");
    }
}
