//! Reads one rule file: TOML to terms and examples, with the place of each.
//!
//! ```toml
//! id = "history"                 # must equal the file's name
//! name = "History"
//! parent = "humanities"          # optional: the id of a wider subject
//! lcc = ["C", "D", "PN1560-1998"]
//! ddc = ["900-909", "930-999"]
//! hashtags = ["history", "twitterstorians"]
//! strong = ["world war", "medieval", "ottoman*"]   # English
//! weak = ["king", "battle"]
//! against = ["browser history"]
//! ignore = ["old"]               # whatever was learned of these, they count nothing
//!
//! [[terms]]                      # any number: terms of other languages (BCP 47)
//! language = "de"
//! strong = ["mittelalter"]
//!
//! [[example]]
//! yes = "When did the Ottoman Empire fall?"        # must be found
//! [[example]]
//! no = "How do I clear my browser history?"        # must not be found
//! [[example]]
//! language = "de"                # optional: what the post declares (BCP 47)
//! yes = "Wer regierte im Mittelalter?"
//! ```
//!
//! **Invariant:** reading never stops at a fault. Whatever could be understood is in the result,
//! and everything that could not is in the list of faults.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::fault::Fault;
use crate::subjects::RuleFile;
use crate::subjects::SubjectId;
use crate::subjects::language::Language;
use crate::subjects::naming::closest_word;

/// The longest rule file that is read, in bytes.
pub const RULE_FILE_BYTES_MAX: usize = 1024 * 1024;

/// How many terms and hashtags one rule file may hold.
pub const TERMS_MAX: usize = 20_000;

/// How many examples one rule file may hold.
pub const EXAMPLES_MAX: usize = 5_000;

/// How many faults of one file are listed.
pub(super) const FAULTS_MAX: usize = 100;

/// The longest id, in characters.
const ID_CHARS_MAX: usize = 40;

const TOP_KEYS: &[&str] = &[
    "id", "name", "parent", "lcc", "ddc", "hashtags", "strong", "weak", "against", "ignore", "terms",
    "example",
];
const TERMS_KEYS: &[&str] = &["language", "strong", "weak", "against", "ignore"];
const EXAMPLE_KEYS: &[&str] = &["yes", "no", "language"];

/// One rule file as far as it was understood.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) file: String,
    /// From the file's name, which is unique in a directory, whatever the file itself says.
    pub(super) id: SubjectId,
    pub(super) name: String,
    pub(super) parent: Option<Text>,
    pub(super) lcc: Vec<String>,
    pub(super) ddc: Vec<String>,
    pub(super) terms: Vec<Term>,
    pub(super) examples: Vec<ExampleText>,
}

/// A text of a rule file and its place.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

/// A term of a rule file and its place.
#[derive(Clone, Debug)]
pub(super) struct Term {
    pub(super) text: String,
    pub(super) span: Range<usize>,
    pub(super) list: List,
    pub(super) language: Language,
}

/// The list that a term stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum List {
    Hashtags,
    Strong,
    Weak,
    Against,
    /// What was learned of these is struck out: they count nothing.
    Ignore,
}

impl List {
    /// The key of the list in a rule file.
    pub fn key(self) -> &'static str {
        match self {
            List::Hashtags => "hashtags",
            List::Strong => "strong",
            List::Weak => "weak",
            List::Against => "against",
            List::Ignore => "ignore",
        }
    }
}

/// An example of a rule file and its place.
#[derive(Clone, Debug)]
pub(super) struct ExampleText {
    pub(super) text: String,
    pub(super) span: Range<usize>,
    pub(super) wants: Wants,
    /// The language that its post declares; where it declares none, the text must tell it.
    pub(super) language: Option<Language>,
}

/// What an example asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// `yes`: the subject must be chosen.
    Chosen,
    /// `no`: the subject must not be chosen.
    NotChosen,
}

/// Reads a file. `None` where it is not a text that could be rules at all.
pub(super) fn read(file: &RuleFile) -> (Option<Rules>, Vec<Fault>) {
    let mut reader = Reader { file: &file.name, faults: Vec::new() };
    let rules = reader.file(file);
    (rules, reader.faults)
}

/// The id that a file's name stands for: the name without directories and `.toml`.
pub(super) fn id_of_name(name: &str) -> &str {
    let base = name.rsplit(['/', '\\']).next().unwrap_or(name);
    base.strip_suffix(".toml").unwrap_or(base)
}

struct Reader<'a> {
    file: &'a str,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn file(&mut self, file: &RuleFile) -> Option<Rules> {
        if file.text.len() > RULE_FILE_BYTES_MAX {
            let what = "this file is larger than 1 MiB and was not read";
            self.error(None, what, "split the subject, or keep the terms that matter");
            return None;
        }
        let source = match std::str::from_utf8(&file.text) {
            Ok(source) => source,
            Err(error) => {
                let at = error.valid_up_to();
                self.error(at..at + 1, "from here on the file is not UTF-8 text", "save it as UTF-8");
                return None;
            }
        };
        let (table, errors) = DeTable::parse_recoverable(source);
        for error in errors.iter().take(FAULTS_MAX + 1) {
            let what = format!("this is not TOML: {}", error.message());
            self.error(error.span(), &what, "see https://toml.io for how to write lists and quotes");
        }
        Some(self.rules(table.get_ref()))
    }

    fn rules(&mut self, table: &DeTable<'_>) -> Rules {
        self.unknown_keys(table, TOP_KEYS);
        let id = self.id(table);
        let name = self.text(table, "name");
        if !table.contains_key("name") {
            let example = format!("add `name = \"…\"`, what people call {id}");
            self.error(None, "the key `name` is missing", &example);
        }
        let mut terms = self.hashtags(table);
        self.lists(table, Language::ENGLISH, &mut terms);
        for entry in self.tables(table, "terms") {
            self.terms_entry(entry.get_ref(), entry.span(), &mut terms);
        }
        if terms.len() > TERMS_MAX {
            let what = format!("this file holds more than {TERMS_MAX} terms; the rest is left out");
            self.error(
                terms.get(TERMS_MAX).map(|term| term.span.clone()),
                &what,
                "keep the terms that matter",
            );
            terms.truncate(TERMS_MAX);
        }
        Rules {
            file: self.file.to_owned(),
            name: name.map_or_else(|| id.as_str().to_owned(), |name| name.text),
            parent: self.text(table, "parent"),
            lcc: self.ranges(
                table,
                "lcc",
                is_lcc,
                "write a class with or without a range, such as \"PN1560-1998\"",
            ),
            ddc: self.ranges(
                table,
                "ddc",
                is_ddc,
                "write three digits with or without a range, such as \"791-792\"",
            ),
            terms,
            examples: self.examples(table),
            id,
        }
    }

    fn id(&mut self, table: &DeTable<'_>) -> SubjectId {
        let expected = id_of_name(self.file).to_owned();
        let is_sign = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
        if expected.is_empty() || expected.len() > ID_CHARS_MAX || !expected.chars().all(is_sign) {
            let hint =
                format!("name the file with small letters, digits, `_` and `-`, {ID_CHARS_MAX} at most");
            self.error(None, "the name of this file cannot be an id", &hint);
        }
        if expected == SubjectId::general().as_str() {
            self.error(None, "`general` is the general desk and has no rules", "give the file another name");
        }
        match self.text(table, "id") {
            Some(id) if id.text != expected => {
                let hint = format!("write `id = \"{expected}\"`, or rename the file");
                self.error(id.span, "the id is not the file's name", &hint);
            }
            None if !table.contains_key("id") => {
                self.error(None, "the key `id` is missing", &format!("add `id = \"{expected}\"`"));
            }
            Some(_) | None => {}
        }
        SubjectId::new(expected)
    }

    fn hashtags(&mut self, table: &DeTable<'_>) -> Vec<Term> {
        let mut terms = Vec::new();
        for mut tag in self.texts(table, "hashtags") {
            if let Some(bare) = tag.text.strip_prefix(['#', '＃']) {
                tag.text = bare.to_owned();
                self.warning(tag.span.clone(), "hashtags are written without `#` here", "leave the `#` out");
            }
            let language = Language::ENGLISH;
            terms.push(Term { text: tag.text, span: tag.span, list: List::Hashtags, language });
        }
        terms
    }

    fn lists(&mut self, table: &DeTable<'_>, language: Language, terms: &mut Vec<Term>) {
        for list in [List::Strong, List::Weak, List::Against, List::Ignore] {
            let texts = self.texts(table, list.key());
            let term = |Text { text, span }| Term { text, span, list, language };
            terms.extend(texts.into_iter().map(term));
        }
    }

    fn terms_entry(&mut self, table: &DeTable<'_>, span: Range<usize>, terms: &mut Vec<Term>) {
        self.unknown_keys(table, TERMS_KEYS);
        match self.language(table) {
            Some(language) => self.lists(table, language, terms),
            None if table.contains_key("language") => {}
            None => {
                self.error(span, "these terms have no `language`", "add one, such as `language = \"de\"`")
            }
        }
    }

    fn language(&mut self, table: &DeTable<'_>) -> Option<Language> {
        let tag = self.text(table, "language")?;
        let language = Language::parse(&tag.text);
        if language.is_none() {
            self.error(tag.span, "this is no language code", "write one such as \"de\" or \"pt-BR\"");
        }
        language
    }

    fn examples(&mut self, table: &DeTable<'_>) -> Vec<ExampleText> {
        let mut examples = Vec::new();
        for entry in self.tables(table, "example") {
            let table = entry.get_ref();
            self.unknown_keys(table, EXAMPLE_KEYS);
            let language = self.language(table);
            let found = [("yes", Wants::Chosen), ("no", Wants::NotChosen)]
                .map(|(key, wants)| self.text(table, key).map(|text| (text, wants)));
            match found {
                [Some((Text { text, span }, wants)), None] | [None, Some((Text { text, span }, wants))] => {
                    examples.push(ExampleText { text, span, wants, language });
                }
                [Some(_), Some(_)] => {
                    self.error(entry.span(), "this example has both `yes` and `no`", "make it two examples");
                }
                [None, None] if table.contains_key("yes") || table.contains_key("no") => {}
                [None, None] => {
                    let hint = "give it `yes = \"…\"` or `no = \"…\"`";
                    self.error(entry.span(), "this example is empty", hint);
                }
            }
        }
        if let Some(first_over) = examples.get(EXAMPLES_MAX) {
            let what = format!("this file holds more than {EXAMPLES_MAX} examples; the rest is left out");
            self.error(first_over.span.clone(), &what, "keep the examples that matter");
            examples.truncate(EXAMPLES_MAX);
        }
        examples
    }

    fn ranges(
        &mut self,
        table: &DeTable<'_>,
        key: &str,
        is_range: fn(&str) -> bool,
        hint: &str,
    ) -> Vec<String> {
        let mut ranges = Vec::new();
        for range in self.texts(table, key) {
            if is_range(&range.text) {
                ranges.push(range.text);
            } else {
                let what = format!("this is no range of the {} classification", key.to_uppercase());
                self.error(range.span, &what, hint);
            }
        }
        ranges
    }

    /// A text that must not be blank. A wrong type is a fault; a missing key is not.
    fn text(&mut self, table: &DeTable<'_>, key: &str) -> Option<Text> {
        let value = table.get(key)?;
        self.text_of(value)
    }

    fn text_of(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Text> {
        let Some(text) = value.get_ref().as_str() else {
            let what = format!("a text in quotes is expected here, and this is {}", article(value.get_ref()));
            self.error(value.span(), &what, "put it in quotes");
            return None;
        };
        if text.trim().is_empty() {
            self.error(value.span(), "this text is empty", "fill it in, or take it out");
            return None;
        }
        Some(Text { text: text.trim().to_owned(), span: value.span() })
    }

    fn texts(&mut self, table: &DeTable<'_>, key: &str) -> Vec<Text> {
        let Some(value) = table.get(key) else { return Vec::new() };
        let Some(values) = value.get_ref().as_array() else {
            let what = format!("a list of texts is expected here, and this is {}", article(value.get_ref()));
            self.error(value.span(), &what, &format!("write `{key} = [\"…\", \"…\"]`"));
            return Vec::new();
        };
        values.iter().filter_map(|value| self.text_of(value)).collect()
    }

    fn tables<'t, 'i>(&mut self, table: &'t DeTable<'i>, key: &str) -> Vec<Spanned<&'t DeTable<'i>>> {
        let Some(value) = table.get(key) else { return Vec::new() };
        let Some(values) = value.get_ref().as_array() else {
            let what = format!("`{key}` is a section that may stand more than once");
            self.error(value.span(), &what, &format!("write `[[{key}]]` with two brackets on each side"));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for value in values {
            match value.get_ref().as_table() {
                Some(table) => tables.push(Spanned::new(value.span(), table)),
                None => {
                    let what =
                        format!("a section is expected here, and this is {}", article(value.get_ref()));
                    self.error(value.span(), &what, &format!("write `[[{key}]]` on a line of its own"));
                }
            }
        }
        tables
    }

    fn unknown_keys(&mut self, table: &DeTable<'_>, known: &[&str]) {
        for key in table.keys() {
            if known.contains(&key.get_ref().as_ref()) {
                continue;
            }
            let hint = match closest_word(key.get_ref(), known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the keys here are {}", known.join(", ")),
            };
            self.error(key.span(), "this key is not known", &hint);
        }
    }

    fn error(&mut self, span: impl Into<Option<Range<usize>>>, what: &str, hint: &str) {
        self.faults.push(Fault::error(self.file, span, what).with_hint(hint));
    }

    fn warning(&mut self, span: impl Into<Option<Range<usize>>>, what: &str, hint: &str) {
        self.faults.push(Fault::warning(self.file, span, what).with_hint(hint));
    }
}

fn article(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

/// `C`, `PA-PM`, `QA75`, `QA75.5-76.95`: one to three capitals, then perhaps numbers.
fn is_lcc(range: &str) -> bool {
    let (first, last) = range.split_once('-').map_or((range, None), |(first, last)| (first, Some(last)));
    let class_end = first.find(|c: char| !c.is_ascii_uppercase()).unwrap_or(first.len());
    let (class, number) = first.split_at(class_end);
    let is_class =
        |class: &str| (1..=3).contains(&class.len()) && class.bytes().all(|b| b.is_ascii_uppercase());
    if !is_class(class) {
        return false;
    }
    match (number.is_empty(), last) {
        (true, None) => true,
        (true, Some(last)) => is_class(last) && class <= last,
        (false, None) => lcc_number(number).is_some(),
        (false, Some(last)) => match (lcc_number(number), lcc_number(last)) {
            (Some(first), Some(last)) => first <= last,
            (Some(_) | None, _) => false,
        },
    }
}

fn lcc_number(number: &str) -> Option<f64> {
    decimal(number, 1..=4)
}

/// `004`, `333.7`, `791-792`: three digits, then perhaps a decimal part.
fn is_ddc(range: &str) -> bool {
    let number = |number| decimal(number, 3..=3);
    match range.split_once('-') {
        None => number(range).is_some(),
        Some((first, last)) => match (number(first), number(last)) {
            (Some(first), Some(last)) => first <= last,
            (Some(_) | None, _) => false,
        },
    }
}

fn decimal(number: &str, digits: std::ops::RangeInclusive<usize>) -> Option<f64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = all_digits(whole) && all_digits(part) && digits.contains(&whole.len()) && part.len() <= 8;
    if is_number { number.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classification_ranges() {
        let rows = [
            ("C", true),
            ("PN", true),
            ("KFX", true),
            ("PA-PM", true),
            ("PN1560-1998", true),
            ("QA75.5-76.95", true),
            ("QA75", true),
            ("pn1560", false),
            ("PN1998-1560", false),
            ("PN1560-", false),
            ("PN1560-PN1998", false),
            ("PM-PA", false),
            ("1560", false),
            ("ABCD", false),
            ("QA75.", false),
            ("QA12345", false),
            ("", false),
        ];
        for (range, expected) in rows {
            assert_eq!(is_lcc(range), expected, "LCC {range:?}");
        }
        let rows = [
            ("004", true),
            ("333.7", true),
            ("791-792", true),
            ("333.7-333.9", true),
            ("792-791", false),
            ("79", false),
            ("7911", false),
            ("791-", false),
            ("79a", false),
            ("", false),
        ];
        for (range, expected) in rows {
            assert_eq!(is_ddc(range), expected, "DDC {range:?}");
        }
    }
}
