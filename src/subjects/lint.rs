//! Advice on rule files that work and could work better.
//!
//! **Invariant:** everything found here is a warning, and comes after every fault that
//! [`Subjects::compile`](crate::subjects::Subjects::compile) finds.

use std::collections::{HashMap, HashSet};

use crate::fault::{Fault, Position};
use crate::subjects::common::CommonWords;
use crate::subjects::compile::{Placed, TermWords, compile};
use crate::subjects::format::{ExampleText, List, Rules, Term};
use crate::subjects::language::Language;
use crate::subjects::lexicon::{Extent, TermId};
use crate::subjects::words::{fold_phrase, fold_tag};
use crate::subjects::{RuleFile, Subjects, screening, weights};

/// A subject with fewer terms finds next to nothing.
const TERMS_MIN: usize = 10;

/// Signs that people write into terms and may believe to matter.
const SIGNS: [char; 8] = ['+', '#', '@', '$', '%', '=', '<', '>'];

/// All faults of the files, and all advice.
pub fn lint(files: &[RuleFile]) -> Vec<Fault> {
    let (_, mut faults) = Subjects::compile(files);
    let sources: Sources = files.iter().map(|file| (file.name.as_str(), file.text.as_slice())).collect();
    let (kinds, others): (Vec<_>, Vec<_>) = files.iter().partition(|file| screening::is_of_screening(file));
    // A word may tell a subject and a kind of post; neither is in the other's way.
    let (kinds, subjects) = (Terms::of(&kinds), Terms::of(&others));
    advise(&kinds, &sources, &mut faults);
    advise(&subjects, &sources, &mut faults);
    // Kinds of posts are told by everyday words.
    faults.extend(everywhere(&subjects));
    let told: Told =
        faults.iter().filter_map(|fault| Some((fault.file.clone(), fault.span.clone()?.start))).collect();
    faults.extend(not_found_in_own_words(files, &subjects, &sources, &told));
    faults.sort_by_key(|fault| (fault.file.clone(), fault.span.as_ref().map(|span| span.start)));
    faults
}

/// Advice on files whose subjects, or kinds of posts, are told from each other.
fn advise(terms: &Terms, sources: &Sources<'_>, faults: &mut Vec<Fault>) {
    terms.rules.iter().for_each(|rules| whole_file(rules, faults));
    faults.extend(same_stems(terms, sources));
    faults.extend(strong_elsewhere(terms));
    faults.extend(never_counted(terms, sources));
    faults.extend(against_own_hashtags(terms, sources));
    faults.extend(without_signs(terms));
    terms.rules.iter().for_each(|rules| repeated_examples(rules, sources, faults));
}

/// The files as they were read, and all their terms.
#[derive(Default)]
struct Terms {
    rules: Vec<Rules>,
    placed: Vec<PlacedTerm>,
}

impl Terms {
    fn of(files: &[&RuleFile]) -> Terms {
        let mut terms = Terms::default();
        compile(files.iter().copied(), |rules, placed| terms.add(rules, placed));
        terms
    }

    fn add(&mut self, rules: Rules, placed: Vec<Placed>) {
        let file = self.rules.len();
        for placed in placed {
            let words = rules.terms.get(placed.term).map(|term| words_of(&term.text)).unwrap_or_default();
            self.placed.push(PlacedTerm { file, words, placed });
        }
        self.rules.push(rules);
    }

    /// Every term with its file and the words it came to.
    fn iter(&self) -> impl Iterator<Item = Holder<'_>> {
        self.placed.iter().filter_map(|PlacedTerm { file, words, placed }| {
            let rules = self.rules.get(*file)?;
            Some(Holder { file: *file, rules, term: rules.terms.get(placed.term)?, words, placed })
        })
    }
}

/// A term that was placed.
struct PlacedTerm {
    /// Its file's place in the list of files.
    file: usize,
    words: Vec<TermWord>,
    placed: Placed,
}

/// One word of a term.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct TermWord {
    folded: String,
    extent: Extent,
}

fn words_of(term: &str) -> Vec<TermWord> {
    let mut words = TermWords::default();
    // What was placed has been read before, without a fault.
    let _ = words.read(term);
    words.iter().map(|(folded, extent)| TermWord { folded: folded.to_owned(), extent }).collect()
}

/// A term, its file, and the words it came to.
#[derive(Clone, Copy)]
struct Holder<'t> {
    file: usize,
    rules: &'t Rules,
    term: &'t Term,
    words: &'t [TermWord],
    placed: &'t Placed,
}

/// Where there is something to tell already.
type Told = HashSet<(String, usize)>;

/// The bytes of each file, for naming lines: a fault quotes no terms.
type Sources<'a> = HashMap<&'a str, &'a [u8]>;

fn whole_file(rules: &Rules, faults: &mut Vec<Fault>) {
    if rules.examples.is_empty() {
        let hint = "add `[[example]]` with `yes = \"…\"`, a question that should be found";
        faults.push(Fault::warning(&rules.file, None, "there are no examples").with_hint(hint));
    }
    let terms = rules.terms.iter().filter(|term| !matches!(term.list, List::Against | List::Ignore)).count();
    if terms < TERMS_MIN {
        let what = format!("there are fewer than {TERMS_MIN} terms");
        faults.push(Fault::warning(&rules.file, None, what).with_hint("add the words patrons use"));
    }
}

/// Terms that come to the same stems as one before them in the file.
fn same_stems(terms: &Terms, sources: &Sources<'_>) -> Vec<Fault> {
    let by_id: HashMap<TermId, Holder<'_>> = terms.iter().map(|holder| (holder.placed.id, holder)).collect();
    let fault = |Holder { rules, term, placed, .. }: Holder<'_>| {
        let first = by_id.get(&placed.same_as?)?;
        if (first.term.list == List::Against) != (term.list == List::Against) {
            let what = "this term speaks for the subject and against it: it is a form of one before it, which counts";
            let hint = format!("take one of the two out; the other is in line {}", line(sources, first));
            return Some(Fault::warning(&rules.file, term.span.clone(), what).with_hint(hint));
        }
        let what = "this term is another form of one before it, which counts";
        let hint = format!("keep one of the two; the other is in line {}", line(sources, first));
        Some(Fault::warning(&rules.file, term.span.clone(), what).with_hint(hint))
    };
    terms.iter().filter_map(fault).collect()
}

/// Strong terms that are strong in another subject too, so that neither can win by them.
fn strong_elsewhere(terms: &Terms) -> Vec<Fault> {
    let mut holders: HashMap<(Language, Vec<TermWord>), Vec<Holder<'_>>> = HashMap::new();
    for holder in terms.iter().filter(|holder| holder.term.list == List::Strong) {
        let key = (holder.term.language, stems(holder.words, holder.term.language));
        holders.entry(key).or_default().push(holder);
    }
    let mut faults = Vec::new();
    for holders in holders.values() {
        for holder in holders {
            let mut others = holders.iter().filter(|other| other.file != holder.file);
            let Some(other) = others.next() else { continue };
            let what = format!("this term is also strong in {}", other.rules.file);
            let hint = "make it weak in one of them, or a longer phrase";
            faults.push(Fault::warning(&holder.rules.file, holder.term.span.clone(), what).with_hint(hint));
        }
    }
    faults
}

/// Terms that only stand where a `word*` term of the same file counts instead of them.
fn never_counted(terms: &Terms, sources: &Sources<'_>) -> Vec<Fault> {
    let place = |holder: &Holder<'_>| (holder.file, holder.words.len());
    let mut starred: HashMap<_, Vec<Holder<'_>>> = HashMap::new();
    for holder in terms.iter() {
        if holder.words.iter().any(|word| word.extent == Extent::Beginning) {
            starred.entry((place(&holder), &holder.term.language)).or_default().push(holder);
        }
    }
    let fault = |holder: Holder<'_>| {
        let wider = starred.get(&(place(&holder), &holder.term.language))?;
        let wide =
            wider.iter().find(|wide| wide.placed.id != holder.placed.id && counts_instead(wide, &holder))?;
        let what = "this term never counts: a wider one always stands there too";
        let hint = format!("take it out; the wider one is in line {}", line(sources, wide));
        Some(Fault::warning(&holder.rules.file, holder.term.span.clone(), what).with_hint(hint))
    };
    terms.iter().filter(|holder| holder.placed.same_as.is_none()).filter_map(fault).collect()
}

fn counts_instead(wide: &Holder<'_>, narrow: &Holder<'_>) -> bool {
    let (wide_weight, weight) = (weights::of(wide.term.list).abs(), weights::of(narrow.term.list).abs());
    let is_first = wide_weight > weight || (wide_weight == weight && wide.term.list == narrow.term.list);
    let rules = narrow.term.language.rules();
    let covers = |(wide, word): (&TermWord, &TermWord)| {
        let base = rules.base(&word.folded);
        let stem = rules.stem(base);
        match (wide.extent, word.extent) {
            (Extent::Beginning, Extent::Whole) => {
                base.starts_with(&wide.folded) && stem.starts_with(&wide.folded)
            }
            (Extent::Beginning, Extent::Beginning) => base.starts_with(&wide.folded),
            (Extent::Whole, Extent::Whole) => rules.stem(rules.base(&wide.folded)) == stem,
            (Extent::Whole, Extent::Beginning) => false,
        }
    };
    is_first && wide.words.iter().zip(narrow.words).all(covers)
}

/// Terms that speak against a subject whose own hashtag they are.
fn against_own_hashtags(terms: &Terms, sources: &Sources<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for rules in &terms.rules {
        let tags: HashMap<String, &Term> = rules
            .terms
            .iter()
            .filter(|term| term.list == List::Hashtags)
            .map(|term| (fold_tag(&term.text), term))
            .collect();
        for term in rules.terms.iter().filter(|term| term.list == List::Against) {
            let Some(tag) = tags.get(&fold_phrase(&term.text).replace(' ', "")) else { continue };
            let what = "this term speaks against the subject, and is one of its hashtags";
            let hint =
                format!("take one of the two out; the hashtag is in line {}", line_of(sources, rules, tag));
            faults.push(Fault::warning(&rules.file, term.span.clone(), what).with_hint(hint));
        }
    }
    faults
}

/// Words that fit questions about anything. Phrases of such words may well tell a subject: "to be or not
/// to be" is literature's.
fn everywhere(terms: &Terms) -> Vec<Fault> {
    let mut known: HashMap<Language, CommonWords> = HashMap::new();
    let mut faults = Vec::new();
    for holder in terms.iter() {
        let [word] = holder.words else { continue };
        let language = holder.term.language;
        let common = known.entry(language).or_insert_with(|| CommonWords::of(language));
        let Some(fitting) = common_word(common, word) else { continue };
        let (what, hint) = match word.extent {
            Extent::Whole => (
                "this stands in questions about anything, so it says nothing about the subject".to_owned(),
                "take it out, or make it a phrase",
            ),
            Extent::Beginning => (
                format!("this fits `{fitting}` too, which stands in questions about anything"),
                "write more letters before the star, or the words you mean",
            ),
        };
        faults.push(Fault::warning(&holder.rules.file, holder.term.span.clone(), what).with_hint(hint));
    }
    faults
}

/// A common word that this one fits.
fn common_word<'w>(common: &'w CommonWords, word: &'w TermWord) -> Option<&'w str> {
    match word.extent {
        Extent::Whole => common.contain(&word.folded).then_some(word.folded.as_str()),
        Extent::Beginning => common.beginning_with(&word.folded),
    }
}

/// Terms that are less than they look: most signs are not looked at.
fn without_signs(terms: &Terms) -> Vec<Fault> {
    let is_lost = |holder: &Holder<'_>| {
        let is_read = |sign: char| holder.words.iter().any(|word| word.folded.contains(sign));
        holder.term.text.chars().any(|sign| SIGNS.contains(&sign) && !is_read(sign))
    };
    let fault = |holder: Holder<'_>| {
        let read: Vec<&str> = holder.words.iter().map(|word| word.folded.as_str()).collect();
        let what = format!("signs are not looked at, so this is found wherever `{}` stands", read.join(" "));
        let hint = "write it in words, or take it out; hashtags have a list of their own";
        Fault::warning(&holder.rules.file, holder.term.span.clone(), what).with_hint(hint)
    };
    terms.iter().filter(is_lost).map(fault).collect()
}

/// Examples that say what another one says, or the contrary.
fn repeated_examples(rules: &Rules, sources: &Sources<'_>, faults: &mut Vec<Fault>) {
    let mut first: HashMap<String, &ExampleText> = HashMap::new();
    for example in &rules.examples {
        let Some(before) = first.insert(fold_phrase(&example.text), example) else { continue };
        let line = line_at(sources, rules, before.span.start);
        let (what, hint) = if before.wants == example.wants {
            ("this example stands in the file before", format!("take it out; the other is in line {line}"))
        } else {
            (
                "this example says `yes` and `no`",
                format!("take one of the two out; the other is in line {line}"),
            )
        };
        faults.push(Fault::warning(&rules.file, example.span.clone(), what).with_hint(hint));
    }
}

/// Terms that are not found even in their own words, because another one of the subject counts there.
fn not_found_in_own_words(
    files: &[RuleFile],
    terms: &Terms,
    sources: &Sources<'_>,
    told: &Told,
) -> Vec<Fault> {
    let (subjects, _) = Subjects::compile(files);
    let mut reader = subjects.reader();
    let mut faults = Vec::new();
    for holder in terms.iter().filter(|holder| holder.placed.same_as.is_none()) {
        let Holder { rules, term, .. } = holder;
        if told.contains(&(rules.file.clone(), term.span.start)) {
            continue;
        }
        let found = reader.classify(&term.text.replace('*', ""), Some(term.language.code())).matched;
        let of_subject: Vec<&str> =
            found.iter().filter(|found| found.subject == rules.id).map(|found| found.term.as_str()).collect();
        if of_subject.contains(&term.text.as_str()) {
            continue;
        }
        let what = "this term is not found in its own words: another one of the subject counts there";
        let other = rules.terms.iter().find(|other| of_subject.contains(&other.text.as_str()));
        // A word that English shares counts the same from either list.
        if other.is_some_and(|other| other.language != term.language) {
            continue;
        }
        let hint = match other {
            Some(other) => format!("take it out; the other is in line {}", line_of(sources, rules, other)),
            None => "take it out; `stumper rules explain` shows the other".to_owned(),
        };
        faults.push(Fault::warning(&rules.file, term.span.clone(), what).with_hint(hint));
    }
    faults
}

fn stems(words: &[TermWord], language: Language) -> Vec<TermWord> {
    let rules = language.rules();
    let stem = |word: &TermWord| match word.extent {
        Extent::Beginning => word.clone(),
        Extent::Whole => TermWord { folded: rules.stem(rules.base(&word.folded)).into_owned(), ..*word },
    };
    words.iter().map(stem).collect()
}

fn line(sources: &Sources<'_>, holder: &Holder<'_>) -> usize {
    line_of(sources, holder.rules, holder.term)
}

fn line_of(sources: &Sources<'_>, rules: &Rules, term: &Term) -> usize {
    line_at(sources, rules, term.span.start)
}

fn line_at(sources: &Sources<'_>, rules: &Rules, offset: usize) -> usize {
    let source = sources.get(rules.file.as_str()).and_then(|text| std::str::from_utf8(text).ok());
    Position::of(source.unwrap_or_default(), offset).line
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The advice on a rule file, beside what every short file is told, as `line: what (hint)`.
    fn advice(rules: &str) -> Vec<String> {
        let text = format!("id = \"x\"\nname = \"X\"\n{rules}");
        let file = RuleFile { name: "x.toml".to_owned(), text: text.clone().into_bytes() };
        let told = |fault: Fault| {
            let line = fault.position(&text)?.line;
            Some(format!("{line}: {} ({})", fault.what, fault.hint.unwrap_or_default()))
        };
        lint(&[file]).into_iter().filter_map(told).collect()
    }

    #[track_caller]
    fn check(rules: &str, expected: &[&str]) {
        assert_eq!(advice(rules), expected, "{rules}");
    }

    #[test]
    fn terms_that_match_everything() {
        let nothing = "this stands in questions about anything, so it says nothing about the subject \
                       (take it out, or make it a phrase)";
        check("weak = [\"opera\", \"How\"]", &[&format!("3: {nothing}")]);
        check("weak = [\"to be or not to be\", \"back up\"]", &[]);
        check(
            "strong = [\"the*\", \"opera*\"]",
            &["3: this fits `the` too, which stands in questions about anything \
               (write more letters before the star, or the words you mean)"],
        );
        for (language, word) in [("es", "dónde"), ("fr", "très"), ("de", "für"), ("de", "WARUM")] {
            let rules = format!("[[terms]]\nlanguage = \"{language}\"\nweak = [\"{word}\"]");
            check(&rules, &[&format!("5: {nothing}")]);
        }
        check("[[terms]]\nlanguage = \"de\"\nweak = [\"the\", \"die Bahn\"]", &[]);
    }

    #[test]
    fn terms_that_are_less_than_they_look() {
        check(
            "strong = [\"#opera\", \"c++\", \"c#\"]",
            &["3: signs are not looked at, so this is found wherever `opera` stands \
               (write it in words, or take it out; hashtags have a list of their own)"],
        );
    }

    #[test]
    fn terms_that_contradict() {
        check(
            "strong = [\"train\"]\nagainst = [\"Train\"]",
            &[
                "4: this term stands in another list of the file, which counts: it cannot be for and against ()",
            ],
        );
        check(
            "strong = [\"train\"]\nagainst = [\"trains\"]",
            &[
                "4: this term speaks for the subject and against it: it is a form of one before it, which counts \
               (take one of the two out; the other is in line 3)",
            ],
        );
        check(
            "hashtags = [\"SteamTrain\"]\nagainst = [\"steam train\"]",
            &["4: this term speaks against the subject, and is one of its hashtags \
               (take one of the two out; the hashtag is in line 3)"],
        );
        check(
            "[[example]]\nyes = \"Which train?\"\n[[example]]\nno = \"which train\"",
            &["6: this example says `yes` and `no` (take one of the two out; the other is in line 4)"],
        );
    }

    #[test]
    fn terms_and_examples_that_repeat() {
        check("strong = [\"opera\", \"Opera\"]", &["3: this term stands in the list before ()"]);
        check(
            "strong = [\"opera\"]\nweak = [\"operas\"]",
            &[
                "4: this term is another form of one before it, which counts (keep one of the two; the other is in line 3)",
            ],
        );
        check(
            "[[example]]\nyes = \"Which opera?\"\n[[example]]\nyes = \"which opera\"",
            &["6: this example stands in the file before (take it out; the other is in line 4)"],
        );
    }

    #[test]
    fn terms_that_never_match() {
        check(
            "strong = [\"opera*\"]\nweak = [\"operatic\"]",
            &[
                "4: this term never counts: a wider one always stands there too (take it out; the wider one is in line 3)",
            ],
        );
        // The stem of "doctorate" is "doctor", so the weak term does count somewhere, but not there.
        check(
            "strong = [\"doctora*\"]\nweak = [\"doctorate\"]",
            &["4: this term is not found in its own words: another one of the subject counts there \
               (take it out; the other is in line 3)"],
        );
        check("strong = [\"geocaching\"]\n[[terms]]\nlanguage = \"de\"\nweak = [\"geocaching\"]", &[]);
    }
}
