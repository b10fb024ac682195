//! Questions that librarians put right, for the rules to learn from.
//!
//! **Invariant:** only questions that [`Question::teaches`](crate::desk::Question::teaches) allows come
//! out, and nothing here writes them into a file.

use serde::Serialize;

use crate::cli::output::Problem;
use crate::cli::reach::Reached;
use crate::desk::Confidential;
use crate::engine::control::{Labelled, Reply, Request};
use crate::subjects::SubjectId;

/// What [`LabelledText::source`] is for everything that comes from the desk.
const SOURCE: &str = "desk";

/// A text whose subject a librarian named.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct LabelledText {
    pub(super) subject: SubjectId,
    pub(super) text: Confidential,
    /// Where it comes from, for counting how many sources speak for a term.
    pub(super) source: &'static str,
}

impl LabelledText {
    /// Subject, text and source with tabs between them, on one line.
    pub(super) fn row(&self) -> String {
        let words: Vec<&str> = self.text.reveal().split_whitespace().collect();
        format!("{}\t{}\t{}\n", self.subject, words.join(" "), self.source)
    }
}

/// Every question that the rules may learn from, whether the desk runs or not. Get the desk with
/// [`reach::desk`](crate::cli::reach::desk), and leave it afterwards.
pub(super) async fn examples(desk: &Reached) -> Result<Vec<LabelledText>, Problem> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let Reply::Labelled { examples, next } = desk.ask(Request::Labelled { after }).await? else {
            return Err(Problem::wrong_reply());
        };
        let text = |Labelled { subject, text }| LabelledText { subject, text, source: SOURCE };
        found.extend(examples.into_iter().map(text));
        if next.is_none() {
            return Ok(found);
        }
        after = next;
    }
}
