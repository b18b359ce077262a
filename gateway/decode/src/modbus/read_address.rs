//! Addresses as manuals write them. Everything behind this file is 0-based, as on the wire.
//!
//! Manuals count from 0 or from 1, put a digit for the table in front (30001, 40001, 400001) or write hexadecimal with
//! an h. A number does not say which of these it is, so a notation is accepted only with an explicit `base`.

use crate::profile::document::{Node, Problems, Table};
use toml::de::DeValue;

/// What a profile's addresses count from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// Nothing was said: 0-based, and what looks like a notation is refused.
    Unsaid,
    /// 0-based, whatever it looks like.
    Zero,
    /// The first register is 1.
    One,
    /// 00001, 10001, 30001, 40001: the table's digit in front, counted from 1.
    FiveDigits,
    /// The same with six digits.
    SixDigits,
}

/// Reads `base`.
pub(super) fn read_base(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Base> {
    let node = table.take("base")?;
    let hint = "use 0 (as on the wire), 1 (the first register is 1), \"5-digit\" (30001, 40001) or \"6-digit\" (400001)";
    match node.get_ref() {
        DeValue::Integer(number) if number.as_str() == "0" => Some(Base::Zero),
        DeValue::Integer(number) if number.as_str() == "1" => Some(Base::One),
        DeValue::String(text) if text == "5-digit" => Some(Base::FiveDigits),
        DeValue::String(text) if text == "6-digit" => Some(Base::SixDigits),
        _ => problems.refuse(node.span(), "unknown base", hint),
    }
}

/// Reads an address of `function` into its 0-based form.
pub(super) fn read_address(
    node: Node<'_>,
    base: Base,
    function: u8,
    problems: &mut Problems<'_>,
) -> Option<u16> {
    let (number, is_decimal) = read_number(node, base, problems)?;
    let digit = table_digit(function);
    let looks_like =
        |thousands: u32| (digit * thousands + 1..=digit * thousands + thousands - 1).contains(&number);
    if base == Base::Unsaid && is_decimal && digit > 0 && (looks_like(10_000) || looks_like(100_000)) {
        let digits = if looks_like(10_000) { 5 } else { 6 };
        let wire = number - digit * if digits == 5 { 10_000 } else { 100_000 } - 1;
        let hint = format!(
            "say base = \"{digits}-digit\" under [modbus] if {number} means address {wire} on the wire, base = 0 if it is one"
        );
        return problems.refuse(
            node.span(),
            format!("{number} looks like the notation of a manual"),
            hint,
        );
    }
    let wire = match base {
        Base::Unsaid | Base::Zero => Some(number),
        Base::One => number.checked_sub(1),
        Base::FiveDigits => strip(number, digit, 10_000),
        Base::SixDigits => strip(number, digit, 100_000),
    };
    wire.and_then(|wire| u16::try_from(wire).ok()).or_else(|| {
        let (message, hint) = match base {
            Base::Unsaid | Base::Zero => (
                format!("{number} is out of range"),
                "use 0 to 65535, as on the wire".to_owned(),
            ),
            Base::One => (
                format!("{number} is out of range"),
                "with base = 1 use 1 to 65536".to_owned(),
            ),
            Base::FiveDigits => (
                format!("{number} is no 5-digit address of function {function}"),
                format!(
                    "function {function} has {:05} to {:05}",
                    digit * 10_000 + 1,
                    digit * 10_000 + 9_999
                ),
            ),
            Base::SixDigits => (
                format!("{number} is no 6-digit address of function {function}"),
                format!(
                    "function {function} has {:06} to {:06}",
                    digit * 100_000 + 1,
                    digit * 100_000 + 65_536
                ),
            ),
        };
        problems.refuse(node.span(), message, hint)
    })
}

/// The number, and whether it was written in plain decimal digits.
fn read_number(node: Node<'_>, base: Base, problems: &mut Problems<'_>) -> Option<(u32, bool)> {
    match node.get_ref() {
        DeValue::Integer(number) => {
            let is_decimal = number.radix() == 10;
            let value = problems.integer(node, 0..=999_999)?;
            Some((u32::try_from(value).ok()?, is_decimal))
        }
        DeValue::String(_) if base == Base::Unsaid => {
            let hint = "write the number as on the wire, or say with `base` under [modbus] what the manual counts from";
            problems.refuse(
                node.span(),
                "an address in quotes is the notation of a manual",
                hint,
            )
        }
        DeValue::String(text) => {
            let lower = text.trim().to_ascii_lowercase();
            let hexadecimal = lower.strip_prefix("0x").or_else(|| lower.strip_suffix('h'));
            let value = match hexadecimal {
                Some(digits) => u32::from_str_radix(digits, 16).ok(),
                None => lower.parse().ok(),
            };
            match value.filter(|value| *value <= 999_999) {
                Some(value) => Some((value, hexadecimal.is_none())),
                None => problems.refuse(
                    node.span(),
                    format!("{text:?} is not an address"),
                    "write digits, or hexadecimal as \"0x0101\" or \"0101h\"",
                ),
            }
        }
        other => problems.refuse(
            node.span(),
            format!("expected an address, found {}", other.type_str()),
            "0-based, as on the wire",
        ),
    }
}

fn table_digit(function: u8) -> u32 {
    match function {
        1 => 0,
        2 => 1,
        3 => 4,
        _ => 3,
    }
}

fn strip(number: u32, digit: u32, thousands: u32) -> Option<u32> {
    let rest = number.checked_sub(digit * thousands)?;
    (1..thousands).contains(&rest).then(|| rest - 1)
}
