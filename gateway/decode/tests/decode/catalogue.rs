//! The shipped catalogue loads, every profile proves itself, and the lookup finds it.

use linli_decode::Catalogue;
use linli_domain::id::ProfileId;
use std::fs;
use std::path::Path;

/// Name and text of every file in `config/profiles`.
pub(crate) fn files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/profiles");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the catalogue folder")
        .map(|entry| entry.expect("an entry of the catalogue folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a profile is text");
            (
                path.file_name()
                    .expect("a file name")
                    .to_string_lossy()
                    .into_owned(),
                text,
            )
        })
        .collect();
    files.sort();
    files
}

/// The shipped catalogue; a profile that is refused fails the test with its errors.
pub(crate) fn load() -> Catalogue {
    let (catalogue, refused) = Catalogue::load(files());
    let refused: Vec<String> = refused
        .iter()
        .flat_map(|(_, errors)| errors)
        .map(ToString::to_string)
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    catalogue
}

#[test]
fn every_shipped_profile_loads_and_passes_tests_of_its_own() {
    let catalogue = load();
    assert_eq!(catalogue.len(), files().len());
    for profile in catalogue.iter() {
        assert!(profile.tests() > 0, "{} has no tests", profile.id());
        assert!(
            profile.expected_interval().is_some(),
            "{} has no expected interval",
            profile.id()
        );
    }
}

#[test]
fn a_profile_is_found_by_its_id() {
    let id = ProfileId::new("milesight.em400-udl").unwrap();
    assert_eq!(load().get(&id).unwrap().title(), "Milesight EM400-UDL");
    assert!(load().get(&ProfileId::new("no.such").unwrap()).is_none());
}

#[test]
fn a_refused_profile_and_a_second_of_an_id_leave_the_others_alone() {
    let good = &files()[0].1;
    let (catalogue, refused) =
        Catalogue::load([("a.toml", good.as_str()), ("b.toml", good), ("c.toml", "id = 3")]);
    assert_eq!(catalogue.len(), 1);
    let files: Vec<_> = refused.iter().map(|(file, _)| file.as_str()).collect();
    assert_eq!(files, ["b.toml", "c.toml"]);
    assert!(refused[0].1[0].to_string().contains("already has the id"));
}

#[test]
fn a_profile_knows_what_it_may_measure_in_any_of_its_roles() {
    let catalogue = load();
    let may = |profile: &str, measure: &str| {
        let profile = catalogue.get(&ProfileId::new(profile).unwrap()).unwrap();
        profile.may_measure(measure.parse().unwrap())
    };
    assert_eq!(may("milesight.em400-udl", "bin.distance"), Some(false));
    assert_eq!(may("milesight.em400-udl", "leak.wet"), None);
    assert_eq!(may("acrel.adw300", "power.voltage"), Some(true));
    // Nothing is measured that is in no role, and everything in the default role is.
    for profile in catalogue.iter() {
        for measure in profile.measures() {
            assert!(
                profile.may_measure(measure).is_some(),
                "{} {measure}",
                profile.id()
            );
        }
    }
}
