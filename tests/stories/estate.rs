//! The small estate of the stories: a pipe zone, a bin, counters for counting messages, delays of seconds.

/// An estate whose radio devices are heard on `connection`, with `devices` added.
pub(crate) fn estate(connection: &str, devices: &str) -> String {
    format!(
        r#"
id = "story"
name = {{ zh = "故事小区", en = "Story estate" }}

[[places]]
id = "b3"
kind = "building"
name = {{ zh = "3号楼", en = "Building 3" }}

[[assets]]
id = "b3-pipe"
kind = "pipe_zone"
place = "b3"
name = {{ zh = "3号楼管段", en = "Pipe zone of building 3" }}

[[assets]]
id = "b3-bin"
kind = "bin"
place = "b3"
name = {{ zh = "3号楼垃圾桶", en = "Bin of building 3" }}
bin = {{ empty_distance_mm = 2400, full_distance_mm = 400 }}

[[devices]]
id = "leak-b3"
profile = "aqara.sjcgq11lm"
name = {{ zh = "漏水传感器", en = "Leak sensor" }}
address = {{ mqtt = "{connection}", key = "b3/pipe" }}
asset = "b3-pipe"

[[devices]]
id = "bin-b3"
profile = "milesight.em400-udl"
name = {{ zh = "满溢传感器", en = "Bin sensor" }}
address = {{ mqtt = "{connection}", key = "de20fdcb2f925c2c" }}
asset = "b3-bin"
{devices}
[[rules]]
id = "leak"
class = "leak"
fault = "leak"
measure = "leak.wet"
applies_to = {{ kind = "pipe_zone" }}
when = {{ state = true }}
on_delay = "0s"
off_delay = "1s"
latch = true
priority = "P1"
cause = {{ zh = "管道破损", en = "A pipe leaks" }}
consequence = {{ zh = "地面积水", en = "Water stands on the floor" }}
response = {{ zh = "关阀,查漏,处理。", en = "Close the valve, find the leak, repair it." }}
order = {{ role = "repair", profile = "leak" }}

[[order_profiles]]
id = "leak"
name = {{ zh = "漏水维修", en = "Leak repair" }}
verify = {{ hold = "1s", grace = "60s" }}
guards = {{ note_required = true }}
"#
    )
}

/// A device that counts, so that every message can be told from every other. `timed` ones carry their own time.
pub(crate) fn counter(connection: &str, name: &str, timed: bool) -> String {
    let profile = if timed { "story.timed" } else { "story.plain" };
    format!(
        "[[devices]]\nid = \"{name}\"\nprofile = \"{profile}\"\nname = {{ zh = \"计数\", en = \"Counter\" }}\n\
         address = {{ mqtt = \"{connection}\", key = \"{name}\" }}\n\n"
    )
}

/// The profiles of the counters.
pub(crate) fn counter_profiles() -> Vec<(String, String)> {
    let profile = |id: &str, time: &str| {
        format!(
            "id = \"{id}\"\ntitle = \"Counter of the stories\"\nversion = 1\n\n[json]\n{time}values = [{{ at = \"/n\", \
             measure = \"pulse.count\" }}]\n\n[[tests]]\nname = \"counts\"\njson = '{{\"n\": 7}}'\n\
             expect = [{{ measure = \"pulse.count\", value = 7 }}]\n"
        )
    };
    vec![
        (
            "story-timed.toml".into(),
            profile("story.timed", "time = { at = \"/ts\", format = \"unix_ms\" }\n"),
        ),
        ("story-plain.toml".into(), profile("story.plain", "")),
    ]
}

/// What Zigbee2MQTT says of the leak sensor.
pub(crate) fn leak_message(wet: bool) -> String {
    format!(
        "{{\"battery\":100,\"voltage\":3045,\"linkquality\":112,\"battery_low\":false,\"water_leak\":{wet}}}"
    )
}

/// Its topic.
pub(crate) const LEAK_TOPIC: &str = "zigbee2mqtt/b3/pipe";
