//! The words of the status page in Chinese and English, and nothing else.
//!
//! Each line of the table holds both languages, so neither can be forgotten; a test looks for empty ones.

use linli_domain::text::Language;

macro_rules! words {
    ($($name:ident = $zh:literal, $en:literal;)*) => {
        /// The fixed words of the page in one language.
        #[derive(Debug, Clone, Copy)]
        pub(super) struct Words {
            $(pub(super) $name: &'static str,)*
        }

        const ZH: Words = Words { $($name: $zh,)* };
        const EN: Words = Words { $($name: $en,)* };

        #[cfg(test)]
        const LINES: &[(&str, &str, &str)] = &[$((stringify!($name), $zh, $en),)*];
    };
}

words! {
    lang = "zh-CN", "en";
    title = "运行状态", "Status";
    alarms = "告警", "Alarms";
    orders = "工单", "Orders";
    devices = "需要照看的设备", "Devices that need care";
    no_devices = "设备一切正常", "All devices are well";
    device = "设备", "Device";
    availability = "可达", "Reachable";
    last_seen = "最近通信", "Last heard";
    places = "位置与资产", "Places and assets";
    gateway = "网关", "Gateway";
    no_alarms = "没有告警", "No alarms";
    out_of_service = "停用的设备和资产", "Out of service";
    out_lives = "其中关系人身安全", "of these lives depend on";
    no_orders = "没有未完成的工单", "No open orders";
    priority = "级别", "Priority";
    what = "内容", "What";
    place = "位置", "Where";
    since = "发生", "Since";
    state = "状态", "State";
    number = "编号", "Number";
    comma = "、", ", ";
    tasks_done = "已完成的任务", "Tasks that have ended";
    task = "任务", "Task";
    role = "负责", "Whose";
    value = "当前值", "Value";
    age = "更新", "Age";
    quality = "质量", "Quality";
    nothing_heard = "尚无读数", "Nothing heard yet";
    connections = "连接", "Connections";
    connected = "已连接", "connected";
    disconnected = "未连接", "not connected";
    no_connections = "尚无连接", "No connections yet";
    last_commit = "最近提交", "Last commit";
    outbox = "待发消息", "Outbox";
    waiting = "等待", "waiting";
    dead = "失败", "given up";
    rejects = "无法识别的报文", "Messages not understood";
    more = "更多内容请使用接口或命令行查看", "There is more; see the API or the command line";
    updated = "更新于", "Updated";
    other_language = "English", "中文";
    other_lang = "en", "zh";
    skip = "跳到告警", "Skip to alarms";
    unplaced = "网关自身", "The gateway itself";
    all_well = "一切正常", "All is well";
    disk_full = "磁盘已满，暂时什么都存不下：报文不确认、会再来，命令被拒绝。请腾出空间，之后自动继续。", "The disk is full and nothing can be stored: messages are not acknowledged and come again, commands are refused. Free some space; everything goes on by itself.";
    disk_read_only = "磁盘只读，暂时什么都存不下：报文不确认、会再来，命令被拒绝。请检查文件系统和数据目录的权限，之后自动继续。", "The disk takes no writes and nothing can be stored: messages are not acknowledged and come again, commands are refused. Check the file system and the owner of the data folder; everything goes on by itself.";
    disk_failing = "磁盘读写失败，暂时什么都存不下：报文不确认、会再来，命令被拒绝。请查看系统日志，检查或更换磁盘，然后运行 linli doctor。", "The disk fails and nothing can be stored: messages are not acknowledged and come again, commands are refused. Look into the system's log, check or replace the disk, then run linli doctor.";
    needs_attention = "需要处理", "Needs attention";
    ago_s = "秒前", " s ago";
    ago_m = "分钟前", " min ago";
    ago_h = "小时前", " h ago";
    ago_d = "天前", " d ago";
}

/// The words of a language.
pub(super) fn words(language: Language) -> &'static Words {
    match language {
        Language::Zh => &ZH,
        Language::En => &EN,
    }
}

/// Codes and their words: priorities, states, roles, qualities, asset kinds, and states of measures. Names of measures stand in the catalogue of messages.
const CODES: &[(&str, &str, &str)] = &[
    ("P1", "特急", "Critical"),
    ("P2", "紧急", "Urgent"),
    ("P3", "一般", "Normal"),
    ("P4", "低", "Low"),
    ("active_unack", "告警中,未确认", "active, nobody has seen it"),
    ("active_ack", "告警中,已确认", "active, acknowledged"),
    ("rtn_unack", "已恢复,未确认", "normal again, nobody has seen it"),
    ("latched", "锁存,待复位", "latched, to be reset"),
    ("unknown", "失联", "unknown, sensor lost"),
    ("normal", "正常", "normal"),
    ("new", "新建", "new"),
    ("dispatched", "待接单", "waiting to be accepted"),
    ("accepted", "已接单", "accepted"),
    ("in_progress", "处理中", "in progress"),
    ("pending_verification", "待验收", "waiting for the sensors"),
    ("repair", "维修", "repair"),
    ("cleaning", "保洁", "cleaning"),
    ("order", "秩序", "order"),
    ("good", "正常", "good"),
    ("uncertain", "存疑", "uncertain"),
    ("bad", "无效", "bad"),
    ("sensor_no_reading", "传感器无读数", "sensor has no value"),
    ("out_of_range", "超出量程", "out of range"),
    ("stale", "久未更新", "not heard for too long"),
    ("silent", "失联", "not heard any more"),
    ("decode_error", "无法解码", "cannot be decoded"),
    ("comm_timeout", "通信超时", "no answer"),
    ("illegal_address", "地址无效", "no such address"),
    ("device_failure", "设备故障", "device failure"),
    ("clock_invalid", "设备时钟错误", "device clock wrong"),
    ("retained", "历史留存", "replay of unknown age"),
    ("simulated", "模拟", "simulated"),
    ("frame_error", "报文损坏", "damaged reply"),
    ("clock_unset", "设备时钟未设置", "device clock was never set"),
    ("clock_ahead", "设备时间超前", "device time lies in the future"),
    ("clock_behind", "设备时间过旧", "device time lies too far back"),
    ("impossible_jump", "突变异常", "jumped faster than possible"),
    ("true", "是", "yes"),
    ("false", "否", "no"),
    ("leak.wet=true", "有水", "wet"),
    ("leak.wet=false", "干燥", "dry"),
    ("parking.occupied=true", "占用", "occupied"),
    ("parking.occupied=false", "空闲", "free"),
    ("door.open=true", "打开", "open"),
    ("door.open=false", "关闭", "closed"),
    ("valve.open=true", "打开", "open"),
    ("valve.open=false", "关闭", "closed"),
];

/// The word for a code; the code itself when the table has none.
pub(super) fn code(language: Language, code: &str) -> &str {
    let line = CODES.iter().find(|(known, _, _)| *known == code);
    match (line, language) {
        (Some((_, zh, _)), Language::Zh) => zh,
        (Some((_, _, en)), Language::En) => en,
        (None, _) => code,
    }
}

/// Units as people write them.
pub(super) fn unit(symbol: &str) -> &str {
    match symbol {
        "Cel" => "°C",
        "%RH" => "%",
        "bool" | "text" | "1" => "",
        "Ohm" => "Ω",
        "uA" => "µA",
        "m3" => "m³",
        "m3/h" => "m³/h",
        "deg" => "°",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linli_domain::reading::Reason;

    #[test]
    fn every_word_exists_in_both_languages() {
        let mut seen = std::collections::BTreeSet::new();
        for (key, zh, en) in LINES.iter().chain(CODES) {
            assert!(!zh.trim().is_empty() && !en.trim().is_empty(), "{key}");
            assert!(seen.insert(key), "{key} twice");
            assert!(en.is_ascii() || *key == "other_language", "{key}: {en}");
        }
    }

    #[test]
    fn every_closed_list_has_its_words() {
        for reason in Reason::ALL {
            let word = serde_json::to_value(reason).unwrap();
            let word = word.as_str().unwrap();
            assert_ne!(code(Language::Zh, word), word);
        }
        for word in [
            "P1",
            "P4",
            "active_unack",
            "rtn_unack",
            "dispatched",
            "pending_verification",
            "leak.wet=true",
        ] {
            assert_ne!(code(Language::En, word), word);
        }
    }
}
