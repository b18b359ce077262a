//! The check before a start: shipped files without errors, wrong ones with every problem at its line.

use super::*;

#[test]
fn the_shipped_configuration_and_estate_pass_the_check() {
    let output = linli(&["check", "--config", "config/linli.toml", "--json"]);
    let report = json(&output);
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert_eq!(report["ok"], true);
    assert!(report["looked_at"]["rules"].as_u64().unwrap() >= 7, "{report:#}");
    let strict = linli(&["check", "--config", "config/linli.toml", "--strict"]);
    assert_eq!(strict.status.code(), Some(1));
}

#[test]
fn the_demo_estate_fits_a_configuration_with_its_buses() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("linli.toml");
    let buses = ["bus-1", "bus-2", "bus-3"]
        .map(|bus| format!("[[modbus]]\nname = \"{bus}\"\ntcp = \"{bus}.example:502\"\n"));
    let head = "config_version = 1\nestate_seed = \"estate.toml\"\nlanguage = \"en\"\nstore = { data = \"data\" }\n\
        broker = { subscriptions = [{ family = \"chirpstack-v4\" }] }\n";
    std::fs::write(&path, head.to_owned() + &buses.concat()).unwrap();
    let output = linli(&[
        "check",
        "--config",
        path.to_str().unwrap(),
        "--estate",
        "config/estates/demo.toml",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

/// A configuration with one bus, and an estate with so many energy meters on it.
fn meters(folder: &Path, bus: &str, count: usize) -> PathBuf {
    let mut estate = String::from(
        "id = \"e\"\nname = { zh = \"园\", en = \"E\" }\n[[places]]\nid = \"p\"\nkind = \"room\"\n\
         name = { zh = \"房\", en = \"Room\" }\n",
    );
    for unit in 1..=count {
        estate += &format!(
            "[[devices]]\nid = \"m{unit}\"\nprofile = \"carlo-gavazzi.em24\"\nname = {{ zh = \"表\", en = \"M\" }}\n\
             address = {{ bus = \"bus-1\", unit = {unit} }}\n"
        );
    }
    std::fs::write(folder.join("estate.toml"), estate).unwrap();
    let config = format!(
        "config_version = 1\nestate_seed = \"estate.toml\"\nlanguage = \"en\"\nstore = {{ data = \"data\" }}\n\
         [[modbus]]\nname = \"bus-1\"\n{bus}\n"
    );
    let path = folder.join("linli.toml");
    std::fs::write(&path, config).unwrap();
    path
}

fn check(config: &Path, language: &str) -> (Option<i32>, Value) {
    let output = linli(&[
        "check",
        "--config",
        config.to_str().unwrap(),
        "--json",
        "--lang",
        language,
    ]);
    (output.status.code(), json(&output))
}

#[test]
fn a_sump_that_does_not_say_how_deep_it_is_is_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("linli.toml");
    let head = "config_version = 1\nestate_seed = \"estate.toml\"\nlanguage = \"en\"\nstore = { data = \"data\" }\n\
        broker = { subscriptions = [{ family = \"chirpstack-v4\" }] }\n";
    std::fs::write(&config, head).unwrap();
    let found = |tank: &str| {
        let estate = format!(
            "id = \"e\"\nname = {{ zh = \"园\", en = \"E\" }}\n[[places]]\nid = \"p\"\nkind = \"room\"\n\
             name = {{ zh = \"房\", en = \"Room\" }}\n[[assets]]\nid = \"sump-1\"\nkind = \"sump\"\nplace = \"p\"\n\
             name = {{ zh = \"井\", en = \"Sump\" }}\n{tank}\n[[devices]]\nid = \"probe\"\n\
             profile = \"milesight.em500-swl\"\nname = {{ zh = \"液位计\", en = \"Probe\" }}\n\
             address = {{ mqtt = \"embedded\", key = \"24e124713b490101\" }}\nasset = \"sump-1\"\n"
        );
        std::fs::write(folder.path().join("estate.toml"), estate).unwrap();
        let (code, report) = check(&config, "en");
        assert_eq!(code, Some(0), "{report:#}");
        let problems = report["problems"].as_array().unwrap().clone();
        let mut unguarded = problems
            .into_iter()
            .filter(|problem| problem["code"] == "unguarded");
        unguarded.next().map(|problem| problem["line"].clone())
    };
    assert_eq!(found(""), Some(Value::from(7)));
    assert_eq!(
        found("tank = { empty_distance_mm = 2400, full_distance_mm = 400 }"),
        None
    );
}

#[test]
fn a_plan_that_no_line_can_keep_is_refused_with_its_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let serial = "serial = { path = \"/dev/ttyUSB0\", baud = 9600 }";
    let (code, report) = check(&meters(folder.path(), serial, 20), "en");
    let problem = &report["problems"][0];
    assert_eq!(
        (code, &problem["code"], &problem["line"]),
        (Some(1), &"bus-time".into(), &5.into()),
        "{report:#}"
    );
    // Five requests every 5 s and two a minute, 20 times: 20.7 a second, each about 50 ms.
    let message = problem["message"].as_str().unwrap();
    assert!(
        message.contains("20 slaves and 20.7 requests a second take"),
        "{message}"
    );
    assert!(message.contains("at 9600 baud"), "{message}");
    assert!(
        problem["hint"].as_str().unwrap().contains("turnaround of 20ms"),
        "{problem}"
    );
    let (_, chinese) = check(&meters(folder.path(), serial, 20), "zh-CN");
    assert!(
        chinese["problems"][0]["message"]
            .as_str()
            .unwrap()
            .contains("20 个从机每秒 20.7 个请求"),
        "{chinese}"
    );

    let (code, report) = check(&meters(folder.path(), serial, 16), "en");
    assert_eq!(
        (code, &report["problems"][0]["severity"]),
        (Some(0), &"warning".into()),
        "{report:#}"
    );
    assert!(
        report["problems"][0]["message"]
            .as_str()
            .unwrap()
            .contains("% full"),
        "{report:#}"
    );
    let (code, report) = check(&meters(folder.path(), serial, 10), "en");
    assert_eq!(
        (code, report["problems"].as_array().unwrap().len()),
        (Some(0), 0),
        "{report:#}"
    );
    let faster = "serial = { path = \"/dev/ttyUSB0\", baud = 115200 }\nturnaround = \"5ms\"";
    let (_, report) = check(&meters(folder.path(), faster, 20), "en");
    assert_eq!(report["problems"].as_array().unwrap().len(), 0, "{report:#}");
}

#[test]
fn a_line_of_unknown_speed_is_warned_about_and_a_unit_no_line_has_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let converter = "rtu_over_tcp = \"10.0.0.6:4196\"";
    let (code, report) = check(&meters(folder.path(), converter, 60), "en");
    assert_eq!(
        (code, &report["problems"][0]["severity"]),
        (Some(0), &"warning".into()),
        "{report:#}"
    );
    let known = format!("{converter}\nbaud = 9600");
    let (code, _) = check(&meters(folder.path(), &known, 60), "en");
    assert_eq!(code, Some(1));
    let estate = folder.path().join("estate.toml");
    let path = meters(folder.path(), converter, 1);
    let text = std::fs::read_to_string(&estate)
        .unwrap()
        .replace("unit = 1 ", "unit = 255 ");
    std::fs::write(&estate, text).unwrap();
    let (code, report) = check(&path, "en");
    assert_eq!(code, Some(1));
    assert!(
        report["problems"][0]["message"]
            .as_str()
            .unwrap()
            .contains("unit 255"),
        "{report:#}"
    );
    let config = std::fs::read_to_string(&path)
        .unwrap()
        .replace(converter, "tcp = \"10.0.0.6:502\"");
    std::fs::write(&path, config).unwrap();
    assert_eq!(check(&path, "en").0, Some(0));
}

#[test]
fn a_wrong_estate_is_answered_with_every_problem_at_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = std::fs::read_to_string(repository().join("config/estates/example.toml")).unwrap();
    let wrong = shipped
        .replace("profile = \"bosch.tps110\"", "profile = \"bosch.tps11\"")
        .replace(
            "mqtt = \"embedded\", key = \"b1/pipe\"",
            "mqtt = \"embeded\", key = \"b1/pipe\"",
        )
        .replace("a84041f8c1870101", "A84041F8C1870101")
        .replacen("place = \"yard\"", "place = \"yrad\"", 1)
        .replacen("role = \"bin\"", "role = \"bni\"", 1);
    let path = folder.path().join("estate.toml");
    std::fs::write(&path, wrong).unwrap();
    let output = linli(&[
        "check",
        "--config",
        "config/linli.toml",
        "--estate",
        path.to_str().unwrap(),
        "--lang",
        "en",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let shown = text(&output.stderr);
    for part in [
        "there is no profile \"bosch.tps11\"",
        "did you mean \"bosch.tps110\"?",
        "there is no MQTT connection \"embeded\"",
        "write \"a84041f8c1870101\"",
        "yrad",
        "\"role\" cannot be \"bni\"",
        "estate.toml:",
    ] {
        assert!(shown.contains(part), "{part:?} is missing in\n{shown}");
    }
}

#[test]
fn one_item_of_the_wrong_shape_does_not_hide_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("estate.toml");
    let estate = "id = \"e\"\nname = { zh = \"小区\", en = \"Estate\" }\n[[places]]\nid = \"no spaces\"\nkind = \"x\"\n\
        name = { zh = \"一\", en = \"1\" }\n[[assets]]\nid = \"a\"\nkind = \"bni\"\nplace = \"p\"\n\
        name = { zh = \"一\", en = \"1\" }\n[[devices]]\nid = \"d\"\nprofil = \"x\"\nname = { zh = \"一\", en = \"1\" }\n";
    std::fs::write(&path, estate).unwrap();
    let arguments = [
        "check",
        "--config",
        "config/linli.toml",
        "--json",
        "--estate",
        path.to_str().unwrap(),
    ];
    let report = json(&linli(&arguments));
    let errors = report["problems"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|p| p["severity"] == "error");
    let lines: Vec<u64> = errors.map(|problem| problem["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [4, 9, 14], "{report:#}");
}
