//! The help of every command in Chinese. English stands in `args`; a test compares the two word for word in keys.

use crate::cli::args::Cli;
use clap::{Command, CommandFactory};
use linli_domain::text::Language;
use std::ffi::OsString;

/// Path of a command, or of a command and an argument, and its Chinese text.
const ZH: &[(&str, &str)] = &[
    ("linli", "邻里：智慧小区网关"),
    ("linli --config", "配置文件"),
    ("linli --json", "标准输出只有一个 JSON 值，其余写到标准错误"),
    ("linli --lang", "输出语言；否则依次取配置和环境的语言"),
    ("linli --url", "网关地址；否则取配置中的地址"),
    (
        "linli --token-file",
        "令牌文件；否则依次取 $LINLI_TOKEN 和数据目录中的 admin.token",
    ),
    ("linli run", "运行网关"),
    ("linli demo", "运行模拟小区、网关和状态页，使用临时数据，无需安装"),
    (
        "linli demo --duration",
        "到时自动结束，例如 60s；若没有工单闭环则演示失败",
    ),
    ("linli demo --http-port", "状态页端口；不指定则取空闲端口"),
    (
        "linli alarms quality",
        "告警质量：人手能否应付，频次、抖动、久悬告警，对照目标",
    ),
    (
        "linli alarms list --cause",
        "只列这条告警所解释的告警，例如 AL-7，已结束的也列出",
    ),
    (
        "linli alarms list --late",
        "只列迟到读数补记的告警，当时没有通知任何人",
    ),
    ("linli alarms quality --days", "最近多少天，1 到 366"),
    ("linli alarms quality --operators", "同时值班的人数"),
    ("linli rules", "规则：什么算告警"),
    ("linli rules list", "列出在用的规则，并提示可能的笔误"),
    ("linli rules list --own", "只列小区自己的规则，不含随附的"),
    ("linli rules list --limit", "条数上限，1 到 500"),
    ("linli rules show", "按小区文件的写法显示一条规则"),
    ("linli rules show --id", "规则编号"),
    ("linli rules history", "列出一条规则的修改，最新的在前"),
    ("linli rules history --id", "规则编号"),
    ("linli rules add", "把文件中的规则加入小区"),
    ("linli rules add --file", "含 [[rules]] 的文件"),
    ("linli rules add --dry_run", "只说明会有什么作用，不作改动"),
    ("linli rules set", "用文件中的规则取代同编号的规则"),
    ("linli rules set --file", "含 [[rules]] 的文件"),
    ("linli rules set --dry_run", "只说明会有什么作用，不作改动"),
    ("linli rules check", "说明文件中的规则会有什么作用，不作改动"),
    ("linli rules check --file", "含 [[rules]] 的文件"),
    ("linli rules check --days", "对每条规则回测最近多少天，1 到 31"),
    (
        "linli rules remove",
        "从小区删除一条规则；被它取代的随附规则重新生效",
    ),
    ("linli rules remove --id", "规则编号"),
    (
        "linli simulate",
        "在虚拟时间中演一个带脚本故障的小区，并评判网关的表现",
    ),
    ("linli simulate --seed", "种子；同一种子演同一出"),
    (
        "linli simulate --estate",
        "小区大小：small（50 个资产）、medium（500）、large（5000），或小区文件",
    ),
    (
        "linli simulate --faults",
        "故障，逗号分隔：leak、fire、bin-surge、blocked-lane、dead-slave、dead-device、flapping、stuck-sensor、clock-jump、broker-loss；或 all、none",
    ),
    ("linli simulate --duration", "虚拟时间长度，至少 11h"),
    (
        "linli simulate --judge",
        "在虚拟时间中送过解码、引擎和账本，把告警和工单与真实情况对照；有漏报或重复则失败",
    ),
    (
        "linli simulate --output",
        "写入此目录：estate.toml、linli.toml、frames.ndjson（供 linli replay）和 truth.json；不向任何消息服务器发送",
    ),
    ("linli simulate --rules", "用这个小区文件中的规则和工单类型代替"),
    ("linli simulate --profiles", "内置型号之外的型号目录"),
    (
        "linli backtest",
        "在已记录的读数上试运行拟用的规则，并与实际情况对照；不改变任何数据",
    ),
    (
        "linli backtest --from",
        "起始接收时间，例如 2026-01-31T00:00:00Z；不指定则为结束前 --days 天",
    ),
    ("linli backtest --to", "结束接收时间；不指定则为现在"),
    ("linli backtest --days", "未给 --from 时，取结束前多少天"),
    (
        "linli backtest --rules",
        "拟用的规则：小区文件，或只含规则和工单类型的文件；否则用账本中的规则",
    ),
    ("linli backtest --backup", "读取这个备份，而不是账本"),
    ("linli backtest --limit", "逐条列出的告警上限"),
    (
        "linli record",
        "记录运行中的网关收到的全部消息，供 linli replay 使用",
    ),
    ("linli record --out", "写入的文件，每行一条消息；文件不能已存在"),
    ("linli record --lasts", "记录多久，最长 7d"),
    ("linli record --count", "收到这么多条后结束"),
    ("linli replay", "把记录的消息送过整条流水线，使用单独的账本"),
    (
        "linli replay --file",
        "记录的消息，每行一个 JSON 值，由 linli device watch --json 或 linli simulate --output 写出；- 表示标准输入",
    ),
    (
        "linli replay --speed",
        "按当时速度的倍数，例如 1 或 60；不指定则尽快",
    ),
    ("linli replay --estate", "小区文件；否则用配置中的种子文件"),
    ("linli replay --then", "最后一条消息之后时间再走多久，让延时走完"),
    ("linli replay --data", "账本放在这个空目录；不指定则用临时目录"),
    ("linli replay --limit", "逐条列出的变化上限"),
    ("linli check", "列出配置、型号目录和小区文件的所有问题"),
    ("linli check --strict", "有警告也算失败"),
    ("linli check --estate", "检查这个小区文件，而不是配置中的"),
    ("linli estate", "以文件形式管理小区"),
    ("linli estate import", "用文件替换账本中的小区"),
    ("linli estate import --file", "小区文件"),
    ("linli estate export", "把账本中的小区写成文件"),
    ("linli estate export --output", "输出文件；不指定则写到标准输出"),
    ("linli estate diff", "显示导入会带来的变更"),
    ("linli estate diff --file", "小区文件"),
    ("linli device", "设备及其解码"),
    ("linli device list", "列出小区的设备，或不在小区中的设备"),
    (
        "linli device list --unknown",
        "列出上报但不在小区中的设备及其推测型号",
    ),
    ("linli device list --ignored", "列出已忽略的设备"),
    ("linli device list --limit", "未知设备的最多条数，1 到 500"),
    ("linli device health", "显示设备健康：最近通信、可达、时钟和问题"),
    (
        "linli device health --id",
        "设备编号；不指定则列出所有有问题的设备",
    ),
    ("linli device health --all", "包括没有问题的设备"),
    ("linli device health --flag", "只列出有这一问题的设备"),
    ("linli device health --limit", "最多条数，1 到 500"),
    (
        "linli device show",
        "显示未知设备等待中的消息，以及按型号解码的结果",
    ),
    (
        "linli device show --key",
        "设备地址：DevEUI、友好名称或主题中的一段，见 linli device list --unknown",
    ),
    (
        "linli device show --connection",
        "所在连接，同一地址出现在多个连接时需要",
    ),
    (
        "linli device show --profile",
        "按这个型号解码；否则按最可能的型号",
    ),
    ("linli device show --role", "设备用途，例如 bin 或 tank"),
    ("linli device accept", "把未知设备接入小区，并重放等待中的消息"),
    (
        "linli device accept --key",
        "设备地址：DevEUI、友好名称或主题中的一段，见 linli device list --unknown",
    ),
    (
        "linli device accept --connection",
        "所在连接，同一地址出现在多个连接时需要",
    ),
    ("linli device accept --profile", "型号；推测明确时可省略"),
    ("linli device accept --name", "名称"),
    ("linli device accept --name-en", "英文名称，与名称不同时填写"),
    ("linli device accept --id", "在小区中的编号；否则由地址生成"),
    ("linli device accept --asset", "测点所属资产"),
    ("linli device accept --role", "设备用途，例如 bin 或 tank"),
    (
        "linli device accept --point",
        "属于另一资产的测点，例如 leak.wet/DI3=b5-pipe；可重复",
    ),
    ("linli device accept --interval", "正常上报间隔，例如 6h"),
    ("linli device ignore", "永久忽略未知设备；其消息只计数，不保存"),
    (
        "linli device ignore --key",
        "设备地址：DevEUI、友好名称或主题中的一段，见 linli device list --unknown",
    ),
    (
        "linli device ignore --connection",
        "所在连接，同一地址出现在多个连接时需要",
    ),
    (
        "linli device forget",
        "忘记未知或已忽略的设备；再次上报时会重新出现",
    ),
    (
        "linli device forget --key",
        "设备地址：DevEUI、友好名称或主题中的一段，见 linli device list --unknown",
    ),
    (
        "linli device forget --connection",
        "所在连接，同一地址出现在多个连接时需要",
    ),
    (
        "linli device watch",
        "实时显示设备上报的内容，原始与解码对照；--json 每行一个 JSON 值",
    ),
    ("linli device watch --device", "设备编号或地址；不指定则显示全部"),
    ("linli device watch --count", "显示这么多条后结束"),
    ("linli device profiles", "列出在用的型号，以及未采用的型号文件"),
    ("linli device reload", "重新读取型号目录，无需重启"),
    ("linli device decode", "解码一条消息，显示每个值和注意事项"),
    ("linli device decode --profile", "型号"),
    (
        "linli device decode --profiles",
        "自备型号的目录；否则取配置中的目录",
    ),
    (
        "linli device decode --family",
        "消息的封装格式；不指定则为设备原始内容",
    ),
    (
        "linli device decode --topic",
        "消息的主题；没有 --family 时只写设备之下的部分",
    ),
    (
        "linli device decode --trace",
        "显示消息中每一处的原始内容和解码结果",
    ),
    (
        "linli device decode --pattern",
        "订阅的主题格式；否则取该封装的常用格式",
    ),
    ("linli device decode --f_port", "LoRaWAN 端口"),
    ("linli device decode --role", "设备用途，例如 bin 或 tank"),
    (
        "linli device decode --bin",
        "桶的尺寸：到桶底和到满桶的距离，毫米",
    ),
    ("linli device decode --hex", "十六进制消息；忽略空格"),
    ("linli device decode --base64", "base64 消息"),
    ("linli device decode --text", "文本消息，例如 JSON"),
    (
        "linli device decode --payload",
        "保存原始消息的文件；- 为标准输入",
    ),
    (
        "linli device scan",
        "查看总线上有谁应答、自报的身份和可能的型号；只读",
    ),
    ("linli device scan --bus", "总线名"),
    ("linli device scan --units", "地址，例如 1-32 或 1-8,20"),
    ("linli device write", "写一个型号允许写的寄存器；总线须允许写入"),
    ("linli device write --id", "设备编号"),
    ("linli device write --name", "型号给寄存器起的名称"),
    (
        "linli device write --value",
        "数值（与读数同单位），或 true、false",
    ),
    ("linli device sign", "把编译好的节点固件做成签名升级包；无需网关"),
    (
        "linli device sign --image",
        "编译好的固件：编译器输出的 ELF 文件，或裸镜像",
    ),
    ("linli device sign --kind", "节点种类"),
    ("linli device sign --board", "固件所用的电路板，例如 l432kc"),
    (
        "linli device sign --firmware_version",
        "固件版本，例如 1.2；节点只接受比现有版本新的",
    ),
    (
        "linli device sign --key",
        "PEM 格式的 Ed25519 私钥，由 openssl genpkey -algorithm ed25519 生成",
    ),
    ("linli device sign --output", "升级包写到哪里"),
    (
        "linli device update",
        "升级节点固件；总线须允许写入，中断后再次执行即续传",
    ),
    ("linli device update --id", "设备编号"),
    ("linli device update --package", "linli device sign 生成的升级包"),
    (
        "linli device test",
        "用型号目录运行案例文件，以及型号文件自带的测试",
    ),
    (
        "linli device test --files",
        "案例文件（.json）、型号文件（.toml）或其目录",
    ),
    (
        "linli device test --profiles",
        "只用该目录中的型号；否则用内置型号和配置的目录",
    ),
    ("linli alarms", "告警"),
    ("linli alarms list", "列出告警，新的在前"),
    ("linli alarms list --all", "包括已结束的"),
    ("linli alarms list --limit", "最多条数，1 到 500"),
    (
        "linli alarms list --state",
        "只列这些状态，逗号分隔，例如 active_unack,shelved",
    ),
    ("linli alarms list --asset", "只列该资产"),
    ("linli alarms list --class", "只列该类别"),
    ("linli alarms list --priority", "只列不低于该级别的"),
    ("linli alarms show", "查看一个告警：状态、触发它的读数、全部经过"),
    ("linli alarms show --id", "告警编号，例如 AL-7"),
    ("linli alarms ack", "确认已看到告警"),
    ("linli alarms ack --ids", "告警编号，例如 AL-7"),
    ("linli alarms shelve", "搁置告警一段时间；仍照常记录"),
    ("linli alarms shelve --ids", "告警编号，例如 AL-7"),
    (
        "linli alarms shelve --lasts",
        "多久，例如 30m 或 2h；员工最长 8h，经理最长 72h",
    ),
    ("linli alarms shelve --reason", "原因，记录在案"),
    ("linli alarms shelve --no_order", "P1 告警也不开工单；由经理决定"),
    ("linli alarms unshelve", "提前结束搁置"),
    ("linli alarms unshelve --ids", "告警编号，例如 AL-7"),
    ("linli alarms reset", "解除已恢复告警的锁存；由经理决定"),
    ("linli alarms reset --ids", "告警编号，例如 AL-7"),
    ("linli alarms out", "列出停用的设备和资产，或停用其一"),
    ("linli alarms out --asset", "资产；由经理决定"),
    ("linli alarms out --device", "设备"),
    ("linli alarms out --reason", "原因，记录在案"),
    ("linli alarms back", "恢复使用设备或资产"),
    ("linli alarms back --asset", "资产；由经理决定"),
    ("linli alarms back --device", "设备"),
    ("linli orders", "工单"),
    ("linli orders list", "列出工单，新的在前"),
    ("linli orders list --all", "包括已结束的"),
    ("linli orders list --limit", "最多条数，1 到 500"),
    ("linli orders show", "查看一张工单：各项任务、全部经过"),
    ("linli orders show --id", "工单编号，例如 WO-42"),
    ("linli orders accept", "接单"),
    ("linli orders accept --id", "工单编号，例如 WO-42"),
    ("linli orders start", "开工"),
    ("linli orders start --id", "工单编号，例如 WO-42"),
    ("linli orders complete", "完工；传感器确认后工单才关闭"),
    ("linli orders complete --id", "工单编号，例如 WO-42"),
    ("linli orders complete --note", "发现和处理情况"),
    ("linli orders override", "传感器未确认时关闭工单，由经理决定"),
    ("linli orders override --id", "工单编号，例如 WO-42"),
    (
        "linli orders override --reason",
        "原因：sensor_faulty、drying_residue、valve_isolated、agreed_temporary 或 test",
    ),
    ("linli orders override --note", "存档说明"),
    ("linli orders cancel", "取消工单，由经理决定"),
    ("linli orders cancel --id", "工单编号，例如 WO-42"),
    ("linli orders cancel --reason", "存档原因"),
    ("linli outbox", "发给人员和系统的消息"),
    ("linli outbox list", "列出某一状态的消息，新的在前"),
    ("linli outbox list --state", "消息状态"),
    ("linli outbox list --limit", "最多条数，1 到 500"),
    ("linli outbox retry", "再次发送"),
    ("linli outbox retry --id", "消息编号"),
    ("linli notify", "通知"),
    ("linli notify test", "发送测试消息"),
    ("linli notify test --channel", "通道；不指定则为所有通道"),
    ("linli token", "接口令牌"),
    ("linli token list", "列出令牌，不含密钥"),
    ("linli token add", "为人员或程序新建令牌"),
    ("linli token add --name", "名称，将写入历史记录"),
    ("linli token add --role", "权限"),
    (
        "linli token add --output",
        "保存密钥的文件（权限 0600）；不指定则显示在终端",
    ),
    ("linli token rotate", "更换令牌密钥；旧密钥立即失效"),
    ("linli token rotate --id", "令牌编号"),
    (
        "linli token rotate --output",
        "保存密钥的文件（权限 0600）；不指定则显示在终端",
    ),
    ("linli token revoke", "作废令牌"),
    ("linli token revoke --id", "令牌编号"),
    ("linli broker", "内置消息服务器"),
    ("linli broker user", "用户文件中的用户；运行中的网关数秒内生效"),
    ("linli broker user list", "列出用户名"),
    ("linli broker user list --file", "用户文件；否则取配置中的文件"),
    (
        "linli broker user add",
        "新增用户或更换密码：自动生成并只显示一次，或从管道读入",
    ),
    ("linli broker user add --name", "用户名；主题和客户端标识以它开头"),
    ("linli broker user add --file", "用户文件；否则取配置中的文件"),
    ("linli broker user remove", "删除用户，其客户端被断开"),
    ("linli broker user remove --name", "用户名"),
    ("linli broker user remove --file", "用户文件；否则取配置中的文件"),
    ("linli rejects", "无法使用的现场消息"),
    ("linli rejects list", "列出最近被拒收的消息和原因"),
    ("linli rejects list --reason", "只列出这种原因的，例如 truncated"),
    ("linli rejects list --connection", "只列出这个连接的"),
    (
        "linli rejects list --device",
        "只列出这个设备的：设备编号，或未知设备的地址",
    ),
    ("linli rejects list --limit", "最多条数，1 到 500"),
    (
        "linli rejects show",
        "显示一条被拒收的消息：错在哪里、怎么办、原始内容",
    ),
    ("linli rejects show --id", "消息编号"),
    ("linli rejects count", "按原因统计被拒收的消息"),
    ("linli rejects count --connection", "只统计这个连接的"),
    (
        "linli rejects count --device",
        "只统计这个设备的：设备编号，或未知设备的地址",
    ),
    ("linli engine", "引擎状态"),
    ("linli engine dump", "以文本打印引擎的全部状态"),
    ("linli backup", "在网关运行时复制账本，并核对副本"),
    (
        "linli backup --output",
        "写入的文件，或存放按时间命名文件的目录；不指定则为数据目录下的 backups",
    ),
    ("linli backup --keep", "目录中保留的备份数，更旧的删除"),
    ("linli restore", "用备份替换账本；原账本保留"),
    ("linli restore --file", "要恢复的备份"),
    ("linli doctor", "检查账本、磁盘、时钟、配置和各连接，并说明怎么办"),
    (
        "linli doctor --mend",
        "修复除损坏内容外不丢任何数据的问题；须先停止网关",
    ),
    ("linli doctor --offline", "只看文件，不访问网络"),
    ("linli export", "把读数写成 CSV 或 JSON 行"),
    ("linli export --format", "输出格式"),
    (
        "linli export --from",
        "此时及之后观测的，例如 2026-01-31T00:00:00Z；不指定则全部",
    ),
    ("linli export --to", "此时之前观测的"),
    ("linli export --points", "只要这些测点（编号或键），可多次给出"),
    ("linli export --device", "只要该设备的测点"),
    ("linli export --measure", "只要该测量的测点"),
    ("linli export --backup", "读取这个备份，而不是账本"),
    ("linli export --output", "输出文件；不指定则写到标准输出"),
    ("linli series", "每个测点保存了什么"),
    (
        "linli series list",
        "列出测点：保存了多少读数、从何时起、占多少空间",
    ),
    (
        "linli series states",
        "某个状态（占用、漏水、开启）为真多久、变化几次",
    ),
    ("linli series states --point", "测点，编号或键"),
    ("linli series states --from", "从何时起；不指定则为结束前一天"),
    ("linli series states --to", "到何时止；不指定则为现在"),
    ("linli series states --width", "每行的时间宽度"),
    ("linli openapi", "打印接口描述"),
];

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
