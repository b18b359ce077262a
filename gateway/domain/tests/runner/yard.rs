//! A yard with so many bins, each with a lid that tells how full it is: an estate in which many alarms come at once.

use std::fmt::Write as _;

/// `bin-0`, `bin-1` … under `lid-0`, `lid-1` …; `rest` is what else the estate says, its rules above all.
pub(crate) fn yard(bins: usize, rest: &str) -> String {
    let mut toml = format!(
        r#"
id = "yard"
name = {{ zh = "多桶", en = "Many bins" }}
shipped_rules = false

[[places]]
id = "yard"
kind = "outdoor"
name = {{ zh = "院", en = "Yard" }}
{rest}"#
    );
    for n in 0..bins {
        write!(
            toml,
            r#"
[[assets]]
id = "bin-{n}"
kind = "bin"
place = "yard"
name = {{ zh = "桶{n}", en = "Bin {n}" }}

[[devices]]
id = "lid-{n}"
profile = "lid"
name = {{ zh = "盖{n}", en = "Lid {n}" }}
address = {{ mqtt = "main", key = "lid-{n}" }}
asset = "bin-{n}"
"#
        )
        .unwrap();
    }
    toml
}
