//! How fast questions are classified with the rules that come with the desk.
//!
//! **Invariant:** only the classifying is measured; rules are read and compiled before, except where
//! that is what is measured.

use std::path::Path;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use stumper::config::rules_dir;
use stumper::subjects::{RuleFile, Subjects};

/// Questions as patrons write them: short and long, with hashtags, accents and other scripts.
const QUESTIONS: &[&str] = &[
    "When did the Ottoman Empire lose control of Algiers, and who governed the city afterwards?",
    "hi! does anyone know how to get red wine out of a wool carpet?? it has been there since saturday 😬",
    "@desk looking for primary sources on women in the resistance, #WorldWarTwo #Twitterstorians",
    "Which café in Montréal did Leonard Cohen write in? I remember a naïve mural on its wall.",
    "Is there a closed formula for the number of spanning trees of a complete bipartite graph?",
    "My sourdough doesn’t rise any more since I changed the flour. What should I try first?",
    "Kann ich als Gast Bücher ausleihen, und wie lange darf ich sie behalten?",
    "What is the difference between a solicitor and a barrister in England & Wales?",
    "#genealogy My great-grandfather came from Łódź around 1905. Where would I find a passenger list?",
    "¿Qué poeta escribió «Caminante, no hay camino»?",
    "Why does the moon look larger near the horizon? I took two photos and it's the same size in both.",
    "I am writing a paper about how public libraries in small towns changed their opening hours during the \
     influenza pandemic of 1918. Newspapers mention closures, but I would like to find minutes of library \
     boards or annual reports. Are such reports digitised anywhere, and what were they called at the time?",
];

/// How often the questions are repeated, for several threads to have something to do.
const ROUNDS: usize = 50;

fn main() {
    divan::main();
}

fn files() -> Vec<RuleFile> {
    rules_dir::read(Path::new("rules")).expect("the bench runs where the rules are")
}

fn texts() -> Vec<&'static str> {
    QUESTIONS.repeat(ROUNDS)
}

/// One reader for all texts, as the desk does it: known words are remembered.
#[divan::bench]
fn classify_known_words(bencher: Bencher<'_, '_>) {
    let (subjects, _) = Subjects::compile(&files());
    let texts = texts();
    let mut reader = subjects.reader();
    bencher
        .counter(ItemsCount::new(texts.len()))
        .counter(BytesCount::new(texts.iter().map(|text| text.len()).sum::<usize>()))
        .bench_local(|| texts.iter().map(|text| reader.classify(text, None).matched.len()).sum::<usize>());
}

/// A new reader for each text: every word is new.
#[divan::bench]
fn classify_new_words(bencher: Bencher<'_, '_>) {
    let (subjects, _) = Subjects::compile(&files());
    let texts = texts();
    bencher
        .counter(ItemsCount::new(texts.len()))
        .bench_local(|| texts.iter().map(|text| subjects.classify(text, None).matched.len()).sum::<usize>());
}

/// From bytes to a classifier.
#[divan::bench]
fn compile(bencher: Bencher<'_, '_>) {
    let files = files();
    bencher.counter(ItemsCount::new(files.len())).bench_local(|| Subjects::compile(&files).0.iter().count());
}
