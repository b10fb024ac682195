//! A picture of results: the share of answered questions over the time since they were asked, a line a policy.
//!
//! **Invariant:** the picture says in words what it shows, for those who do not see it, and needs nothing but
//! itself to be shown.

use std::fmt::Write as _;

use crate::simulate::{Population, Results};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 480.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 78.0;
const BOTTOM: f64 = 62.0;

/// The times that are marked, in minutes, with their names. The axis goes from the first to the last.
const TIMES: [(f64, &str); 9] = [
    (1.0, "1 min"),
    (3.0, "3 min"),
    (10.0, "10 min"),
    (30.0, "30 min"),
    (60.0, "1 h"),
    (180.0, "3 h"),
    (600.0, "10 h"),
    (1_440.0, "1 day"),
    (2_880.0, "2 days"),
];

/// Colours that stay apart for those who see colours differently (Okabe and Ito), and dashes besides.
const STYLES: [(&str, &str); 4] =
    [("#0072b2", ""), ("#d55e00", "8 4"), ("#009e73", "2 3"), ("#aa4499", "10 3 2 3")];

/// Labels at the ends of lines are at least this far apart.
const LABEL_APART: f64 = 18.0;

/// How many points a line has.
const POINTS: u32 = 240;

/// Draws the results, one inner list a policy. Several seeds are drawn as their mean.
pub fn draw(population: &Population, all: &[Vec<Results>]) -> String {
    let mut svg = String::new();
    head(&mut svg, population, all);
    grid(&mut svg);
    let mut labels = Vec::new();
    for (of_policy, (colour, dashes)) in all.iter().zip(STYLES.iter().cycle()) {
        let Some(first) = of_policy.first() else { continue };
        line(&mut svg, of_policy, colour, dashes);
        labels.push((y(mean_within(of_policy, last_time())), first.policy.replace('_', " "), *colour));
    }
    put_labels(&mut svg, labels);
    svg.push_str("</svg>\n");
    svg
}

fn head(svg: &mut String, population: &Population, all: &[Vec<Results>]) {
    let described: Vec<String> = all
        .iter()
        .filter_map(|of_policy| {
            let name = of_policy.first()?.policy.replace('_', " ");
            let share = |minutes: f64| mean_within(of_policy, minutes) * 100.0;
            Some(format!(
                "{name}: {:.0} % within 10 minutes, {:.0} % within an hour, {:.0} % in the end",
                share(10.0),
                share(60.0),
                of_policy.iter().map(|results| results.answered).sum::<f64>() / of_policy.len() as f64
                    * 100.0
            ))
        })
        .collect();
    let seeds = all.first().map_or(0, Vec::len);
    let runs = if seeds == 1 { "one seed".to_owned() } else { format!("mean of {seeds} seeds") };
    let days = all.iter().flatten().next().map_or(0, |results| results.days);
    put(
        svg,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-labelledby=\"title desc\" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
         <title id=\"title\">Share of questions answered</title>\n<desc id=\"desc\">{}</desc>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"30\" font-size=\"18\" font-weight=\"600\" fill=\"#222\">Share of questions answered</text>\n\
         <text x=\"{LEFT}\" y=\"52\" fill=\"#555\">{}; {} librarians simulated, {days} days, {runs}</text>",
            escaped(&described.join(". ")),
            escaped(&population.about),
            population.librarians(),
        ),
    );
}

fn grid(svg: &mut String) {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for tenth in (0..=10).step_by(2) {
        let share = f64::from(tenth) / 10.0;
        let (at, text_at) = (y(share), y(share) + 4.0);
        put(
            svg,
            format_args!(
                "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#ddd\"/>\n\
             <text x=\"{:.1}\" y=\"{text_at:.1}\" text-anchor=\"end\" fill=\"#555\">{} %</text>",
                LEFT - 8.0,
                tenth * 10,
            ),
        );
    }
    for (minutes, name) in TIMES {
        let at = x(minutes);
        put(
            svg,
            format_args!(
                "<path d=\"M{at:.1} {TOP}V{bottom}\" stroke=\"#eee\"/>\n\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">{name}</text>",
                bottom + 20.0,
            ),
        );
    }
    put(
        svg,
        format_args!(
            "<path d=\"M{LEFT} {TOP}V{bottom}H{right}\" fill=\"none\" stroke=\"#888\"/>\n\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">time since the question was asked</text>",
            (LEFT + right) / 2.0,
            bottom + 44.0,
        ),
    );
}

fn line(svg: &mut String, of_policy: &[Results], colour: &str, dashes: &str) {
    let mut path = String::new();
    for point in 0..=POINTS {
        let minutes = libm::pow(last_time(), f64::from(point) / f64::from(POINTS));
        let sign = if point == 0 { 'M' } else { 'L' };
        put_part(
            &mut path,
            format_args!("{sign}{:.1} {:.1}", x(minutes), y(mean_within(of_policy, minutes))),
        );
    }
    put(
        svg,
        format_args!(
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2.5\" stroke-linejoin=\"round\" stroke-dasharray=\"{dashes}\"/>"
        ),
    );
}

/// Names at the ends of the lines, moved apart where they would lie on each other.
fn put_labels(svg: &mut String, mut labels: Vec<(f64, String, &str)>) {
    labels.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut above = f64::MIN;
    for (at, name, colour) in labels {
        let at = at.max(above + LABEL_APART);
        above = at;
        put(
            svg,
            format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\" font-weight=\"600\" fill=\"{colour}\">{}</text>",
                WIDTH - RIGHT + 10.0,
                at + 4.0,
                escaped(&name),
            ),
        );
    }
}

fn last_time() -> f64 {
    TIMES.last().map_or(1.0, |(minutes, _)| *minutes)
}

fn mean_within(of_policy: &[Results], minutes: f64) -> f64 {
    let sum: f64 = of_policy.iter().map(|results| results.within_minutes(minutes)).sum();
    sum / of_policy.len().max(1) as f64
}

/// Where a time stands, on a logarithmic axis.
fn x(minutes: f64) -> f64 {
    LEFT + (WIDTH - LEFT - RIGHT) * libm::log(minutes) / libm::log(last_time())
}

fn y(share: f64) -> f64 {
    HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share
}

fn put(svg: &mut String, what: std::fmt::Arguments<'_>) {
    put_part(svg, what);
    svg.push('\n');
}

fn put_part(svg: &mut String, what: std::fmt::Arguments<'_>) {
    svg.write_fmt(what).expect("a string takes any text");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
