//! Queries out of everything the subset knows, and when they are asked.

/// A small generator with a seed, so that a failing query can be told.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

/// A selector, and what moves its time.
fn selector(dice: &mut Dice) -> (String, String) {
    let state = dice.roll(3) == 0;
    let common = [
        "",
        "",
        "{device!=\"d2\"}",
        "{device=~\"d[0-3]\"}",
        "{place=~\"building-.\",device=~\"d.*\"}",
        "{nobody=\"\"}",
    ];
    let numbers = [
        "{measure!~\"pulse.*\"}",
        "{measure=\"bin.fill\"}",
        "{device=\"d1\"}",
    ];
    let matcher = match dice.roll(3) {
        0 if !state => dice.pick(&numbers),
        _ => dice.pick(&common),
    };
    let name = if state { "linli_state" } else { "linli_value" };
    let offset = dice.pick(&[
        "",
        "",
        "",
        " offset 7m",
        " offset -3m",
        " @ 1767229200",
        " @ start()",
        " @ end() offset 90s",
    ]);
    (format!("{name}{matcher}"), offset.to_owned())
}

/// The samples of a range themselves.
fn samples_of(dice: &mut Dice) -> String {
    let (selector, offset) = selector(dice);
    let range = dice.pick(&["5m", "1h", "90s", "17m"]);
    format!("{selector}[{range}]{offset}")
}

/// A query out of everything the subset knows; some are bare ranges, which have an answer at one time only.
fn query(dice: &mut Dice, n: usize) -> String {
    if n % 10 == 4 || n % 100 == 5 {
        return samples_of(dice);
    }
    let depth = 1 + dice.roll(3);
    vector(dice, depth)
}

fn vector(dice: &mut Dice, depth: usize) -> String {
    let simple = |dice: &mut Dice| {
        let (selector, offset) = selector(dice);
        format!("{selector}{offset}")
    };
    if depth == 0 {
        return simple(dice);
    }
    match dice.roll(14) {
        0..=3 => {
            let function = dice.pick(&[
                "rate",
                "increase",
                "delta",
                "deriv",
                "avg_over_time",
                "min_over_time",
                "max_over_time",
                "sum_over_time",
                "count_over_time",
                "last_over_time",
                "stddev_over_time",
            ]);
            let (selector, offset) = selector(dice);
            let range = dice.pick(&["5m", "10m", "1h", "90s", "17m"]);
            format!("{function}({selector}[{range}]{offset})")
        }
        4 => {
            let (selector, offset) = selector(dice);
            let share = dice.pick(&["0", "0.5", "0.9", "1", "1.5", "-1"]);
            format!("quantile_over_time({share}, {selector}[20m]{offset})")
        }
        5 | 6 => {
            let by = dice.pick(&["sum", "avg", "min", "max", "count"]);
            let grouping = dice.pick(&[
                "",
                " by (device)",
                " by (place, measure)",
                " without (device)",
                " without (place)",
            ]);
            format!("{by}{grouping} ({})", vector(dice, depth - 1))
        }
        7 => {
            let grouping = dice.pick(&["", " by (place)"]);
            match dice.roll(3) {
                0 => format!("quantile{grouping} (0.3, {})", vector(dice, depth - 1)),
                // Values of temperatures differ, so it is certain which are the first.
                1 => format!("topk{grouping} (2, linli_value{{measure=\"env.temperature\"}})"),
                _ => format!("bottomk{grouping} (1, linli_value{{measure=\"env.temperature\"}})"),
            }
        }
        8 | 9 => {
            let operator = dice.pick(&[
                "+", "-", "*", "/", "%", ">", "!=", ">= bool", "> bool", "<= bool", "== bool",
            ]);
            let number = dice.pick(&["2", "0.5", "10", "-3", "20"]);
            let inner = vector(dice, depth - 1);
            if dice.roll(2) == 0 {
                format!("({inner}) {operator} {number}")
            } else {
                format!("{number} {operator} ({inner})")
            }
        }
        // Both sides are of one metric, or nothing would match.
        10 => {
            let operator = dice.pick(&["+", "-", "*", "/", ">", "== bool"]);
            let matching = dice.pick(&["", " on (device, measure, place)", " ignoring (unit)"]);
            let side = |dice: &mut Dice| {
                let matcher = dice.pick(&["", "{device!=\"d2\"}", "{device=~\"d[0-3]\"}"]);
                let offset = dice.pick(&["", " offset 7m", " offset -3m"]);
                format!("linli_value{matcher}{offset}")
            };
            let (left, right) = (side(dice), side(dice));
            format!("{left} {operator}{matching} {right}")
        }
        11 => format!(
            "{}({})",
            dice.pick(&["abs", "round", "-", "+"]),
            vector(dice, depth - 1)
        ),
        12 => {
            let inner = vector(dice, depth - 1);
            match dice.roll(4) {
                0 => format!("clamp({inner}, 1, 30)"),
                1 => format!("clamp_min({inner}, 5)"),
                2 => format!("clamp_max({inner}, 25)"),
                _ => format!("round({inner}, 0.25)"),
            }
        }
        _ => match dice.roll(4) {
            0 => "absent(linli_value{device=\"nobody\", measure=\"bin.fill\"})".to_owned(),
            1 => "vector(time())".to_owned(),
            2 => format!(
                "scalar(linli_value{{device=\"d0\", place=\"building-0\"}}) + {}",
                simple(dice)
            ),
            _ => format!("sum({}) / count({})", simple(dice), simple(dice)),
        },
    }
}

/// A query and the time or times it is asked for.
pub(super) struct Asked {
    pub(super) text: String,
    /// Seconds.
    pub(super) at: i64,
    /// Seconds between the times of half an hour; at one time when there is none.
    pub(super) step: Option<i64>,
}

impl Asked {
    /// The `n`th query over two hours from `start`; every other one is asked for half an hour.
    pub(super) fn new(dice: &mut Dice, n: usize, start: i64) -> Self {
        let text = query(dice, n);
        let at = start + 600 + dice.roll(6_000) as i64;
        let step = (n % 2 == 1).then(|| [15, 60, 97, 300][dice.roll(4)]);
        Self { text, at, step }
    }

    /// The last time.
    pub(super) fn end(&self) -> i64 {
        self.at + self.step.map_or(0, |_| 1_800)
    }

    /// The path it is asked under, and its parameters.
    pub(super) fn request(&self) -> (&'static str, Vec<(&'static str, String)>) {
        let text = ("query", self.text.clone());
        match self.step {
            None => ("query", vec![text, ("time", self.at.to_string())]),
            Some(step) => {
                let (start, end) = (self.at.to_string(), self.end().to_string());
                let step = ("step", step.to_string());
                ("query_range", vec![text, ("start", start), ("end", end), step])
            }
        }
    }
}
