//! Sentences that come in English, as the domain and the API word them, in the language of whoever reads them. Their English
//! text in the catalogue is the pattern they are found by; one it does not know stays as it came.

use super::{fill, texts};
use linli_domain::text::Language;

/// A sentence that came in English in the language of the reader, when the catalogue knows it: its English text is the
/// pattern, and of several that fit the most exact one counts.
pub fn translated(language: Language, section: &str, said: &str) -> Option<String> {
    let begins = format!("{section}.");
    let known = texts(Language::En).range(begins.clone()..);
    let fits = known
        .take_while(|(key, _)| key.starts_with(&begins))
        .filter_map(|(key, template)| Some((key, values_of(template, said)?)));
    let free = |values: &[(&str, &str)]| values.iter().map(|(_, value)| value.len()).sum::<usize>();
    let (key, values) = fits.min_by_key(|(_, values)| free(values))?;
    Some(fill(texts(language).get(key)?, &values))
}

/// The values with which a template would have been filled to say this.
fn values_of<'a>(template: &'a str, said: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let mut values = Vec::new();
    let Some((begin, mut template)) = template.split_once('{') else {
        return (template == said).then_some(values);
    };
    let mut said = said.strip_prefix(begin)?;
    loop {
        let (name, after) = template.split_once('}')?;
        let Some((literal, next)) = after.split_once('{') else {
            values.push((name, said.strip_suffix(after)?));
            return Some(values);
        };
        let (value, rest) = said.split_once(literal)?;
        values.push((name, value));
        (template, said) = (next, rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_english_sentence_is_found_again_with_its_values() {
        let zh = |said| translated(Language::Zh, "problem", said);
        assert_eq!(
            zh("clear 95 is above the set value 90").as_deref(),
            Some("恢复值 95 高于触发值 90")
        );
        assert_eq!(zh("there is no rule \"x\"").as_deref(), Some("没有规则 \"x\""));
        assert_eq!(zh("no sentence of ours"), None);
        assert_eq!(
            translated(Language::En, "problem", "is longer than 7 days").as_deref(),
            Some("is longer than 7 days")
        );
    }

    #[test]
    fn what_the_domain_says_of_rules_and_lengths_is_known_in_chinese() {
        use linli_domain::command::Refusal;
        let zh = |said: &str| translated(Language::Zh, "problem", said);
        let most = "8h".to_owned();
        let said = zh(&Refusal::ShelvingLength { most }.to_string());
        assert!(said.is_some_and(|said| said.contains("最长可搁置 8h")));

        let rule = |more: &str| {
            format!(
                "[[rules]]\nid = \"r\"\nclass = \"r\"\nfault = \"r\"\npriority = \"P1\"\n\
                 response = {{ zh = \"查看\", en = \"\" }}\n{more}\n"
            )
        };
        let here = "applies_to = { kind = \"bin\" }";
        let rules = [
            "measure = \"bin.fill\"\nwhen = { above = 50.0, clear = 60.0 }\napplies_to = { assets = [\"x\"] }\n\
                     order = { role = \"repair\", profile = \"fix\", batch = true }"
                .to_owned(),
            format!(
                "measure = \"bin.fill\"\nwhen = {{ below = 50.0, clear = 40.0 }}\n{here}\non_delay = \"8d\"\nre_alarm = \"5s\""
            ),
            format!("measure = \"bin.fill\"\nwhen = {{ above = 150.0 }}\n{here}\nvote = {{ at_least = 0 }}"),
            "measure = \"bin.fill\"\nwhen = { state = true }\napplies_to = {}".to_owned(),
            format!(
                "measure = \"leak.wet\"\nwhen = {{ above = 1.0, silent = true }}\n{here}\nduring = {{ from = \"25:00\" }}"
            ),
            format!(
                "measure = \"leak.wet\"\nwhen = {{ above = 1.0 }}\n{here}\nduring = {{ from = \"01:00\", to = \"01:00\" }}"
            ),
            format!("measure = \"leak.wet\"\nwhen = {{ state = true, times = 1, within = \"99d\" }}\n{here}"),
            format!(
                "measure = \"leak.wet\"\nwhen = {{ state = true, total = \"2h\", within = \"1h\" }}\n{here}"
            ),
            format!(
                "measure = \"bin.fill\"\nwhen = {{ rises = 200.0, clear = 300.0, within = \"0s\" }}\n{here}"
            ),
        ];
        let text = "id = \"e\"\nname = { zh = \"甲\", en = \"A\" }\ntimezone = \"Asia/Shanghai\"\n"
            .to_owned()
            + &rules.map(|more| rule(&more)).concat();
        let document: linli_domain::estate::EstateDoc = toml::from_str(&text).unwrap();
        let problems = linli_domain::estate::Estate::resolve(document.into()).unwrap_err();
        assert!(problems.len() > 30, "{problems:?}");
        for problem in problems {
            assert!(zh(&problem.message).is_some(), "{problem}");
            assert!(
                problem.hint.as_deref().is_none_or(|hint| zh(hint).is_some()),
                "{problem}"
            );
        }
    }
}
