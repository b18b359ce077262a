//! What is understood: the parser's tree turned at once into one of our own, everything else refused by name.
//!
//! Functions: `rate increase delta deriv`, `avg min max sum count last quantile stddev` `_over_time`, `absent`, `clamp
//! clamp_min clamp_max round abs scalar vector time`. Aggregations: `sum avg min max count topk bottomk quantile` with
//! `by` and `without`. Operators: `+ - * / %`, comparisons with and without `bool`, one-to-one matching with `on` and
//! `ignoring`. Selectors with `= != =~ !~`, ranges, `offset` and `@`; a range stands in a function or alone.

use crate::{NAME, Refused};
use promql_parser::label::{MatchOp, Matcher as ParsedMatcher};
use promql_parser::parser::{self, AtModifier, Expr, LabelModifier, Offset, VectorMatchCardinality};
use std::time::{Duration, SystemTime};

/// One condition on a label.
#[derive(Debug, Clone, PartialEq)]
pub struct Matcher(ParsedMatcher);

impl Matcher {
    /// The label it looks at.
    pub fn label(&self) -> &str {
        &self.0.name
    }

    /// Whether a value passes; an absent label has the empty value.
    pub fn matches(&self, value: &str) -> bool {
        self.0.is_match(value)
    }
}

/// The time a selector looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum At {
    /// The time of evaluation.
    Step,
    /// The first step.
    Start,
    /// The last step.
    End,
    /// This time, milliseconds.
    Time(i64),
}

/// Series by their labels, at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    /// All must pass.
    pub matchers: Vec<Matcher>,
    /// Subtracted from the time, milliseconds.
    pub offset: i64,
    /// The time.
    pub at: At,
    /// Length of the range, milliseconds; `None` is the newest sample.
    pub range: Option<i64>,
}

/// How labels are grouped or matched.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Grouping {
    /// Only these (`by`, `on`), or all but these (`without`, `ignoring`).
    pub only: bool,
    /// The labels.
    pub labels: Vec<String>,
}

/// Arithmetic and comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are what they are called")]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
}

impl Operator {
    fn of(token: &str) -> Option<Self> {
        Some(match token {
            "+" => Self::Add,
            "-" => Self::Subtract,
            "*" => Self::Multiply,
            "/" => Self::Divide,
            "%" => Self::Modulo,
            "==" => Self::Equal,
            "!=" => Self::NotEqual,
            ">" => Self::Greater,
            "<" => Self::Less,
            ">=" => Self::GreaterOrEqual,
            "<=" => Self::LessOrEqual,
            _ => return None,
        })
    }

    pub(crate) fn compares(self) -> bool {
        !matches!(
            self,
            Self::Add | Self::Subtract | Self::Multiply | Self::Divide | Self::Modulo
        )
    }
}

/// Functions of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are what they are called")]
pub enum OverTime {
    Rate,
    Increase,
    Delta,
    Deriv,
    Avg,
    Min,
    Max,
    Sum,
    Count,
    Last,
    Quantile,
    Stddev,
}

/// Aggregations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are what they are called")]
pub enum Aggregation {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Topk,
    Bottomk,
    Quantile,
}

/// A query.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the parts say what they are")]
pub enum Node {
    Number(f64),
    /// Place of a selector in [`Query::selectors`].
    Select(usize),
    /// The samples of a range themselves, `x[5m]`; stands at the root only.
    Range(usize),
    Negate(Box<Node>),
    OverTime {
        function: OverTime,
        selector: usize,
        parameter: Option<Box<Node>>,
    },
    Abs(Box<Node>),
    Round(Box<Node>, Option<Box<Node>>),
    Clamp {
        of: Box<Node>,
        min: Option<Box<Node>>,
        max: Option<Box<Node>>,
    },
    Absent(Box<Node>, Vec<(String, String)>),
    Scalar(Box<Node>),
    Vector(Box<Node>),
    Time,
    Aggregate {
        by: Aggregation,
        of: Box<Node>,
        parameter: Option<Box<Node>>,
        grouping: Grouping,
    },
    Binary {
        operator: Operator,
        left: Box<Node>,
        right: Box<Node>,
        bool: bool,
        matching: Grouping,
    },
}

/// A query and the selectors in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Its root.
    pub root: Node,
    /// Every selector.
    pub selectors: Vec<Selector>,
}

/// Words, brackets and operators of a query at most: what is read is a tree, and each may be a step deeper in it.
const MOST_PARTS: usize = 500;

/// Counts words, brackets and operators outside of matchers, ranges and quotes; a query with too many is refused before
/// it is read.
fn bounded(text: &str) -> Result<(), Refused> {
    let (mut parts, mut inside, mut in_word) = (0, 0usize, false);
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let is_word = c.is_alphanumeric() || matches!(c, '_' | ':' | '.');
        match c {
            '"' | '\'' | '`' => {
                while let Some(quoted) = rest.next().filter(|quoted| *quoted != c) {
                    if quoted == '\\' && c != '`' {
                        rest.next();
                    }
                }
            }
            '{' | '[' => inside += 1,
            '}' | ']' => inside = inside.saturating_sub(1),
            _ if inside > 0 || c.is_whitespace() => {}
            _ => parts += usize::from(!is_word || !in_word),
        }
        in_word = is_word;
    }
    if parts > MOST_PARTS {
        let said = format!("the query has {parts} words, brackets and operators; {MOST_PARTS} are allowed");
        return Err(Refused::Wrong(said));
    }
    Ok(())
}

/// Reads a query.
pub fn parse(text: &str) -> Result<Query, Refused> {
    bounded(text)?;
    let parsed = parser::parse(text).map_err(Refused::Grammar)?;
    let mut selectors = Vec::new();
    let root = match inner(&parsed) {
        Expr::MatrixSelector(matrix) => {
            selectors.push(selector(&matrix.vs, Some(matrix.range))?);
            Node::Range(0)
        }
        other => node(other, &mut selectors)?,
    };
    Ok(Query { root, selectors })
}

/// What is inside of parentheses.
fn inner(mut expr: &Expr) -> &Expr {
    while let Expr::Paren(paren) = expr {
        expr = &paren.expr;
    }
    expr
}

/// Reads a bare selector, as `match[]` has it.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, Refused> {
    bounded(text)?;
    match parser::parse(text).map_err(Refused::Grammar)? {
        Expr::VectorSelector(selector) => matchers(&selector),
        _ => Err(Refused::Wrong(
            "match[] takes a selector such as linli_value{device=\"bin-7\"}".into(),
        )),
    }
}

fn unsupported<T>(what: impl Into<String>) -> Result<T, Refused> {
    Err(Refused::Unsupported(what.into()))
}

fn node(expr: &Expr, selectors: &mut Vec<Selector>) -> Result<Node, Refused> {
    match expr {
        Expr::Paren(paren) => node(&paren.expr, selectors),
        Expr::NumberLiteral(number) => Ok(Node::Number(number.val)),
        Expr::StringLiteral(_) => unsupported("a string"),
        Expr::Subquery(_) => unsupported("a subquery"),
        Expr::Extension(_) => unsupported("an extension"),
        Expr::Unary(unary) => Ok(Node::Negate(Box::new(node(&unary.expr, selectors)?))),
        Expr::VectorSelector(vector) => {
            selectors.push(selector(vector, None)?);
            Ok(Node::Select(selectors.len() - 1))
        }
        Expr::MatrixSelector(_) => Err(Refused::Wrong(
            "a range such as x[5m] must stand inside a function such as rate, or alone".into(),
        )),
        Expr::Call(call) => function(call, selectors),
        Expr::Aggregate(aggregate) => aggregation(aggregate, selectors),
        Expr::Binary(binary) => operator(binary, selectors),
    }
}

fn matchers(vector: &parser::VectorSelector) -> Result<Vec<Matcher>, Refused> {
    if !vector.matchers.or_matchers.is_empty() {
        return unsupported("\"or\" between matchers");
    }
    let mut all: Vec<Matcher> = vector.matchers.matchers.iter().cloned().map(Matcher).collect();
    if let Some(name) = &vector.name {
        all.push(Matcher(ParsedMatcher::new(MatchOp::Equal, NAME, name)));
    }
    Ok(all)
}

fn selector(vector: &parser::VectorSelector, range: Option<Duration>) -> Result<Selector, Refused> {
    Ok(Selector {
        matchers: matchers(vector)?,
        offset: match &vector.offset {
            None => 0,
            Some(Offset::Pos(by)) => millis(*by),
            Some(Offset::Neg(by)) => -millis(*by),
        },
        at: match &vector.at {
            None => At::Step,
            Some(AtModifier::Start) => At::Start,
            Some(AtModifier::End) => At::End,
            Some(AtModifier::At(time)) => At::Time(match time.duration_since(SystemTime::UNIX_EPOCH) {
                Ok(since) => millis(since),
                Err(before) => -millis(before.duration()),
            }),
        },
        range: range.map(millis),
    })
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

/// Functions of numbers and vectors.
const PLAIN: [&str; 9] = [
    "abs",
    "round",
    "clamp",
    "clamp_min",
    "clamp_max",
    "absent",
    "scalar",
    "vector",
    "time",
];

fn function(call: &parser::Call, selectors: &mut Vec<Selector>) -> Result<Node, Refused> {
    let name = call.func.name;
    let arguments = &call.args.args;
    let over_time = match name {
        "rate" => Some(OverTime::Rate),
        "increase" => Some(OverTime::Increase),
        "delta" => Some(OverTime::Delta),
        "deriv" => Some(OverTime::Deriv),
        "avg_over_time" => Some(OverTime::Avg),
        "min_over_time" => Some(OverTime::Min),
        "max_over_time" => Some(OverTime::Max),
        "sum_over_time" => Some(OverTime::Sum),
        "count_over_time" => Some(OverTime::Count),
        "last_over_time" => Some(OverTime::Last),
        "quantile_over_time" => Some(OverTime::Quantile),
        "stddev_over_time" => Some(OverTime::Stddev),
        _ => None,
    };
    let missing = || Refused::Wrong(format!("{name} has too few arguments"));
    if let Some(function) = over_time {
        let (parameter, range) = match (function, arguments.as_slice()) {
            (OverTime::Quantile, [parameter, range]) => (Some(Box::new(node(parameter, selectors)?)), range),
            (_, [range]) => (None, range),
            _ => return Err(missing()),
        };
        return match inner(range) {
            Expr::MatrixSelector(matrix) => {
                selectors.push(selector(&matrix.vs, Some(matrix.range))?);
                Ok(Node::OverTime {
                    function,
                    selector: selectors.len() - 1,
                    parameter,
                })
            }
            Expr::Subquery(_) => unsupported("a subquery"),
            _ => Err(Refused::Wrong(format!("{name} needs a range such as x[5m]"))),
        };
    }
    // By its name, before its arguments are looked at: they may be what is not served here for another reason.
    if !PLAIN.contains(&name) {
        return unsupported(format!("the function {name}"));
    }
    let absent_labels = || match arguments.first().map(|expr| &**expr) {
        Some(Expr::VectorSelector(vector)) => equalities(vector),
        _ => Vec::new(),
    };
    let labels = absent_labels();
    let mut inside = arguments
        .iter()
        .map(|argument| node(argument, selectors).map(Box::new))
        .collect::<Result<Vec<_>, _>>()?
        .into_iter();
    let mut next = || inside.next().ok_or_else(missing);
    Ok(match name {
        "abs" => Node::Abs(next()?),
        "round" => Node::Round(next()?, next().ok()),
        "clamp" => Node::Clamp {
            of: next()?,
            min: Some(next()?),
            max: Some(next()?),
        },
        "clamp_min" => Node::Clamp {
            of: next()?,
            min: Some(next()?),
            max: None,
        },
        "clamp_max" => Node::Clamp {
            of: next()?,
            min: None,
            max: Some(next()?),
        },
        "absent" => Node::Absent(next()?, labels),
        "scalar" => Node::Scalar(next()?),
        "vector" => Node::Vector(next()?),
        "time" => Node::Time,
        other => return unsupported(format!("the function {other}")),
    })
}

/// Labels that an absent series would have had for certain.
fn equalities(vector: &parser::VectorSelector) -> Vec<(String, String)> {
    let all = &vector.matchers.matchers;
    let once = |name: &str| all.iter().filter(|matcher| matcher.name == name).count() == 1;
    all.iter()
        .filter(|matcher| matcher.name != NAME && matches!(matcher.op, MatchOp::Equal) && once(&matcher.name))
        .map(|matcher| (matcher.name.clone(), matcher.value.clone()))
        .collect()
}

fn aggregation(aggregate: &parser::AggregateExpr, selectors: &mut Vec<Selector>) -> Result<Node, Refused> {
    let name = aggregate.op.to_string();
    let by = match name.as_str() {
        "sum" => Aggregation::Sum,
        "avg" => Aggregation::Avg,
        "min" => Aggregation::Min,
        "max" => Aggregation::Max,
        "count" => Aggregation::Count,
        "topk" => Aggregation::Topk,
        "bottomk" => Aggregation::Bottomk,
        "quantile" => Aggregation::Quantile,
        other => return unsupported(format!("the aggregation {other}")),
    };
    let parameter = aggregate
        .param
        .as_ref()
        .map(|parameter| node(parameter, selectors).map(Box::new))
        .transpose()?;
    let grouping = match &aggregate.modifier {
        None => Grouping {
            only: true,
            labels: Vec::new(),
        },
        Some(LabelModifier::Include(labels)) => Grouping {
            only: true,
            labels: labels.labels.clone(),
        },
        Some(LabelModifier::Exclude(labels)) => Grouping {
            only: false,
            labels: labels.labels.clone(),
        },
    };
    let of = Box::new(node(&aggregate.expr, selectors)?);
    Ok(Node::Aggregate {
        by,
        of,
        parameter,
        grouping,
    })
}

fn operator(binary: &parser::BinaryExpr, selectors: &mut Vec<Selector>) -> Result<Node, Refused> {
    let token = binary.op.to_string();
    let Some(operator) = Operator::of(&token) else {
        return unsupported(format!("the operator {token}"));
    };
    let mut matching = Grouping::default();
    if let Some(modifier) = &binary.modifier {
        if !matches!(modifier.card, VectorMatchCardinality::OneToOne) {
            return unsupported("many-to-one matching (group_left, group_right)");
        }
        if modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some() {
            return unsupported("fill");
        }
        match &modifier.matching {
            None => {}
            Some(LabelModifier::Include(labels)) => {
                matching = Grouping {
                    only: true,
                    labels: labels.labels.clone(),
                };
            }
            Some(LabelModifier::Exclude(labels)) => {
                matching = Grouping {
                    only: false,
                    labels: labels.labels.clone(),
                };
            }
        }
    }
    Ok(Node::Binary {
        operator,
        left: Box::new(node(&binary.lhs, selectors)?),
        right: Box::new(node(&binary.rhs, selectors)?),
        bool: binary.return_bool(),
        matching,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_that_is_nested_without_end_is_refused_and_nothing_falls_over() {
        let nested = |open: &str, inner: &str, close: &str, times: usize| {
            format!("{}{inner}{}", open.repeat(times), close.repeat(times))
        };
        for text in [
            nested("(", "1", ")", 400_000),
            nested("-", "x", "", 400_000),
            nested("abs(", "x", ")", 100_000),
            nested("", "1", " + 1", 200_000),
            nested("", "x", " or x", 100_000),
            nested("sum(", "x", ")", 100_000),
            nested("{", "", "", 100_000),
            nested("\"", "", "", 100_001),
        ] {
            assert!(parse(&text).is_err(), "{}", &text[..20]);
            assert!(parse_selector(&text).is_err(), "{}", &text[..20]);
        }
    }

    #[test]
    fn as_deep_as_is_allowed_can_be_read_on_a_small_stack() {
        let deep = [
            format!("{}1{}", "(".repeat(245), ")".repeat(245)),
            format!("{}x", "-".repeat(490)),
            format!("1{}", " + 1".repeat(245)),
            format!("{}x{}", "abs(".repeat(160), ")".repeat(160)),
        ];
        let read = std::thread::Builder::new()
            .stack_size(1 << 20)
            .spawn(move || deep.iter().map(|text| parse(text).map(drop)).collect::<Vec<_>>());
        assert_eq!(read.unwrap().join().unwrap(), [const { Ok(()) }; 4]);
    }

    #[test]
    fn what_is_not_served_is_refused_by_its_name_whatever_it_is_given() {
        for (text, name) in [
            ("changes(x[1d])", "changes"),
            ("irate(x[5m])", "irate"),
            ("predict_linear(x[1h], 3600)", "predict_linear"),
            (
                "label_replace(x, \"a\", \"$1\", \"b\", \"(.*)\")",
                "label_replace",
            ),
            ("count_values(\"v\", x)", "count_values"),
            ("rate(abs(x)[5m:1m])", "a subquery"),
        ] {
            let refused = parse(text).unwrap_err();
            assert!(
                matches!(&refused, Refused::Unsupported(what) if what.contains(name)),
                "{text}: {refused}"
            );
        }
    }

    #[test]
    fn a_long_list_of_names_is_one_part() {
        let names: Vec<String> = (0..5_000).map(|n| format!("bin-{n}")).collect();
        let text = format!(
            "sum by (place) (rate(linli_value{{device=~\"{}\", measure=\"a \\\" b\"}}[5m]))",
            names.join("|")
        );
        assert!(parse(&text).is_ok());
    }
}
