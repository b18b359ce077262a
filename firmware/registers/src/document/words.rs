//! The words of the register document in both languages.
//!
//! Not responsible for: what they are put into.

use super::Language;
use crate::{Access, Kind, Register};

/// The words of one language.
pub(super) struct Words {
    language: Language,
    pub(super) generated: &'static str,
    pub(super) title: &'static str,
    pub(super) introduction: &'static str,
    pub(super) input: &'static str,
    pub(super) holding: &'static str,
    pub(super) coils: &'static str,
    pub(super) discretes: &'static str,
    pub(super) head: &'static str,
    pub(super) codes: &'static str,
    pub(super) code_tables: &'static str,
    pub(super) bit_head: &'static str,
    pub(super) alarms: &'static str,
    pub(super) every_kind: &'static str,
    pub(super) flags: &'static str,
    pub(super) window: &'static str,
}

impl Words {
    pub(super) const fn of(language: Language) -> Words {
        match language {
            Language::English => ENGLISH,
            Language::Chinese => CHINESE,
        }
    }

    /// What a register holds. English is what stands above it in the table.
    pub(super) fn about(&self, register: &Register, english: &'static str) -> &'static str {
        match self.language {
            Language::English => english,
            Language::Chinese => chinese(register.name),
        }
    }

    pub(super) fn kind(&self, kind: Kind) -> &'static str {
        match (self.language, kind) {
            (Language::English, kind) => kind.name(),
            (Language::Chinese, Kind::Parking) => "车位",
            (Language::Chinese, Kind::Bin) => "垃圾桶",
            (Language::Chinese, Kind::Leak) => "水浸",
        }
    }

    pub(super) fn access(&self, access: Access) -> &'static str {
        let (english, chinese) = match access {
            Access::ReadOnly => ("read", "只读"),
            Access::ReadWrite => ("read, write", "读写"),
            Access::WriteOneToClear => ("write 1 to clear", "写 1 清除"),
            Access::Command => ("command", "命令"),
            Access::Pulse => ("start", "启动"),
        };
        self.pick(english, chinese)
    }

    /// What a bit of `FAULTS` says.
    pub(super) fn fault(&self, name: &str) -> &'static str {
        let (english, chinese) = match name {
            "FIELD_LOST" => ("the magnetometer does not answer", "磁传感器无应答"),
            "FIELD_STUCK" => (
                "the magnetometer repeats one value for minutes",
                "磁传感器数分钟内读数不变",
            ),
            "BASELINE_MISSING" => ("the empty bay was never learned", "空车位磁场从未学习"),
            "TEMPERATURE_LOST" => ("the thermometer does not answer", "温度传感器无应答"),
            "PROBE_LOST" => (
                "the leak probe's converter does not answer",
                "水浸探头的转换器无应答",
            ),
            "PROBE_OPEN" => ("the leak cable is cut", "水浸感应线断线"),
            "DISTANCE_LOST" => ("no echo, or no distance sensor", "无回波，或测距传感器未接"),
            "TILT_LOST" => ("the tilt switch cannot be read", "倾斜开关无法读取"),
            "FIELD_OUT_OF_RANGE" => (
                "the magnetometer is saturated or says what no field is",
                "磁传感器饱和，或读数不可能",
            ),
            "TEMPERATURE_OUT_OF_RANGE" => ("the thermometer says what it cannot measure", "温度读数超出量程"),
            "PROBE_OUT_OF_RANGE" => ("the probe is shorted", "探头短路"),
            "DISTANCE_OUT_OF_RANGE" => (
                "an echo from nearer or farther than the sensor sees",
                "回波距离超出传感器量程",
            ),
            "BASELINE_DRIFTED" => (
                "the empty bay's field moved as far as it is followed; learn it again",
                "空车位磁场漂移已达跟踪上限，请重新学习",
            ),
            "SETTINGS_LOST" => (
                "no stored settings were readable at start; factory settings hold",
                "启动时无可读的已存设置，使用出厂设置",
            ),
            "STORE_FAILED" => (
                "settings cannot be stored; they hold until the next start",
                "设置无法保存，仅在下次启动前有效",
            ),
            _ => ("", ""),
        };
        self.pick(english, chinese)
    }

    fn pick(&self, english: &'static str, chinese: &'static str) -> &'static str {
        match self.language {
            Language::English => english,
            Language::Chinese => chinese,
        }
    }
}

const ENGLISH: Words = Words {
    language: Language::English,
    generated: "Generated from firmware/registers by `cargo run -p linli-registers --features std --bin gen-profile -- --document docs/firmware`; do not edit.",
    title: "Registers of a Linli node",
    introduction: "Map version {version}; the node tells it in `MAP_VERSION`. The minor number rises when a register is added, the major one\n\
        when a register moves or changes its meaning. Addresses are 0-based, as on the wire. 32-bit values have the high word\n\
        first. In input 0x0000–0x002F holes read 0; outside of the blocks the answer is exception 2. A state that is not known\n\
        reads 2 (unknown), never \"free\" or \"dry\". A write is checked as a whole before anything changes.",
    input: "Input registers (function 4)",
    holding: "Holding registers (functions 3, 6, 16)",
    coils: "Coils (functions 1, 5, 15)",
    discretes: "Discrete inputs (function 2)",
    head: "| address | name | node | type | access | raw range (factory) | measure | meaning |\n|---|---|---|---|---|---|---|---|\n",
    codes: "Codes and bits",
    code_tables: "| register | values |\n|---|---|\n\
        | `NODE_KIND` | 1 parking, 2 bin, 3 leak |\n\
        | `PARKING_STATE`, `BIN_STATE`, `LEAK_STATE`, `BIN_TILT`, `BIN_FIRE`, `LEAK_CABLE` | 0 no, 1 yes, 2 unknown |\n\
        | `UPDATE_STATE` | 0 idle, 1 receiving, 2 checking, 3 ready, 4 refused, 5 activating, 6 unsupported |\n\
        | `UPDATE_REFUSAL` | 0 none, 1 format, 2 kind, 3 version, 4 length, 5 checksum, 6 signature, 7 storage, 8 board |\n\
        | `UPDATE_CONTROL` | 1 check, 2 activate, 3 abort |\n",
    bit_head: "| bit | name | meaning |\n|---|---|---|\n",
    alarms: "| 0 | `LEAK` | the probe was wet |\n\
        | 1 | `OVER_TEMPERATURE` | the thermometer was above its threshold |\n\
        | 2 | `TILT` | the bin lay or leaned |\n\
        | 3 | `RESTARTED` | the node restarted since the last acknowledgement |\n",
    every_kind: "all",
    flags: "bits",
    window: "bytes",
};

const CHINESE: Words = Words {
    language: Language::Chinese,
    generated: "由 firmware/registers 生成：`cargo run -p linli-registers --features std --bin gen-profile -- --document docs/firmware`；请勿手改。",
    title: "邻里节点寄存器表",
    introduction: "寄存器表版本 {version}，节点在 `MAP_VERSION` 中报告。新增寄存器时次版本号加一；寄存器移动或含义改变时主版本号加一。\n\
        地址从 0 起，与线上一致。32 位数值高字在前。输入寄存器 0x0000–0x002F 中的空位读作 0；各区之外应答异常码 2。\n\
        状态未知时读作 2（未知），绝不读作“空闲”或“干燥”。写请求先整体校验，全部通过才生效。",
    input: "输入寄存器（功能码 4）",
    holding: "保持寄存器（功能码 3、6、16）",
    coils: "线圈（功能码 1、5、15）",
    discretes: "离散输入（功能码 2）",
    head: "| 地址 | 名称 | 节点 | 类型 | 访问 | 原始值范围（出厂值） | 测点 | 含义 |\n|---|---|---|---|---|---|---|---|\n",
    codes: "代码与位",
    code_tables: "| 寄存器 | 取值 |\n|---|---|\n\
        | `NODE_KIND` | 1 车位，2 垃圾桶，3 水浸 |\n\
        | `PARKING_STATE`、`BIN_STATE`、`LEAK_STATE`、`BIN_TILT`、`BIN_FIRE`、`LEAK_CABLE` | 0 否，1 是，2 未知 |\n\
        | `UPDATE_STATE` | 0 空闲，1 接收中，2 校验中，3 就绪，4 已拒绝，5 正在启用，6 不支持 |\n\
        | `UPDATE_REFUSAL` | 0 无，1 格式，2 节点种类，3 版本，4 长度，5 校验和，6 签名，7 存储，8 电路板 |\n\
        | `UPDATE_CONTROL` | 1 校验，2 启用，3 放弃 |\n",
    bit_head: "| 位 | 名称 | 含义 |\n|---|---|---|\n",
    alarms: "| 0 | `LEAK` | 探头曾浸水 |\n\
        | 1 | `OVER_TEMPERATURE` | 温度曾超过阈值 |\n\
        | 2 | `TILT` | 垃圾桶曾倾倒或倾斜 |\n\
        | 3 | `RESTARTED` | 上次确认之后节点重新启动过 |\n",
    every_kind: "全部",
    flags: "位",
    window: "字节",
};

/// What a register holds, in Chinese.
fn chinese(name: &str) -> &'static str {
    match name {
        "MAP_VERSION" => "固件所用寄存器表的版本。",
        "NODE_KIND" => "节点种类编号。",
        "FIRMWARE_VERSION" => "固件版本，`0xMMmm`。",
        "RESET_CAUSE" => "启动原因：1 上电，2 看门狗，3 软件，4 欠压。",
        "UPTIME_S" => "启动以来的时间；数值不再变化说明节点已死机。",
        "FAULTS" => "当前故障，见下表。",
        "ALARMS_LATCHED" => "锁存的告警，见下表。",
        "EVENT_COUNT" => "启动以来的状态变化次数，循环计数：轮询慢也能看出有过变化。",
        "BUS_REQUESTS" => "发给本节点的请求数，循环计数。",
        "BUS_CRC_ERRORS" => "总线上听到的校验错误帧数，循环计数。",
        "BUS_EXCEPTIONS" => "本节点拒绝的请求数，循环计数。",
        "BUS_OVERRUNS" => "总线上听到的超长帧数，循环计数。",
        "SUPPLY_MV" => "节点处理器的供电电压。",
        "STATE_AGE_S" => "当前状态（各种节点区的第一个寄存器）已持续的时间，到上限为止。",
        "PARKING_STATE" => "车位：0 空闲，1 占用，2 未知。",
        "BIN_STATE" => "垃圾桶：0 有余量，1 满，2 未知。",
        "LEAK_STATE" => "探头：0 干，1 湿，2 未知。",
        "FAULTY" => "`FAULTS` 任一位置位时为 1。",
        "HOUSING_TEMPERATURE" => "壳内温度。",
        "BIN_TEMPERATURE" => "桶盖下的空气温度。",
        "PARKING_VEHICLE_COUNT" => "启动以来的到车次数。",
        "PARKING_FIELD_CHANGE_MG" => "当前磁场与空车位磁场之差，毫高斯。",
        "PARKING_DISTANCE_MM" => "选配的测距传感器到上方或前方物体的距离。",
        "PARKING_DRIFT_MG" => "自学习以来空车位磁场被跟踪的漂移量，毫高斯。",
        "BIN_DISTANCE_MM" => "桶盖到垃圾表面的距离，五次取中值。",
        "BIN_TILT" => "0 直立，1 倾斜，2 未知。",
        "BIN_FIRE" => "0 否，1 超过温度阈值，2 未知。",
        "LEAK_SIGNAL" => "探头信号，转换器计数 0 至 4095，越大越湿；干接点没有此值。",
        "LEAK_CABLE" => "感应线：0 完好，1 断线，2 未知（无终端电阻的干接点无法判断）。",
        "LEAK_COUNT" => "启动以来的浸水次数，循环计数。",
        "LEAK_LAST_DURATION_S" => "上一次已结束的浸水持续时间；尚未发生过时无值。",
        "UNIT_ID" => "总线地址；应答发出后生效，试用一分钟。",
        "BAUD_CODE" => "波特率代码；应答发出后生效，试用一分钟。",
        "DEBOUNCE_MS" => "新状态须保持多久才被采信。",
        "ACKNOWLEDGE" => "要清除的锁存告警。",
        "HOT_ON" => "达到或高于此温度告警。",
        "HOT_OFF" => "达到或低于此温度告警解除。",
        "FIELD_ON_MG" => "磁场变化达到此值判为占用。",
        "FIELD_OFF_MG" => "磁场与空车位之差不超过此值判为空闲。",
        "FULL_MM" => "距离达到或小于此值判为满。",
        "ROOM_MM" => "距离达到或大于此值判为有余量。",
        "WET_ON" => "信号达到或高于此值判为湿。",
        "WET_OFF" => "信号达到或低于此值判为干。",
        "PARITY" => "校验位：0 无，1 偶，2 奇；生效方式同 `BAUD_CODE`。",
        "OVER_MM" => "测距传感器在此距离内看到物体判为占用；未装时为 0。",
        "BLIND_MM" => "小于此距离为测距传感器盲区，回波不算数。",
        "PROBE_TYPE" => "所装探头：0 带终端电阻的感应线或探头，1 遇水闭合的干接点。",
        "UPDATE_STATE" => "固件升级进行到哪一步。",
        "UPDATE_REFUSAL" => "上一次升级被拒绝的原因。",
        "UPDATE_NEXT_BLOCK" => "下一个需要的块；更早的块照常应答，不再写入。",
        "UPDATE_BLOCKS" => "所宣告固件的总块数，含首部。",
        "UPDATE_VERSION" => "所宣告固件的版本，`0xMMmm`。",
        "UPDATE_CONTROL" => "升级命令；读作 0。",
        "UPDATE_BLOCK" => "同一请求中随后数据块的编号；读作 0。",
        "UPDATE_DATA" => "数据块；0 号为首部。读作 0。",
        "LEARN_BASELINE" => "用随后一秒的平稳测量学习空车位磁场。",
        "STATE_ON" => "状态为“是”：占用、满、湿。",
        "STATE_KNOWN" => "状态已知；此位为 0 且 `STATE_ON` 为 0 时，不可当作“空闲”或“干燥”。",
        "FAULT" => "`FAULTS` 任一位置位。",
        _ => "",
    }
}
