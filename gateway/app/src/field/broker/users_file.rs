//! The users file: one line per user, `name:digest`, with digests in place of passwords.
//!
//! Pure. Lines that begin with `#` and empty ones are left alone by every edit. Reading and writing the file, and
//! noticing that it changed, is done by its callers.

use super::password::{Digest, NoDigest};
use crate::config::raw::broker::username;
use crate::config::said::both;
use linli_domain::text::Text;
use std::fmt;

/// Users of one file. A larger one is refused as a whole; an estate with so many clients has another broker.
pub const MAX_USERS: usize = 2_000;
/// Bytes of one file, enough for as many users with long names.
pub const MAX_BYTES: u64 = 1 << 20;

/// One user of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What is kept of its password.
    pub digest: Digest,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Bytes of the file it is about, never those of a digest.
    pub span: std::ops::Range<usize>,
    /// What.
    pub what: Wrong,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// No colon in it.
    NoColon,
    /// The name cannot be one.
    Name(Text),
    /// The digest is none.
    Digest(String, NoDigest),
    /// The same name again.
    Twice(String),
    /// More lines than [`MAX_USERS`].
    TooMany,
}

impl Wrong {
    /// The same for people; nothing of a digest or what stands in its place.
    pub fn said(&self) -> Text {
        match self {
            Self::NoColon => both!(
                "每行为“用户名:摘要”",
                "a line is a user name, a colon and a digest"
            ),
            Self::Name(reason) => reason.clone(),
            Self::Digest(name, why) => {
                let Text { zh, en } = why.said();
                both!(
                    "无法使用 {name:?} 的摘要：{zh}",
                    "the digest of {name:?} cannot be used: {en}"
                )
            }
            Self::Twice(name) => both!("用户 {name:?} 出现了两次", "the user {name:?} stands here twice"),
            Self::TooMany => both!("用户超过 {MAX_USERS} 个", "there are more than {MAX_USERS} users"),
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said().en)
    }
}

/// Reads all users, or says everything that is wrong.
pub fn read(text: &str) -> Result<Vec<Entry>, Vec<Problem>> {
    let (mut entries, mut problems) = (Vec::<Entry>::new(), Vec::new());
    for (start, line) in lines(text) {
        match entry(line) {
            Ok(entry) if entries.iter().any(|known| known.name == entry.name) => problems.push(Problem {
                span: start..start + entry.name.len(),
                what: Wrong::Twice(entry.name),
            }),
            Ok(_) if entries.len() == MAX_USERS => {
                problems.push(Problem {
                    span: start..start,
                    what: Wrong::TooMany,
                });
                break;
            }
            Ok(entry) => entries.push(entry),
            Err((length, what)) => problems.push(Problem {
                span: start..start + length,
                what,
            }),
        }
    }
    if problems.is_empty() {
        Ok(entries)
    } else {
        Err(problems)
    }
}

/// The file with this user added, or its digest replaced.
pub fn with(text: &str, entry: &Entry) -> String {
    let mut file = without(text, &entry.name).unwrap_or_else(|| text.to_owned());
    if !file.is_empty() && !file.ends_with('\n') {
        file.push('\n');
    }
    file + &format!("{}:{}\n", entry.name, entry.digest)
}

/// The file without this user; `None` when it is not there.
pub fn without(text: &str, name: &str) -> Option<String> {
    let is_it = |line: &str| is_entry(line) && line.rsplit_once(':').is_some_and(|(found, _)| found == name);
    let left: String = text
        .split_inclusive('\n')
        .filter(|line| !is_it(line.trim_end()))
        .collect();
    (left.len() < text.len()).then_some(left)
}

/// Lines that hold a user, with where they start.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut next = 0;
    text.split_inclusive('\n')
        .map(move |line| {
            let start = next;
            next += line.len();
            (start, line.trim_end())
        })
        .filter(|(_, line)| is_entry(line))
}

fn is_entry(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with('#')
}

/// The user of a line; otherwise how much of the line may be shown, and what is wrong.
fn entry(line: &str) -> Result<Entry, (usize, Wrong)> {
    // What has no colon may be a password somebody wrote there: nothing of it is shown.
    let (name, digest) = line.rsplit_once(':').ok_or((0, Wrong::NoColon))?;
    username(name).map_err(|reason| (0, Wrong::Name(reason)))?;
    let digest = Digest::parse(digest).map_err(|why| (name.len(), Wrong::Digest(name.to_owned(), why)))?;
    Ok(Entry {
        name: name.to_owned(),
        digest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str =
        "$argon2id$v=19$m=7168,t=5,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

    fn user(name: &str) -> Entry {
        Entry {
            name: name.into(),
            digest: Digest::parse(DIGEST).unwrap(),
        }
    }

    #[test]
    fn users_are_added_replaced_and_removed_and_comments_stay() {
        let mut file = "# devices of the yard\n\n".to_owned();
        for name in ["bin-7", "aa:bb:cc", "bin-7"] {
            file = with(&file, &user(name));
        }
        assert_eq!(read(&file).unwrap(), [user("aa:bb:cc"), user("bin-7")]);
        assert!(
            file.starts_with("# devices of the yard\n\naa:bb:cc:$argon2id$"),
            "{file}"
        );
        let left = without(&file, "aa:bb:cc").unwrap();
        assert_eq!(read(&left).unwrap(), [user("bin-7")]);
        assert_eq!(without(&left, "bin"), None);
        assert_eq!(with("", &user("x")), format!("x:{DIGEST}\n"));
        assert_eq!(
            read(&with("y", &user("x"))).unwrap_err().len(),
            1,
            "a last line without end"
        );
    }

    #[test]
    fn everything_wrong_is_told_and_no_secret_is_shown() {
        let file = format!("canary\nbin/7:{DIGEST}\nbin-7:canary\nbin-8:{DIGEST}\r\nbin-8:{DIGEST}\n");
        let problems = read(&file).unwrap_err();
        let shown: Vec<&str> = problems.iter().map(|p| &file[p.span.clone()]).collect();
        assert_eq!(shown, ["", "", "bin-7", "bin-8"]);
        let said: Vec<String> = problems.iter().map(|p| p.what.to_string()).collect();
        assert!(!said.concat().contains("canary"), "{said:?}");
        assert!(matches!(problems[3].what, Wrong::Twice(_)));
    }

    #[test]
    fn a_file_for_a_whole_town_is_refused() {
        let file: String = (0..=MAX_USERS).map(|n| format!("bin-{n}:{DIGEST}\n")).collect();
        assert_eq!(read(&file).unwrap_err()[0].what, Wrong::TooMany);
    }
}
