#!/usr/bin/env python3
"""How fast other matchers find the same terms in the same questions.

    cargo bench --profile release --bench vocabulary -- ../shared/data --texts /tmp/texts
    pip install hyperscan flashtext spacy pyahocorasick PyStemmer   # in a virtual environment
    python benches/peers.py /tmp/texts

The bench writes the questions, the vocabularies and its own rates; this program measures the peers and
prints one table. The matchers get texts that are folded already, and only find terms: no stems, no
scores, no evidence. "the same in Python" does what a desk needs, and what ours does in a call: it folds, stems,
finds phrases of whole words, adds up the scores of subjects, ranks them, and tells where in the question the terms
stand that say so. "Without evidence" it only adds up. Neither finds out the question's language. Hyperscan is measured three ways: called for each question, with
and without a callback for each match, and once over all questions as one text, which no desk could do but
leaves Python out of it.

Invariant: rates are per second of CPU time of one process that only matches, and no build and no
measurement goes on for much longer than a minute: what is slower is named and left out.
"""

import collections
import importlib.util
import json
import multiprocessing
import pathlib
import re
import resource
import statistics
import sys
import time
import unicodedata

SIZES = [500, 5_000, 50_000, 200_000]
SUBJECTS = 25
SECONDS_MAX = 75
SPANS = 3
SPAN_SECONDS = 1.0
# Between two looks at the clock.
QUESTIONS_A_LOOK = 200
PACKAGES = {"hyperscan": "hyperscan", "flashtext": "flashtext", "spacy": "spacy",
            "ahocorasick": "pyahocorasick", "Stemmer": "PyStemmer"}
WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def fold(text):
    """A text without case and accents."""
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return text.lower()


def words_of(text):
    """The words of a text without case and accents."""
    return WORD.findall(fold(text))


def folded(texts):
    """Each text as words between spaces, so that a term between spaces is found as whole words only."""
    return [f" {' '.join(words_of(text))} " for text in texts]


def automaton_of(terms):
    automaton = importlib.import_module("ahocorasick").Automaton()
    for term, values in terms.items():
        automaton.add_word(term, (term, values))
    automaton.make_automaton()
    return automaton


def hyperscan_database(terms):
    hyperscan = importlib.import_module("hyperscan")
    patterns = [term.encode() for term in dict.fromkeys(folded(terms))]
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=patterns, ids=list(range(len(patterns))), elements=len(patterns),
                     flags=[0] * len(patterns), literal=True)
    return database


# Each peer answers, for a vocabulary and questions, what to call and with what. The call is all that is
# measured.


def hyperscan_alone(terms, questions):
    database = hyperscan_database(terms)
    return lambda text: database.scan(text, None), [text.encode() for text in folded(questions)]


def hyperscan_with_matches(terms, questions):
    database = hyperscan_database(terms)
    found = []

    def take(term, _start, end, _flags, _context):
        found.append((term, end))

    def match(text):
        found.clear()
        database.scan(text, take)

    return match, [text.encode() for text in folded(questions)]


def hyperscan_in_one(terms, questions):
    database = hyperscan_database(terms)
    return lambda text: database.scan(text, None), ["".join(folded(questions)).encode()]


def pyahocorasick(terms, questions):
    automaton = automaton_of({term: 0 for term in folded(terms)})
    return lambda text: list(automaton.iter(text)), folded(questions)


def flashtext(terms, questions):
    processor = importlib.import_module("flashtext").KeywordProcessor(case_sensitive=True)
    for term in folded(terms):
        processor.add_keyword(term.strip())
    return processor.extract_keywords, folded(questions)


def spacy_phrase_matcher(terms, questions):
    spacy = importlib.import_module("spacy")
    language = spacy.blank("en")
    matcher = importlib.import_module("spacy.matcher").PhraseMatcher(language.vocab, attr="LOWER")
    matcher.add("term", list(language.tokenizer.pipe(terms)))
    return lambda text: matcher(language.make_doc(text)), questions


def stemming():
    """What stems a list of words, and what makes of a text its stems between spaces."""
    stem_words = importlib.import_module("Stemmer").Stemmer("english").stemWords
    return stem_words, lambda text: f" {' '.join(stem_words(words_of(text)))} "


def stems_of_terms(terms, stemmed):
    """Each term's stems between spaces, with the terms and subjects it stands for."""
    found = collections.defaultdict(list)
    for number, term in enumerate(terms):
        found[stemmed(term)].append((number, number % SUBJECTS))
    return found


def the_same_without_evidence(terms, questions):
    _, stemmed = stemming()
    automaton = automaton_of(stems_of_terms(terms, stemmed))

    def classify(text):
        scores = collections.Counter()
        for _, of_terms in dict(value for _, value in automaton.iter(stemmed(text))).items():
            for _, subject in of_terms:
                scores[subject] += 3
        return scores.most_common()

    return classify, questions


def the_same_in_python(terms, questions):
    stem_words, stemmed = stemming()
    automaton = automaton_of(stems_of_terms(terms, stemmed))

    def classify(text):
        """The subjects, best first, and where in the text the terms stand that say so."""
        places = list(WORD.finditer(text))
        stems = stem_words([fold(place.group()) for place in places])
        matches = list(automaton.iter(f" {' '.join(stems)} "))
        if not matches:
            return [], []
        ends, end = {}, 0
        for number, stem in enumerate(stems):
            end += len(stem) + 1
            ends[end] = number
        hits = []
        for end, (stem, of_terms) in matches:
            last = ends[end]
            start = places[last + 2 - stem.count(" ")].start()
            hits.extend((start, -places[last].end(), term, subject) for term, subject in of_terms)
        hits.sort()
        # A term counts once, and of those within each other that speak for one subject, the longest.
        scores, first, furthest, met, evidence = collections.Counter(), {}, {}, set(), []
        for start, end, term, subject in hits:
            if -end <= furthest.get(subject, 0):
                continue
            furthest[subject] = -end
            first.setdefault(subject, start)
            if term not in met:
                met.add(term)
                scores[subject] += 3
                evidence.append((subject, term, start, -end))
        return sorted(scores.items(), key=lambda item: (-item[1], first[item[0]], item[0])), evidence

    return classify, questions


PEERS = {
    "hyperscan, one text": hyperscan_in_one,
    "hyperscan": hyperscan_alone,
    "hyperscan, callback": hyperscan_with_matches,
    "pyahocorasick": pyahocorasick,
    "flashtext": flashtext,
    "spaCy PhraseMatcher": spacy_phrase_matcher,
    "the same in Python": the_same_in_python,
    "the same in Python, without evidence": the_same_without_evidence,
}


def rate(call, texts, questions):
    """Questions a second of CPU time, and how many different questions were read."""
    began, read = time.process_time(), 0
    for batch in batches(texts):
        for text in batch:
            call(text)
        read += len(batch)
        if (spent := time.process_time() - began) >= SPAN_SECONDS:
            break
    return read * questions / len(texts) / spent, min(read, len(texts)) * questions // len(texts)


def batches(texts):
    """The texts in small batches, again and again."""
    while True:
        for at in range(0, len(texts), QUESTIONS_A_LOOK):
            yield texts[at : at + QUESTIONS_A_LOOK]


def measure(peer, terms, questions, answer):
    """Runs in a process of its own and answers rate, questions read, seconds of build, and its MiB."""
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    call, texts = peer(terms, questions)
    built = time.process_time() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    for text in texts[: len(texts) // 10]:
        call(text)
    spans = [rate(call, texts, len(questions)) for _ in range(SPANS)]
    answer.put((statistics.median(rate for rate, _ in spans), spans[0][1], built, grown))


def bounded(peer, terms, questions):
    """What `measure` answers, or None where it takes too long or breaks."""
    context = multiprocessing.get_context("fork")
    answer = context.Queue()
    process = context.Process(target=measure, args=(peer, terms, questions, answer))
    process.start()
    process.join(SECONDS_MAX)
    if process.is_alive():
        process.kill()
        process.join()
    return None if process.exitcode else answer.get()


def main():
    missing = [package for module, package in PACKAGES.items() if importlib.util.find_spec(module) is None]
    if missing or len(sys.argv) != 2:
        sys.exit(f"pip install {' '.join(missing)}" if missing else __doc__)
    folder = pathlib.Path(sys.argv[1])
    questions = (folder / "questions.txt").read_text().split("\n")
    ours = json.loads((folder / "rates.json").read_text())
    print(f"{len(questions)} questions; tokenising alone {ours['tokenising']:,.0f} questions/s\n")
    print("| terms | matcher | questions/s | ours is | build s | peak MiB |\n| --: | :-- | --: | --: | --: | --: |")
    for size in SIZES:
        terms = (folder / f"terms-{size}.txt").read_text().split("\n")
        own = ours["terms"][str(size)]
        print(f"| {size} | **stumper** | {own['warm']:,.0f} | {own['warm'] / ours['tokenising']:.0%} of tokenising "
              f"| {own['built']:.2f} | {own['mib']:.0f} |")
        print(f"| {size} | **stumper**, cold | {own['cold']:,.0f} | {own['cold'] / own['warm']:.0%} of warm | | |")
        for name, peer in PEERS.items():
            if (result := bounded(peer, terms, questions)) is None:
                print(f"| {size} | {name} | skipped: more than {SECONDS_MAX} s, or broken | | | |", flush=True)
                continue
            its_rate, read, built, grown = result
            some = "" if read == len(questions) else f" (of {read})"
            print(f"| {size} | {name} | {its_rate:,.0f}{some} | {own['warm'] / its_rate:.2f} × "
                  f"| {built:.2f} | {grown:.0f} |", flush=True)


if __name__ == "__main__":
    main()
