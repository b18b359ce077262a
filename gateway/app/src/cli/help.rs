//! The help of every command in both languages. English stands in `args`, Chinese in [`zh`]; a test compares the two word
//! for word in keys.

mod zh;

use crate::cli::args::Cli;
use clap::{Command, CommandFactory};
use linli_domain::text::Language;
use std::ffi::OsString;
use zh::ZH;

/// The command line with its help in a language.
pub fn command(language: Language) -> Command {
    let command = Cli::command();
    match language {
        Language::En => command,
        Language::Zh => translated(command, "linli"),
    }
}

fn translated(mut command: Command, path: &str) -> Command {
    if let Some(about) = chinese(path) {
        command = command.about(about).long_about(about);
    }
    command = command.mut_args(|argument| {
        match chinese(&format!("{path} --{}", key(argument.get_id().as_str()))) {
            Some(help) => argument.help(help),
            None => argument,
        }
    });
    let names: Vec<String> = command
        .get_subcommands()
        .map(|sub| sub.get_name().to_owned())
        .collect();
    for name in names {
        let below = format!("{path} {name}");
        command = command.mut_subcommand(name, |sub| translated(sub, &below));
    }
    command
}

fn chinese(path: &str) -> Option<&'static str> {
    ZH.iter().find(|(known, _)| *known == path).map(|(_, text)| *text)
}

fn key(id: &str) -> String {
    match id {
        "token_file" => "token-file".to_owned(),
        "http_port" => "http-port".to_owned(),
        "name_en" => "name-en".to_owned(),
        id => id.to_owned(),
    }
}

/// The language asked for with `--lang`, before anything is parsed: the help itself depends on it.
pub fn wished_language(arguments: impl Iterator<Item = OsString>) -> Option<Language> {
    let arguments: Vec<String> = arguments
        .filter_map(|argument| argument.into_string().ok())
        .collect();
    let after = |n: usize| arguments.get(n + 1).map(String::as_str);
    let wish = arguments
        .iter()
        .enumerate()
        .find_map(|(n, argument)| match argument.strip_prefix("--lang") {
            Some("") => after(n),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        });
    match wish? {
        "zh-CN" | "zh" => Some(Language::Zh),
        "en" => Some(Language::En),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn walk(command: &Command, path: &str, all: &mut BTreeSet<String>) {
        all.insert(path.to_owned());
        for argument in command.get_arguments() {
            let id = argument.get_id().as_str();
            // The program's own; a package has a version too.
            if id != "help" && (id, path) != ("version", "linli") {
                assert!(argument.get_help().is_some(), "{path} {id} has no help");
                all.insert(format!("{path} --{}", key(id)));
            }
        }
        for sub in command.get_subcommands() {
            walk(sub, &format!("{path} {}", sub.get_name()), all);
        }
    }

    #[test]
    fn every_command_and_argument_has_its_help_in_both_languages() {
        let mut english = BTreeSet::new();
        walk(&Cli::command(), "linli", &mut english);
        let chinese: BTreeSet<String> = ZH.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(english, chinese);
        assert_eq!(chinese.len(), ZH.len(), "a path stands twice");
    }

    #[test]
    fn the_command_line_is_well_formed() {
        command(Language::En).debug_assert();
        command(Language::Zh).debug_assert();
    }

    #[test]
    fn the_wished_language_is_found_before_parsing() {
        let wish = |text: &str| wished_language(text.split(' ').map(OsString::from));
        assert_eq!(wish("check --lang en"), Some(Language::En));
        assert_eq!(wish("--lang=zh-CN check"), Some(Language::Zh));
        assert_eq!((wish("check"), wish("--lang fr")), (None, None));
    }
}
