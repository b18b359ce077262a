//! Turns the table into the register document people read, one in English and one in Chinese.
//!
//! English descriptions are the comments of the table itself, Chinese ones stand in `words`; the tests show that every
//! register and every bit has both. Not responsible for: wiring and use of a node; `docs/firmware` has pages for that.

mod words;

use std::fmt::Write as _;

use crate::meaning::{BAUD_RATES, fault};
use crate::table::ABOUT;
use crate::{Access, Kind, MAP_VERSION, REGISTERS, Register, Table, Type};
use words::Words;

/// A language the document is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Simplified Chinese.
    Chinese,
}

impl Language {
    /// Both.
    pub const ALL: [Language; 2] = [Language::English, Language::Chinese];

    /// Name of the document's file in `docs/firmware`.
    pub const fn file_name(self) -> &'static str {
        match self {
            Language::English => "registers.md",
            Language::Chinese => "registers.zh-CN.md",
        }
    }
}

/// The whole document.
pub fn document(language: Language) -> String {
    let words = Words::of(language);
    let [major, minor] = MAP_VERSION.to_be_bytes();
    let mut text = format!(
        "<!-- {} -->\n# {}\n\n{}\n",
        words.generated,
        words.title,
        words
            .introduction
            .replace("{version}", &format!("{major}.{minor}")),
    );
    let sections = [
        (Table::Input, words.input),
        (Table::Holding, words.holding),
        (Table::Coil, words.coils),
        (Table::Discrete, words.discretes),
    ];
    for (table, title) in sections {
        let _ = write!(text, "\n## {title}\n\n{}", words.head);
        for (register, about) in REGISTERS.iter().zip(ABOUT) {
            if register.table == table {
                text.push_str(&row(register, words.about(register, about), &words));
            }
        }
    }
    let _ = write!(text, "\n## {}\n\n{}", words.codes, words.code_tables);
    let rates: Vec<String> = BAUD_RATES
        .iter()
        .zip(0..)
        .map(|(rate, code): (_, u8)| format!("{code} = {rate}"))
        .collect();
    let _ = write!(text, "\n`BAUD_CODE`: {}.\n", rates.join(", "));
    let _ = write!(text, "\n### `FAULTS`\n\n{}", words.bit_head);
    for (bit, name) in fault::NAMES {
        let number = bit.trailing_zeros();
        let _ = writeln!(text, "| {number} | `{name}` | {} |", words.fault(name));
    }
    let _ = write!(
        text,
        "\n### `ALARMS_LATCHED`, `ACKNOWLEDGE`\n\n{}{}",
        words.bit_head, words.alarms
    );
    text
}

fn row(register: &Register, about: &str, words: &Words) -> String {
    let kinds: Vec<&str> = Kind::ALL
        .into_iter()
        .filter(|kind| register.kinds.contains(*kind))
        .map(|kind| words.kind(kind))
        .collect();
    let kinds = if kinds.len() == Kind::ALL.len() {
        words.every_kind.to_owned()
    } else {
        kinds.join(", ")
    };
    format!(
        "| {} | `{}` | {kinds} | {} | {} | {} | {} | {} |\n",
        addresses(register),
        register.name,
        kind_of_value(register, words),
        words.access(register.access),
        range(register),
        register
            .measure
            .map_or(String::new(), |measure| format!("`{}`", measure.name)),
        plain(about),
    )
}

/// A description without what only the code's own documentation can follow.
fn plain(about: &str) -> String {
    let (about, more) = match about.split_once("; see [") {
        Some((about, _)) => (about, "; see below."),
        None => (about, ""),
    };
    let mut text = String::new();
    let mut rest = about.trim();
    while let Some((before, link)) = rest.split_once("[`") {
        let (name, after) = link.split_once("`](").unwrap_or((link, ""));
        text += before;
        text += &format!("`{name}`");
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    text + rest + more
}

/// `0x0004–0x0005` for two words.
fn addresses(register: &Register) -> String {
    match register.ty.words() {
        1 => format!("0x{:04X}", register.address),
        _ => format!("0x{:04X}–0x{:04X}", register.address, register.end() - 1),
    }
}

/// Type, scale and unit.
fn kind_of_value(register: &Register, words: &Words) -> String {
    let ty = match register.ty {
        Type::Flags => words.flags,
        Type::Window => words.window,
        other => other.profile_name(),
    };
    let scale = match register.decimals {
        0 => String::new(),
        decimals => format!(
            " × 10⁻{}",
            ["⁰", "¹", "²", "³"].get(usize::from(decimals)).unwrap_or(&"?")
        ),
    };
    let unit = match register.unit {
        "" | "1" => String::new(),
        unit => format!(" {unit}"),
    };
    format!("{ty}{scale}{unit}")
}

/// Raw range and factory value of a setting.
fn range(register: &Register) -> String {
    match (register.table, register.access) {
        (Table::Holding, Access::ReadWrite) => {
            format!("{}–{} ({})", register.min, register.max, register.default)
        }
        (Table::Holding, Access::Command) if register.max < u16::MAX => {
            format!("{}–{}", register.min, register.max)
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_documents_are_the_generated_ones() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/firmware");
        for language in Language::ALL {
            let path = folder.join(language.file_name());
            let committed = std::fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
            assert!(
                committed == document(language),
                "{} differs from the table; run `cargo run -p linli-registers --features std --bin gen-profile -- --document docs/firmware`",
                path.display()
            );
        }
    }

    #[test]
    fn every_register_and_every_bit_is_described_in_both_languages() {
        for language in Language::ALL {
            let words = Words::of(language);
            for (register, about) in REGISTERS.iter().zip(ABOUT) {
                let about = words.about(register, about);
                assert!(!about.trim().is_empty(), "{} in {language:?}", register.name);
                let is_chinese = about.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
                assert_eq!(is_chinese, language == Language::Chinese, "{}", register.name);
                assert!(!about.contains('|'), "{} would break its table", register.name);
            }
            for (_, name) in fault::NAMES {
                assert!(!words.fault(name).is_empty(), "{name} in {language:?}");
            }
        }
        assert_eq!(ABOUT.len(), REGISTERS.len());
    }

    #[test]
    fn links_of_the_code_become_words() {
        assert_eq!(
            plain(" A [`Kind`](crate::Kind) by number."),
            "A `Kind` by number."
        );
        assert_eq!(
            plain(" Live; see [`fault`](crate::meaning::fault)."),
            "Live; see below."
        );
        assert_eq!(plain(" Plain."), "Plain.");
    }

    #[test]
    fn a_row_tells_address_scale_range_and_measure() {
        let text = document(Language::English);
        for part in [
            "| 0x0004–0x0005 | `UPTIME_S` | all | u32 s |",
            "| 0x0004 | `HOT_ON` | all | u16 × 10⁻² Cel | read, write | 3000–12000 (6000) |",
            "`parking.occupied`",
        ] {
            assert!(text.contains(part), "{part}");
        }
    }
}
