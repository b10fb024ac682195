//! Where in the rule files a term stands, for telling people.
//!
//! **Invariant:** nothing is decided by this: what a term counts is the classifier's alone.

use std::collections::HashMap;
use std::ops::Range;

use crate::subjects::format::{self, List};
use crate::subjects::{Match, RuleFile, learned};

/// A place in a rule file that a person wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub file: String,
    pub span: Range<usize>,
    pub list: List,
    /// A BCP 47 tag.
    pub language: String,
}

/// The places of all terms that people wrote.
#[derive(Debug, Default)]
pub struct Origins(HashMap<(String, String), Vec<Origin>>);

impl Origins {
    /// Reads the files once more. What cannot be read in them has no place.
    pub fn of(files: &[RuleFile]) -> Origins {
        let mut places: HashMap<_, Vec<Origin>> = HashMap::new();
        let written = files.iter().filter(|file| !learned::is_learned(file));
        for rules in written.filter_map(|file| format::read(file).0) {
            for term in rules.terms {
                let language = term.language.code().to_owned();
                let origin = Origin { file: rules.file.clone(), span: term.span, list: term.list, language };
                places.entry((rules.id.to_string(), term.text)).or_default().push(origin);
            }
        }
        Origins(places)
    }

    /// Where the matched term was written by hand; `None` for one that was learned. `text` is the text
    /// it was found in: of a word that stands in two lists, a hashtag is found as the one, a plain word
    /// as the other.
    pub fn find(&self, found: &Match, text: &str) -> Option<&Origin> {
        let places = self.0.get(&(found.subject.to_string(), found.term.clone()))?;
        let is_tag = text.get(found.start..).is_some_and(|from| from.starts_with(['#', '＃']));
        let fits = |place: &&Origin| (place.list == List::Hashtags) == is_tag;
        places.iter().find(fits).or_else(|| places.first())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subjects::Subjects;

    #[test]
    fn each_term_is_found_where_it_was_written() {
        let text = "id = \"x\"\nname = \"X\"\nhashtags = [\"opera\"]\nstrong = [\"opera\", \"aria*\"]\n\
                    against = [\"soap opera\"]\n[[terms]]\nlanguage = \"de\"\nweak = [\"oper\"]\n";
        let file = RuleFile { name: "x.toml".to_owned(), text: text.as_bytes().to_vec() };
        let (subjects, _) = Subjects::compile(std::slice::from_ref(&file));
        let origins = Origins::of(&[file]);
        let rows = [
            ("en", "an opera", "strong en \"opera\""),
            ("en", "#opera", "hashtags en \"opera\""),
            ("en", "arias", "strong en \"aria*\""),
            ("en", "a soap opera", "against en \"soap opera\""),
            ("de", "die Oper", "weak de \"oper\""),
        ];
        for (language, question, expected) in rows {
            let found = subjects.classify(question, Some(language));
            let origin = origins.find(&found.matched[0], question).unwrap();
            let written = &text[origin.span.clone()];
            assert_eq!(format!("{} {} {written}", origin.list.key(), origin.language), expected);
        }
        let learned =
            Match { term: "chorus".to_owned(), ..subjects.classify("opera", None).matched[0].clone() };
        assert_eq!(origins.find(&learned, "opera"), None);
    }
}
