//! From the machine's weights to lines that people can read.
//!
//! What a word's shapes say is added to what the word itself says, so that a word has one weight for a
//! subject. How often the subject's questions have the term, against those of others, is mixed in; it
//! steadies rare terms. Each term's weights are counted from their median, since what is said for all
//! subjects alike says nothing. Then the weights that move the fewest questions are left out.
//!
//! **Invariant:** a line's weights add up to what the machine found, as far as they are written.

use std::fmt::Write;

use hashbrown::{HashMap, HashSet};

use crate::subjects::RuleFile;
use crate::subjects::common::CommonWords;
use crate::subjects::compile::TermWords;
use crate::subjects::format::{List, Rules};
use crate::subjects::language::Language;
use crate::subjects::learn::corpus::{Corpus, Form};
use crate::subjects::learn::machine::Weights;
use crate::subjects::learn::space::{Feature, Kind, Space};
use crate::subjects::learned::{EVERY_QUESTION, HEADINGS, LEARNED_ENDING, LEARNED_FOLDER, SUBJECT_LINE};
use crate::subjects::lexicon::Extent;
use crate::subjects::shapes;

/// The smallest scale that is tried, for a weight in points.
pub(super) const SCALE_MIN: f32 = 0.3;

/// How much the frequency of a term counts beside what the machine found.
const FREQUENCY: f32 = 0.6;

/// Added to counts, so that what was never met is not thought impossible.
const UNMET: f32 = 0.05;

/// How much a weight's reach, in questions, counts when the least are left out.
const REACH_POWER: f32 = 0.4;

/// The most that a word counts which stands in questions about anything, in points. How people of one
/// site put their questions is no evidence of what others ask.
const COMMON_WORD_MAX: f32 = 0.5;

/// The shortest short name of a subject, in letters.
const SHORT_NAME_MIN: usize = 3;

/// All learned terms.
#[derive(Debug)]
pub(super) struct Table {
    subjects: Vec<String>,
    words: Vec<Line>,
    phrases: Vec<Line>,
    shapes: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    term: String,
    questions: u32,
    sources: u32,
    /// The place of a subject and its weight, in points of a scale to be found.
    weights: Vec<(usize, f32)>,
    /// The most that it may count, in points.
    most: f32,
}

impl Table {
    /// Writes down at most `most` weights, and one for each term that people wrote.
    pub(super) fn of(
        space: &Space,
        corpus: &Corpus,
        weights: &Weights,
        rules: &[Rules],
        most: usize,
    ) -> Table {
        let found = Found::count(space, corpus);
        let mut rows = Rows::of(space, weights);
        rows.fold_shapes(space, corpus, weights);
        rows.mix_frequencies(space, &found);
        rows.center();
        let written = written_terms(space, corpus, rules);
        let least = rows.least(&found, most);
        let names = shown_terms(space, corpus);
        let common = CommonWords::of(Language::ENGLISH);
        let mut table = Table {
            subjects: corpus.subjects().to_vec(),
            words: Vec::new(),
            phrases: Vec::new(),
            shapes: Vec::new(),
        };
        for (feature, kind, questions) in space.features() {
            let row = rows.of_feature(feature).iter().enumerate();
            let reach = found.reach(feature);
            let is_kept = |subject: usize, weight: f32| {
                weight != 0.0 && (least <= weight.abs() * reach || written.contains(&(feature, subject)))
            };
            let weights: Vec<(usize, f32)> = row
                .filter(|(subject, weight)| is_kept(*subject, **weight))
                .map(|(subject, weight)| (subject, weight / weights.length()))
                .collect();
            let sources = found.sources(feature);
            let (lines, term) = match kind {
                Kind::Word(stem) => (&mut table.words, names.word(stem)),
                Kind::Pair(one, other) => (&mut table.phrases, names.pair((one, other))),
                Kind::Shape(shape) => (&mut table.shapes, Some(shapes::shown(space.shape(shape)))),
            };
            let is_common = term.as_ref().is_some_and(|term| common.contain(term));
            let most = if is_common { COMMON_WORD_MAX } else { f32::INFINITY };
            // A word without weights has a line all the same: its shapes are not to be asked.
            if !weights.is_empty() || matches!(kind, Kind::Word(_)) {
                lines.extend(term.map(|term| Line { term, questions, sources, weights, most }));
            }
        }
        table.words.push(base(corpus, weights));
        for lines in [&mut table.words, &mut table.phrases, &mut table.shapes] {
            lines.sort_by(|one, other| one.term.cmp(&other.term));
        }
        table
    }

    pub(super) fn terms(&self) -> usize {
        self.words.len() + self.phrases.len() + self.shapes.len()
    }

    pub(super) fn weights(&self) -> usize {
        let lines = self.words.iter().chain(&self.phrases).chain(&self.shapes);
        lines.map(|line| line.weights.len()).sum()
    }

    /// The learned files, with weights of this scale.
    pub(super) fn files(&self, scale: f32) -> Vec<RuleFile> {
        let names = short_names(&self.subjects);
        let kinds = [("words", &self.words), ("phrases", &self.phrases), ("shapes", &self.shapes)];
        let file = |(kind, lines): (&str, &Vec<Line>)| {
            let mut text = format!(
                "# Learned {kind}. Written by `stumper rules learn`, which writes them anew: to change what\n\
                 # a term counts, write it into a list of the subject's rule file.\n"
            );
            for (subject, name) in self.subjects.iter().zip(&names) {
                let _ = writeln!(text, "{SUBJECT_LINE}\t{name}\t{subject}");
            }
            text.push_str(HEADINGS);
            text.push('\n');
            lines.iter().for_each(|line| line.write(&mut text, &names, scale));
            let name = format!("{LEARNED_FOLDER}/{kind}.{LEARNED_ENDING}");
            RuleFile { name, text: text.into_bytes() }
        };
        kinds.map(file).into()
    }
}

impl Line {
    fn write(&self, text: &mut String, names: &[&str], scale: f32) {
        let _ = write!(text, "{}\t{}\t{}\t", self.term, self.questions, self.sources);
        let mut between = "";
        for (subject, weight) in &self.weights {
            let hundredths = ((weight * scale).clamp(-self.most, self.most) * 100.0).round() as i16;
            let Some(name) = names.get(*subject).filter(|_| hundredths != 0) else { continue };
            let _ = write!(text, "{between}{name}{hundredths:+}");
            between = " ";
        }
        text.push('\n');
    }
}

/// The line of what every question says.
fn base(corpus: &Corpus, weights: &Weights) -> Line {
    let mut bases = weights.bases().to_vec();
    let median = median(&bases, &mut Vec::new());
    bases.iter_mut().for_each(|base| *base = (*base - median) / weights.length());
    let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    Line {
        term: EVERY_QUESTION.to_owned(),
        questions: count(corpus.len()),
        sources: count(corpus.sources()),
        weights: bases.into_iter().enumerate().collect(),
        most: f32::INFINITY,
    }
}

fn median(weights: &[f32], sorted: &mut Vec<f32>) -> f32 {
    sorted.clear();
    sorted.extend_from_slice(weights);
    sorted.sort_unstable_by(f32::total_cmp);
    let at = |place: usize| sorted.get(place).copied().unwrap_or_default();
    (at(sorted.len() / 2) + at(sorted.len().saturating_sub(1) / 2)) / 2.0
}

/// The shortest beginning of each name that no other name has.
fn short_names(names: &[String]) -> Vec<&str> {
    let short = |name: &String| {
        let is_own = |length: &usize| {
            let beginning = name.get(..*length);
            names.iter().all(|other| other == name || other.get(..*length) != beginning)
        };
        let lengths = SHORT_NAME_MIN.min(name.len())..name.len();
        lengths.clone().find(is_own).unwrap_or(name.len())
    };
    names.iter().map(|name| name.get(..short(name)).unwrap_or(name)).collect()
}

/// What the classifier would find in the questions.
struct Found {
    width: usize,
    /// For each feature and subject, in how many questions.
    counts: Vec<f32>,
    /// The same for each subject.
    questions: Vec<f32>,
    /// For each feature the sources, a bit each.
    sources: Vec<u64>,
    words_of_sources: usize,
}

impl Found {
    fn count(space: &Space, corpus: &Corpus) -> Found {
        let width = corpus.subjects().len();
        let words_of_sources = corpus.sources().div_ceil(64);
        let mut found = Found {
            width,
            counts: vec![0.0; space.len() * width],
            questions: vec![0.0; width],
            sources: vec![0; space.len() * words_of_sources],
            words_of_sources,
        };
        let mut its = Vec::new();
        for question in corpus.questions() {
            let (subject, source) = (usize::from(question.subject), usize::from(question.source));
            found.questions.get_mut(subject).into_iter().for_each(|count| *count += 1.0);
            space.found(corpus, question, &mut its);
            for feature in &its {
                let feature = *feature as usize;
                let count = found.counts.get_mut(feature * width + subject);
                count.into_iter().for_each(|count| *count += 1.0);
                let bits = found.sources.get_mut(feature * words_of_sources + source / 64);
                bits.into_iter().for_each(|bits| *bits |= 1 << (source % 64));
            }
        }
        found
    }

    fn of(&self, feature: Feature) -> &[f32] {
        let start = feature as usize * self.width;
        self.counts.get(start..start + self.width).unwrap_or_default()
    }

    fn sources(&self, feature: Feature) -> u32 {
        let start = feature as usize * self.words_of_sources;
        let bits = self.sources.get(start..start + self.words_of_sources).unwrap_or_default();
        bits.iter().map(|bits| bits.count_ones()).sum()
    }

    /// How many questions a weight of the feature moves, as it counts when the least are left out.
    fn reach(&self, feature: Feature) -> f32 {
        (self.of(feature).iter().sum::<f32>() + 0.3).powf(REACH_POWER)
    }
}

/// One weight for each feature and subject.
struct Rows {
    width: usize,
    weights: Vec<f32>,
}

impl Rows {
    fn of(space: &Space, weights: &Weights) -> Rows {
        let width = weights.subjects();
        let rows =
            space.features().flat_map(|(feature, _, _)| weights.of(feature).iter().take(width).copied());
        Rows { width, weights: rows.collect() }
    }

    fn of_feature(&self, feature: Feature) -> &[f32] {
        let start = feature as usize * self.width;
        self.weights.get(start..start + self.width).unwrap_or_default()
    }

    fn of_feature_mut(&mut self, feature: Feature) -> &mut [f32] {
        let start = feature as usize * self.width;
        self.weights.get_mut(start..start + self.width).unwrap_or_default()
    }

    /// Adds to each word what its shapes say, form by form, as often as the form is written.
    fn fold_shapes(&mut self, space: &Space, corpus: &Corpus, weights: &Weights) {
        let mut written = vec![0_u32; corpus.stems()];
        for form in corpus.forms() {
            written.get_mut(form.stem as usize).into_iter().for_each(|count| *count += form.questions);
        }
        for (number, form) in (0..).zip(corpus.forms()) {
            let Some(word) = space.word(form.stem) else { continue };
            let all = written.get(form.stem as usize).copied().unwrap_or_default().max(1);
            let share = form.questions as f32 / all as f32;
            for shape in space.shapes_of(number) {
                let row = self.of_feature_mut(word);
                row.iter_mut().zip(weights.of(*shape)).for_each(|(sum, weight)| *sum += share * weight);
            }
        }
    }

    fn mix_frequencies(&mut self, space: &Space, found: &Found) {
        for (feature, kind, _) in space.features() {
            if matches!(kind, Kind::Shape(_)) {
                continue;
            }
            let shares = found.of(feature).iter().zip(&found.questions);
            let logs: Vec<f32> =
                shares.map(|(count, all)| ((count + UNMET) / (all + 2.0 * UNMET)).ln()).collect();
            let mean = logs.iter().sum::<f32>() / logs.len().max(1) as f32;
            let row = self.of_feature_mut(feature);
            row.iter_mut().zip(logs).for_each(|(weight, log)| *weight += FREQUENCY * (log - mean));
        }
    }

    fn center(&mut self) {
        let mut sorted = Vec::new();
        for row in self.weights.chunks_exact_mut(self.width) {
            let median = median(row, &mut sorted);
            row.iter_mut().for_each(|weight| *weight -= median);
        }
    }

    /// What a weight must move for the `most` that move most to be kept.
    fn least(&self, found: &Found, most: usize) -> f32 {
        let rows = (0..).zip(self.weights.chunks_exact(self.width));
        let moves = rows.flat_map(|(feature, row)| {
            let reach = found.reach(feature);
            row.iter().map(move |weight| weight.abs() * reach)
        });
        let mut moves: Vec<f32> = moves.filter(|moves| 0.0 < *moves).collect();
        match moves.len().checked_sub(most) {
            None | Some(0) => 0.0,
            Some(place) => *moves.select_nth_unstable_by(place, f32::total_cmp).1,
        }
    }
}

/// The words and pairs that people wrote into lists of subjects that are learned.
fn written_terms(space: &Space, corpus: &Corpus, rules: &[Rules]) -> HashSet<(Feature, usize)> {
    let english = Language::ENGLISH.rules();
    let stems: HashMap<String, u32> =
        corpus.forms().iter().map(|form| (english.stem(&form.text).into_owned(), form.stem)).collect();
    let mut written = HashSet::new();
    let mut words = TermWords::default();
    for rules in rules {
        let place = corpus.subjects().binary_search_by(|subject| subject.as_str().cmp(rules.id.as_str()));
        let Ok(subject) = place else { continue };
        let lists = [List::Strong, List::Weak, List::Against];
        let terms = rules.terms.iter().filter(|t| t.language == Language::ENGLISH && lists.contains(&t.list));
        for term in terms {
            if words.read(&term.text).is_err() || words.iter().any(|(_, extent)| extent != Extent::Whole) {
                continue;
            }
            let stem = |(folded, _)| stems.get(english.stem(english.base(folded)).as_ref()).copied();
            let feature = match words.iter().map(stem).collect::<Vec<_>>().as_slice() {
                [Some(word)] => space.word(*word),
                [Some(one), Some(other)] => space.pair(*one, *other),
                _ => None,
            };
            written.extend(feature.map(|feature| (feature, subject)));
        }
    }
    written
}

/// Each term in the form that most questions have.
struct ShownTerms {
    words: HashMap<u32, String>,
    pairs: HashMap<(u32, u32), String>,
}

impl ShownTerms {
    fn word(&self, stem: u32) -> Option<String> {
        self.words.get(&stem).cloned()
    }

    fn pair(&self, pair: (u32, u32)) -> Option<String> {
        self.pairs.get(&pair).cloned()
    }
}

fn shown_terms(space: &Space, corpus: &Corpus) -> ShownTerms {
    let mut words: HashMap<u32, &Form> = HashMap::new();
    for form in corpus.forms().iter().filter(|form| reads_as(&form.text, 1)) {
        let shown = words.entry(form.stem).or_insert(form);
        if (shown.questions, &form.text) < (form.questions, &shown.text) {
            *shown = form;
        }
    }
    let mut written: HashMap<(u32, u32), u32> = HashMap::new();
    for question in corpus.questions() {
        for (one, other) in question.forms.iter().zip(question.forms.iter().skip(1)) {
            if space.pair(corpus.form(*one).stem, corpus.form(*other).stem).is_some() {
                *written.entry((*one, *other)).or_default() += 1;
            }
        }
    }
    let mut pairs: HashMap<(u32, u32), (u32, String)> = HashMap::new();
    for ((one, other), count) in written {
        let (one, other) = (corpus.form(one), corpus.form(other));
        let text = format!("{} {}", one.text, other.text);
        if !reads_as(&text, 2) {
            continue;
        }
        let shown = pairs.entry((one.stem, other.stem)).or_insert_with(|| (count, text.clone()));
        if (shown.0, &text) < (count, &shown.1) {
            *shown = (count, text);
        }
    }
    ShownTerms {
        words: words.into_iter().map(|(stem, form)| (stem, form.text.to_string())).collect(),
        pairs: pairs.into_iter().map(|(pair, (_, text))| (pair, text)).collect(),
    }
}

/// Whether a term, written into a file, is read again as so many words.
fn reads_as(term: &str, words: usize) -> bool {
    let mut read = TermWords::default();
    read.read(term).is_ok() && read.iter().count() == words
}
