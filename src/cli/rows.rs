//! Files of texts whose subject is known: `subject<TAB>text<TAB>source`, further columns ignored.
//!
//! **Invariant:** a row that cannot be used is told of and left out; it never stops the others.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use crate::cli::render;
use crate::subjects::{SubjectId, Subjects};

/// The longest row, in bytes.
const ROW_BYTES_MAX: u64 = 1024 * 1024;

/// How many bad rows are told one by one.
const BAD_ROWS_SHOWN: usize = 20;

/// A text and its subject.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) line: usize,
    pub(super) subject: SubjectId,
    pub(super) text: String,
    /// Where it was asked; empty where the file does not say.
    pub(super) source: String,
}

/// The rows of a file.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) good: Vec<Row>,
    /// Line and what is wrong with it.
    bad: Vec<(usize, &'static str)>,
    /// Subjects without rules, and how many rows they have.
    unknown: BTreeMap<String, usize>,
}

impl Rows {
    pub(super) fn of_file(path: &Path, subjects: &Subjects) -> io::Result<Rows> {
        Rows::read(&mut BufReader::new(File::open(path)?), subjects)
    }

    /// Tells which rows are left out, and why.
    pub(super) fn warn(&self, path: &str, err: &mut dyn Write) -> io::Result<()> {
        for (line, what) in self.bad.iter().take(BAD_ROWS_SHOWN) {
            writeln!(err, "warning: {path}:{line}: {what}; this row is left out")?;
        }
        if self.bad.len() > BAD_ROWS_SHOWN {
            writeln!(err, "warning: {path}: {} more rows are left out", self.bad.len() - BAD_ROWS_SHOWN)?;
        }
        for (id, count) in &self.unknown {
            writeln!(
                err,
                "warning: {path}: {count} rows of `{}`, which has no rules, are left out",
                render::visible(id)
            )?;
        }
        Ok(())
    }

    pub(super) fn read(input: &mut dyn BufRead, subjects: &Subjects) -> io::Result<Rows> {
        let mut rows = Rows::default();
        let mut line = Vec::new();
        let mut number = 0;
        while read_line(input, &mut line)? {
            number += 1;
            match std::str::from_utf8(&line) {
                _ if line.len() as u64 > ROW_BYTES_MAX => {
                    rows.bad.push((number, "the row is longer than 1 MiB"))
                }
                Err(_) => rows.bad.push((number, "the row is not UTF-8")),
                Ok(row) => rows.add(number, row.trim_end_matches(['\n', '\r']), subjects),
            }
        }
        Ok(rows)
    }

    fn add(&mut self, number: usize, row: &str, subjects: &Subjects) {
        let mut columns = row.split('\t');
        let (id, text) = (columns.next().unwrap_or_default().trim(), columns.next());
        let source = columns.next().unwrap_or_default().to_owned();
        let Some(text) = text.filter(|_| !id.is_empty()) else {
            if !row.is_empty() {
                self.bad.push((number, "a row is a subject's id, a tab, and a text"));
            }
            return;
        };
        match subjects.get(&SubjectId::new(id)) {
            Some(subject) => {
                let (subject, text) = (subject.id.clone(), text.to_owned());
                self.good.push(Row { line: number, subject, text, source })
            }
            None => *self.unknown.entry(id.to_owned()).or_default() += 1,
        }
    }
}

/// Reads a line. Of a line that is too long one byte more than the limit is kept.
fn read_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let read = input.take(ROW_BYTES_MAX + 1).read_until(b'\n', line)?;
    if read as u64 > ROW_BYTES_MAX && !line.ends_with(b"\n") {
        input.skip_until(b'\n')?;
    }
    Ok(read > 0)
}
