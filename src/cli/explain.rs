//! `stumper rules explain`: where a text goes, and why, term by term, for the people who write rules.
//!
//! **Invariant:** everything shown comes from the classification itself; nothing is weighed again here.
//! Whatever colours say is said in words and signs as well.

mod shown;

use std::collections::BTreeSet;
use std::io::{BufRead, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::cli::Exit;
use crate::cli::classify::{RULES_DIR, each_text, rule_files, source_of, subjects_of};
use crate::cli::marks::number;
use crate::cli::render::Colours;
use crate::fault::Position;
use crate::subjects::{Classification, Match, Origin, Origins, RuleFile, SubjectId, Subjects, Support};

/// What a term's list is called where it is in no rule file that a person wrote.
const LEARNED: &str = "learned";

/// Show why texts go where they go
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// A text; `-` reads one text a line from standard input
    #[arg(value_name = "TEXT", required = true)]
    pub texts: Vec<String>,
    /// The directory of rule files
    #[arg(long, value_name = "DIR", default_value = RULES_DIR)]
    pub rules: PathBuf,
    /// The language the texts declare, such as `de` or `pt-BR`
    #[arg(long, value_name = "TAG")]
    pub language: Option<String>,
    /// One line of JSON a text
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
///
/// Where standard input or output fails. Faults of the rules are told on `err`.
pub(super) fn explain(
    args: &ExplainArgs,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
    err: &mut dyn Write,
    colours: Colours,
) -> anyhow::Result<Exit> {
    let Some(subjects) = subjects_of(&args.rules, err, colours.err)? else { return Ok(Exit::InputAtFault) };
    let Some(files) = rule_files(&args.rules, err)? else { return Ok(Exit::InputAtFault) };
    let origins = Origins::of(&files);
    let mut reader = subjects.reader();
    let mut gap = "";
    each_text(&args.texts, input, err, &mut |text| {
        let found = reader.classify(text, args.language.as_deref());
        let explained =
            Explained::of(text, &found, &Known { subjects: &subjects, origins: &origins, files: &files });
        if args.json {
            serde_json::to_writer(&mut *out, &explained)?;
            writeln!(out)?;
        } else {
            write!(out, "{gap}{}", explained.show(colours.out))?;
            gap = "\n\n";
        }
        out.flush()
    })
}

/// What is known about the rules.
struct Known<'a> {
    subjects: &'a Subjects,
    origins: &'a Origins,
    files: &'a [RuleFile],
}

/// A text and all that was said for and against subjects.
#[derive(Debug, Serialize)]
struct Explained<'a> {
    text: &'a str,
    language: Option<&'a str>,
    /// The subjects whose librarians are asked, best first. None: the general desk.
    chosen: Vec<&'a SubjectId>,
    why: String,
    /// Best first; those that nothing but `against` terms was found of at the end.
    subjects: Vec<Sum<'a>>,
}

/// What was found of one subject.
#[derive(Debug, Serialize)]
struct Sum<'a> {
    id: &'a SubjectId,
    name: String,
    score: f64,
    /// `None` where the score is not above 0.
    confidence: Option<f64>,
    terms: Vec<Found<'a>>,
}

/// A term that was found.
#[derive(Debug, Serialize)]
struct Found<'a> {
    term: &'a str,
    weight: f64,
    /// The words of the text.
    words: &'a str,
    start: usize,
    end: usize,
    /// The list of the rule file it stands in, or `learned`.
    list: &'static str,
    /// The language it is of, where that is not English.
    #[serde(rename = "term_language")]
    language: Option<&'a str>,
    file: Option<&'a str>,
    line: Option<usize>,
    /// In how many questions a learned term was met.
    #[serde(skip_serializing_if = "Option::is_none")]
    learned: Option<Support>,
    /// Whether people see it marked in the text.
    #[serde(skip)]
    is_marked: bool,
}

impl<'a> Explained<'a> {
    fn of(text: &'a str, found: &'a Classification, known: &Known<'a>) -> Explained<'a> {
        let ranked = found.subjects.iter().map(|ranked| (&ranked.id, Some(ranked.confidence), ranked.score));
        let is_ranked = |id: &SubjectId| found.subjects.iter().any(|ranked| ranked.id == *id);
        let others: BTreeSet<&SubjectId> =
            found.matched.iter().map(|term| &term.subject).filter(|id| !is_ranked(id)).collect();
        let others = others.into_iter().map(|id| {
            let weights = found.matched.iter().filter(|term| term.subject == *id).map(|term| term.weight);
            (id, None, weights.sum())
        });
        let subjects: Vec<Sum<'a>> = ranked
            .chain(others)
            .map(|(id, confidence, score)| {
                let mut terms: Vec<Found<'a>> = found
                    .matched
                    .iter()
                    .filter(|term| term.subject == *id)
                    .map(|term| Found::of(term, text, known))
                    .collect();
                terms.sort_by(|one, other| other.weight.total_cmp(&one.weight));
                Sum { id, name: name_of(id, known.subjects), score, confidence, terms }
            })
            .collect();
        let chosen: Vec<&SubjectId> = found.chosen().iter().map(|ranked| &ranked.id).collect();
        let why = why(&chosen, &subjects);
        Explained { text, language: found.language.as_deref(), chosen, why, subjects }
    }
}

impl<'a> Found<'a> {
    fn of(found: &'a Match, text: &'a str, known: &Known<'a>) -> Found<'a> {
        let origin: Option<&'a Origin> = known.origins.find(found, text);
        let source = origin.and_then(|origin| source_of(known.files, &origin.file));
        Found {
            term: &found.term,
            weight: found.weight,
            words: text.get(found.start..found.end).unwrap_or_default(),
            start: found.start,
            end: found.end,
            list: origin.map_or(LEARNED, |origin| origin.list.key()),
            language: origin.map(|origin| origin.language.as_str()).filter(|language| *language != "en"),
            file: origin.map(|origin| origin.file.as_str()),
            line: origin.zip(source).map(|(origin, source)| Position::of(source, origin.span.start).line),
            learned: found.learned,
            is_marked: found.is_telling(),
        }
    }
}

fn name_of(id: &SubjectId, subjects: &Subjects) -> String {
    subjects.get(id).map_or_else(|| id.to_string(), |subject| subject.name.clone())
}

/// Why it was decided so, in a sentence or two.
fn why(chosen: &[&SubjectId], subjects: &[Sum<'_>]) -> String {
    let ranked: Vec<&Sum<'_>> = subjects.iter().filter(|sum| sum.confidence.is_some()).collect();
    match (chosen, ranked.as_slice()) {
        (_, []) if subjects.is_empty() => {
            "No term of any subject stands in it, so it goes to librarians who take any question.".to_owned()
        }
        (_, []) => {
            "What stands in it speaks against subjects and for none, so it goes to librarians who take any question."
                .to_owned()
        }
        ([], [best, ..]) => format!(
            "{} comes first with {}, which is not enough to be sure of it; so it goes to librarians who take any \
             question.",
            best.name,
            number(best.score)
        ),
        ([_], [best]) => format!("Its terms speak for {} and for nothing else.", best.name),
        ([_], [best, second, ..]) => format!(
            "{} comes first with {}; {} follows with {}, which is not close.",
            best.name,
            number(best.score),
            second.name,
            number(second.score)
        ),
        ([_, _, ..], ranked) => {
            let sums: Vec<String> = ranked
                .iter()
                .take(chosen.len())
                .map(|sum| format!("{} has {}", sum.name, number(sum.score)))
                .collect();
            format!("{}: so close that librarians of both are asked.", sums.join(" and "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::Colour;

    const HISTORY: &str = r#"id = "history"
name = "History"
hashtags = ["worldwar"]
strong = ["ottoman*"]
weak = ["king", "empire"]
against = ["browser history"]
[[terms]]
language = "de"
strong = ["mittelalter"]
"#;
    const MUSIC: &str =
        "id = \"music\"\nname = \"Music\"\nstrong = [\"guitar\"]\nweak = [\"king\", \"band\"]\n";
    const COMPUTING: &str =
        "id = \"computing\"\nname = \"Computing\"\nstrong = [\"browser\"]\nagainst = [\"band\"]\n";

    fn run(texts: &[&str], language: Option<&str>, json: bool, colour: Colour) -> String {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("history", HISTORY), ("music", MUSIC), ("computing", COMPUTING)] {
            std::fs::write(dir.path().join(format!("{name}.toml")), text).unwrap();
        }
        let args = ExplainArgs {
            texts: texts.iter().map(|text| (*text).to_owned()).collect(),
            rules: dir.path().to_owned(),
            language: language.map(str::to_owned),
            json,
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let input = &mut std::io::Cursor::new("guitar\n\n");
        let exit =
            explain(&args, input, &mut out, &mut err, Colours { out: colour, err: Colour::Plain }).unwrap();
        assert_eq!((exit, String::from_utf8(err).unwrap().as_str()), (Exit::Fine, ""));
        String::from_utf8(out).unwrap().replace(dir.path().to_str().unwrap(), "rules")
    }

    #[test]
    fn what_was_decided_and_why() {
        let texts = [
            "Which king led the Ottomans?",
            "Ottoman guitar bands",
            "The king is dead",
            "hello",
            "my browser history, and a band",
            "no band",
        ];
        insta::assert_snapshot!(run(&texts, None, false, Colour::Plain), @"
        Which [king]¹² led the [Ottomans]¹?

        → History
          History comes first with 4; Music follows with 1, which is not close.

        ¹ History: 4 in all, 90 % sure
               +3  ottoman* (“Ottomans”)  strong      rules/history.toml:4
               +1  king                   weak        rules/history.toml:5

        ² Music: 1 in all, 1 % sure
               +1  king                   weak        rules/music.toml:4


        [Ottoman]² [guitar]¹ [bands]¹³

        → Music
          Music comes first with 4; History follows with 3, which is not close.

        ¹ Music: 4 in all, 78 % sure
               +3  guitar                strong      rules/music.toml:3
               +1  band (“bands”)        weak        rules/music.toml:4

        ² History: 3 in all, 13 % sure
               +3  ottoman* (“Ottoman”)  strong      rules/history.toml:4

        ³ Computing: −3 in all, ruled out
               −3  band (“bands”)        against     rules/computing.toml:4


        The [king]¹² is dead

        → the general desk (general)
          History comes first with 1, which is not enough to be sure of it; so it goes to librarians who
          take any question.

        ¹ History: 1 in all, 16 % sure
               +1  king  weak        rules/history.toml:5

        ² Music: 1 in all, 16 % sure
               +1  king  weak        rules/music.toml:4


        hello

        → the general desk (general)
          No term of any subject stands in it, so it goes to librarians who take any question.


        my [browser history]²³, and a [band]¹²

        → the general desk (general)
          Music comes first with 1, which is not enough to be sure of it; so it goes to librarians who
          take any question.

        ¹ Music: 1 in all, 19 % sure
               +1  band             weak        rules/music.toml:4

        ² Computing: 0 in all, ruled out
               +3  browser          strong      rules/computing.toml:3
               −3  band             against     rules/computing.toml:4

        ³ History: −3 in all, ruled out
               −3  browser history  against     rules/history.toml:6


        no [band]¹²

        → the general desk (general)
          Music comes first with 1, which is not enough to be sure of it; so it goes to librarians who
          take any question.

        ¹ Music: 1 in all, 19 % sure
               +1  band  weak        rules/music.toml:4

        ² Computing: −3 in all, ruled out
               −3  band  against     rules/computing.toml:4
        ");
    }

    #[test]
    fn other_languages_and_learned_lists_are_named() {
        insta::assert_snapshot!(run(&["Ein König im Mittelalter"], Some("de"), false, Colour::Plain), @"
        Ein König im [Mittelalter]¹
        (Read as German.)

        → History
          Its terms speak for History and for nothing else.

        ¹ History: 3 in all, 83 % sure
               +3  mittelalter  strong, de  rules/history.toml:9
        ");
        let known = Origins::default();
        let subjects = Subjects::default();
        let found = Match {
            subject: SubjectId::new("history"),
            term: "sultan".to_owned(),
            weight: 0.4242,
            start: 4,
            end: 10,
            learned: None,
        };
        let known = Known { subjects: &subjects, origins: &known, files: &[] };
        let shown = Found::of(&found, "The Sultan", &known).show(6, Colour::Plain);
        assert_eq!(shown, "    +0.42  sultan  learned\n");
    }

    #[test]
    fn programs_get_everything() {
        insta::assert_snapshot!(run(&["a band of Ottomans"], None, true, Colour::Plain), @r#"{"text":"a band of Ottomans","language":null,"chosen":["history"],"why":"History comes first with 3; Music follows with 1, which is not close.","subjects":[{"id":"history","name":"History","score":3.0,"confidence":0.8187854249653909,"terms":[{"term":"ottoman*","weight":3.0,"words":"Ottomans","start":10,"end":18,"list":"strong","term_language":null,"file":"rules/history.toml","line":4}]},{"id":"music","name":"Music","score":1.0,"confidence":0.02565068693445053,"terms":[{"term":"band","weight":1.0,"words":"band","start":2,"end":6,"list":"weak","term_language":null,"file":"rules/music.toml","line":4}]},{"id":"computing","name":"Computing","score":-3.0,"confidence":null,"terms":[{"term":"band","weight":-3.0,"words":"band","start":2,"end":6,"list":"against","term_language":null,"file":"rules/computing.toml","line":4}]}]}"#);
    }

    #[test]
    fn colours_say_nothing_that_signs_do_not() {
        let coloured = run(&["Which king led the Ottomans?"], None, false, Colour::Terminal);
        assert!(coloured.contains("\u{1b}["), "{coloured}");
        let escapes = regex::Regex::new("\u{1b}\\[[0-9;]*m").unwrap();
        let without = escapes
            .replace_all(&coloured, "")
            .replace("king¹²", "[king]¹²")
            .replace("Ottomans¹", "[Ottomans]¹");
        assert_eq!(without, run(&["Which king led the Ottomans?"], None, false, Colour::Plain));
    }

    #[test]
    fn lines_of_the_input_are_texts() {
        let shown = run(&["-"], None, false, Colour::Plain);
        assert_eq!(shown.matches("→ ").count(), 2, "{shown}");
        assert!(shown.starts_with("[guitar]¹\n"), "{shown}");
    }

    #[test]
    fn a_text_cannot_play_with_the_terminal() {
        let shown = run(&["a guitar\u{1b}[2J\nof the king"], None, false, Colour::Plain);
        assert!(shown.starts_with("a [guitar]¹\\u{1b}[2J\nof the [king]¹²\n"), "{shown}");
    }
}
