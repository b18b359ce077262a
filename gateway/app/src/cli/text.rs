//! What the command line says, in both languages. A key without one of the texts does not compile.

use linli_domain::text::Language;

macro_rules! texts {
    ($($key:ident = $zh:literal, $en:literal;)*) => {
        /// A text of the command line.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the texts themselves say what they are")]
        pub enum Key { $($key,)* }

        impl Key {
            /// Every key.
            pub const ALL: &[Self] = &[$(Self::$key,)*];
        }

        /// The text of a key, placeholders unfilled.
        pub fn get(language: Language, key: Key) -> &'static str {
            match (key, language) {
                $((Key::$key, Language::Zh) => $zh, (Key::$key, Language::En) => $en,)*
            }
        }
    };
}

texts! {
    Unreachable = "无法连接网关 {url}：{error}。网关在运行吗？用 --url 指定其他地址", "cannot reach the gateway at {url}: {error}. Is it running? --url names another address";
    HttpStatus = "{url} 回答 HTTP {status}，不像是邻里网关", "{url} answers HTTP {status}; it does not look like a Linli gateway";
    NotJson = "网关的回答不是 JSON：{error}", "the gateway's answer is not JSON: {error}";
    TokenHint = "用 --token-file 或 $LINLI_TOKEN 给出有效的令牌", "give a valid token with --token-file or $LINLI_TOKEN";
    NoToken = "没有令牌：{config} 中没有数据目录；用 --config、--token-file 或 $LINLI_TOKEN", "no token: {config} names no data folder; use --config, --token-file or $LINLI_TOKEN";
    TokenUnreadable = "无法读取令牌 {path}：{error}。网关首次启动时写入该文件，只有其所有者可读", "cannot read the token {path}: {error}. The gateway writes it at its first start, readable by its owner only";
    CannotRead = "无法读取 {path}：{error}", "cannot read {path}: {error}";
    CannotWrite = "无法写入 {path}：{error}", "cannot write {path}: {error}";
    RefusesToStart = "{path} 有错误，网关不启动", "{path} has errors; the gateway does not start";
    CheckFine = "没有问题：{profiles} 个型号，{assets} 个资产，{devices} 个设备，{rules} 条规则", "no problems: {profiles} profiles, {assets} assets, {devices} devices, {rules} rules";
    CheckSeen = "已检查 {profiles} 个型号，{assets} 个资产，{devices} 个设备，{rules} 条规则", "looked at {profiles} profiles, {assets} assets, {devices} devices, {rules} rules";
    DemoReady = "演示已启动，状态页 {url}（Ctrl-C 结束）", "the demo is running, status page {url} (Ctrl-C ends it)";
    DemoSummary = "{seconds} 秒：{readings} 个读数，{rejected} 条拒收，{duplicates} 条重复，{alarms} 次告警，{opened} 张工单，{closed} 张已闭环", "{seconds} s: {readings} readings, {rejected} rejected, {duplicates} duplicates, {alarms} alarms, {opened} orders opened, {closed} closed";
    DemoFailed = "演示结束时没有一张工单闭环", "no order was closed by the end of the demo";
    UnknownFault = "没有故障 \"{name}\"，可选：{known}", "there is no fault \"{name}\"; the choices: {known}";
    SimulateWritten = "已写入 {path}：{count} 条记录", "written to {path}: {count} frames";
    SimulateThrough = "种子 {seed}：{hours} 小时，{frames} 条消息，{readings} 个读数，{rejected} 条拒收，{repeated} 条重复；工单闭环 {closed}，未结 {open}", "seed {seed}: {hours} h, {frames} messages, {readings} readings, {rejected} rejected, {repeated} repeated; {closed} orders closed, {open} open";
    SimulateFailed = "有漏报或重复", "something was missed or doubled";
    SimulateImpossible = "小区中没有可发生以下故障之处：{names}", "nothing in the estate these faults could happen to: {names}";
    SimulateNotPlayed = "以下设备未模拟，始终沉默：{names}", "these devices are not simulated and silent all the time: {names}";
    HeadExpected = "应有", "EXPECTED";
    HeadRaised = "已报", "RAISED";
    HeadMissed = "漏报", "MISSED";
    HeadFalse = "误报", "FALSE";
    HeadLate = "迟报", "LATE";
    HeadDoubled = "重复", "DOUBLED";
    HeadWrong = "问题", "WRONG";
    HeadWhen = "时刻", "AT";
    HeadCause = "原因", "CAUSE";
    HeadClassOf = "类别", "CLASS";
    WordAlarms = "告警", "alarms";
    WordOrders = "工单", "orders";
    WordAlarm = "告警", "alarm";
    WordOrder = "工单", "order";
    WrongMissed = "漏报", "missed";
    WrongFalse = "误报", "false";
    WrongLate = "迟报", "late";
    WrongDoubled = "重复", "doubled";
    CauseNothing = "没有发生任何事", "nothing happened";
    CauseShort = "持续时间不足", "it did not last long enough";
    CauseClock = "网关时钟有误", "the gateway's clock was wrong";
    CauseBroker = "与消息服务器断开", "the broker was lost";
    CauseNoRule = "没有规则看护", "no rule looks after it";
    CauseSilent = "规则未触发", "its rule did not fire";
    CauseTwice = "同一事件报了两次", "raised twice for one thing";
    CauseSlow = "比规则的延时更晚", "later than its rule's delay";
    BacktestOver = "{from} 至 {to}：{points} 个测点的 {readings} 个读数", "{from} to {to}: {readings} readings of {points} points";
    BacktestLeftOut = "拟用的小区中没有 {count} 个测点的设备，其读数略过", "{count} points are left out: the proposed estate does not have their devices";
    BacktestPages = "将呼叫 {total} 次，其中夜间（22 至 6 时）{night} 次；最忙的一小时 {busiest} 次，超过 6 次的小时有 {over} 个", "{total} calls, {night} of them at night (22 to 6); {busiest} in the busiest hour, more than 6 in {over} hours";
    BacktestRules = "拟用的规则被拒绝，未作回测：{problems}", "the proposed rules are refused, nothing was tested:{problems}";
    BacktestStore = "账本无法读取，未作回测：{error}", "the recorded readings cannot be read, nothing was tested: {error}";
    BacktestNoTime = "回测时段的终点不晚于起点：用 --from 和 --to 给出时段", "the time to test ends before it begins: --from and --to say when";
    BacktestEverybody = "全体", "everybody";
    ReplayEmpty = "记录中没有一条可重放的消息", "the recording holds no frame that can be played";
    BacktestCrew = "假设：每张工单数分钟内有人接，传感器恢复正常即完工", "assumed: every order is taken within minutes and completed once its sensors are normal";
    ReplayOver = "{from} 至 {to}：{frames} 条消息，{readings} 个读数，{rejected} 条拒收，{repeated} 条重复；{alarms} 次告警，{orders} 张工单", "{from} to {to}: {frames} frames, {readings} readings, {rejected} rejected, {repeated} repeated; {alarms} alarms, {orders} orders";
    Recorded = "{path}：记录了 {frames} 条消息，缺 {missed} 条", "{path}: {frames} frames recorded, {missed} missed";
    ReplayNotPlayed = "{of} 行中有 {count} 行未重放", "{count} of {of} lines were not played";
    RecordMissed = "{of} 条消息中有 {count} 条未记录：记录跟不上", "{count} of {of} frames are not in the recording: it was too slow for them";
    SimulatePartly = "{of} 个设备中有 {count} 个未模拟，结论不涵盖它们", "{count} of {of} devices were not simulated: nothing is said about them";
    SimulateFaultsPartly = "{of} 种故障中有 {count} 种无处发生", "{count} of {of} faults found nothing they could happen to";
    ReplayLine = "第 {line} 行：{why}", "line {line}: {why}";
    ReplayNeedsEmpty = "{path} 不是空目录：重放要用自己的账本", "{path} is not an empty folder: a replay wants a ledger of its own";
    NoEstate = "没有小区：用 --estate 给出小区文件", "no estate: --estate names an estate file";
    MoreNotShown = "另有 {count} 条未列出，用 --limit 增加", "{count} more are not shown; raise --limit";
    HeadWouldBe = "将报", "WOULD BE";
    HeadReal = "实报", "REAL";
    HeadBoth = "相同", "BOTH";
    HeadCalled = "呼叫对象", "CALLED";
    HeadTimes = "次数", "TIMES";
    HeadNight = "夜间", "AT NIGHT";
    HeadCleared = "恢复", "CLEARED";
    HeadRule = "规则", "RULE";
    WordYes = "是", "yes";
    WordRole = "工种", "trade";
    WordChannel = "通道", "channel";
    RuleAdded = "规则 {id} 已加入（版本 {version}）", "rule {id} was added (version {version})";
    RuleSet = "规则 {id} 已更新（版本 {version}）", "rule {id} was changed (version {version})";
    RuleRemoved = "规则 {id} 已删除", "rule {id} was removed";
    RulesNone = "{path} 中没有 [[rules]]", "there are no [[rules]] in {path}";
    RuleAdvised = "注意 {id}：{text}（{hint}）", "note {id}: {text} ({hint})";
    RuleWould = "{id}：管 {assets} 个资产，取代 {replaces}", "{id}: looks after {assets} assets, takes the place of {replaces}";
    RuleWouldBe = "    最近 {days} 天将有 {alarms} 次告警（实际 {real}），呼叫 {calls} 次，夜间 {night} 次", "    in the last {days} days {alarms} alarms (really {real}), {calls} calls, {night} of them at night";
    RuleProblem = "{id} {path}：{message}", "{id} {path}: {message}";
    HeadAssets = "资产", "ASSETS";
    HeadPoints = "测点", "POINTS";
    HeadAdvice = "提示", "ADVICE";
    HeadAuthor = "修改人", "AUTHOR";
    HeadEstateVersion = "小区版本", "ESTATE";
    WordShipped = "随附", "shipped";
    WordOwn = "小区", "estate";
    FigureAlarmsPerOperatorHour = "每人每小时告警数", "alarms per person and hour";
    FigureFloodSharePercent = "洪峰时间占比 %", "time in flood, %";
    FigureUrgentPerHourMost = "一小时内最多的 P1/P2", "most P1 and P2 in one hour";
    FigureChattering = "抖动的告警", "chattering";
    FigureFleetingSharePercent = "转瞬即逝占比 %", "over within a minute, %";
    FigureStanding = "悬挂超过一天", "standing for more than a day";
    FigureTopTenSharePercent = "前十名占比 %", "share of the top ten, %";
    FigureHighPriorityPercent = "P1 占比 %", "P1, %";
    FigureSuppressedSharePercent = "搁置、抑制或停用占比 %", "shelved, suppressed or out of service, %";
    FigureOverriddenSharePercent = "未经传感器确认而关闭的工单占比 %", "orders closed without their sensors, %";
    QualityOver = "{from} 至 {to}：{raised} 次告警（P1 {p1}，P2 {p2}，P3 {p3}，P4 {p4}），十分钟内最多 {most} 次", "{from} to {to}: {raised} alarms (P1 {p1}, P2 {p2}, P3 {p3}, P4 {p4}), at most {most} in ten minutes";
    TierGood = "良好", "good";
    TierWatch = "关注", "watch";
    TierPoor = "较差", "poor";
    HeadFigure = "指标", "FIGURE";
    HeadFigureValue = "数值", "VALUE";
    HeadFine = "良好上限", "FINE UP TO";
    HeadMost = "最多", "AT MOST";
    HeadTier = "评价", "";
    WordChatters = "抖动", "chatters";
    EstateImported = "已导入，小区版本 {version}", "imported; the estate is at version {version}";
    EstateSame = "与账本中的小区（版本 {version}）没有差别", "no difference to the estate in the ledger (version {version})";
    EstateWritten = "已写入 {path}", "written to {path}";
    EstateUnserializable = "小区无法写成文件：{error}", "the estate cannot be written as a file: {error}";
    Added = "新增", "added";
    Removed = "删除", "removed";
    Changed = "修改", "changed";
    UnknownProfile = "没有型号 \"{id}\"{near}", "there is no profile \"{id}\"{near}";
    DidYouMean = "，是否想写 \"{name}\"？", "; did you mean \"{name}\"?";
    UnknownFamily = "没有格式 \"{name}\"，可选：{known}", "there is no family \"{name}\"; the choices: {known}";
    UnknownRole = "没有角色 \"{name}\"，可选：{known}", "there is no role \"{name}\"; the choices: {known}";
    BadPattern = "主题格式有误：{error}", "the topic pattern is wrong: {error}";
    NeedsPattern = "格式 {family} 需要 --pattern 和 --topic", "the family {family} needs --pattern and --topic";
    NeedsTopic = "需要 --topic：主题说明是哪个设备", "--topic is needed: it names the device";
    BadHex = "不是十六进制：{error}", "not hexadecimal: {error}";
    BadBase64 = "不是 base64：{error}", "not base64: {error}";
    ModbusOnly = "型号 \"{id}\" 用 Modbus 读取，没有可解码的消息", "the profile \"{id}\" is read over Modbus; there is no message to decode";
    Undecodable = "无法解码：{error} [{code}]", "cannot be decoded: {error} [{code}]";
    NothingToDecode = "消息可读，但没有给型号的内容（{event}）", "the message was read; there is nothing in it for a profile ({event})";
    From = "来自 {address}", "from {address}";
    Noticed = "注意：{text} [{code}]", "noticed: {text} [{code}]";
    CaseFailed = "未通过 {id}", "failed {id}";
    CaseAdvisory = "未通过（可选）{id}", "failed (nice to have) {id}";
    CasesSummary = "通过 {passed}，未通过 {failed}，可选未通过 {advisory}", "{passed} passed, {failed} failed, {advisory} nice to have failed";
    Done = "{id} 已更新（版本 {version}）", "{id} done (version {version})";
    TakenOut = "{what} 已停用：告警照常记录，不再通知", "{what} is out of service: its alarms are recorded and nobody is called";
    BroughtBack = "{what} 已恢复使用", "{what} is back in service";
    ClockBelieved = "网关现在以本机时间为准：{now}", "the gateway goes by the machine's clock now: {now}";
    HeadLives = "人身安全", "LIVES";
    HeadUntil = "到", "UNTIL";
    NothingNamed = "用 --asset 或 --device 指明", "name it with --asset or --device";
    AlarmWhat = "告警", "alarm      ";
    AlarmState = "状态", "state      ";
    AlarmCause = "原因", "cause      ";
    AlarmConsequence = "后果", "consequence";
    AlarmResponse = "处置", "response   ";
    AlarmRule = "规则", "rule       ";
    AlarmOrder = "工单", "order      ";
    AlarmSuppressedBy = "根因", "suppressed by";
    AlarmExplains = "连带", "explains   ";
    NotAnId = "\"{id}\" 不是编号", "\"{id}\" is not an id";
    Nothing = "没有", "none";
    MoreExist = "还有更多，用 --limit 增加条数", "there are more; raise --limit";
    Retried = "{id} 将再次发送", "{id} will be sent again";
    TestSent = "测试消息已交给：{channels}（结果见 linli outbox list，主题 {subject}）", "test messages were given to: {channels} (results: linli outbox list, subject {subject})";
    NoChannels = "没有配置通道", "no channel is configured";
    TokenMade = "令牌 {id}（{name}，{role}）", "token {id} ({name}, {role})";
    TokenOnce = "密钥只显示这一次：", "the secret is shown this once:";
    TokenWritten = "密钥已写入 {path}", "the secret was written to {path}";
    TokenNoTerminal = "密钥不写进管道或日志：用 --output 文件 或 --json", "a secret does not go into a pipe or a journal: use --output FILE or --json";
    TokenRevoked = "令牌 {id} 已作废", "token {id} is revoked";
    NoUsersFile = "没有用户文件：{config} 的 [broker] 中没有 users_file；用 --file 指定", "no users file: {config} has no users_file in [broker]; --file names one";
    PasswordNoTerminal = "密码不写进管道或日志：在终端运行、用 --json，或从标准输入给出密码", "a password does not go into a pipe or a journal: use a terminal or --json, or give one on standard input";
    PasswordEmpty = "密码为空", "the password is empty";
    UsersFileWrong = "{path} 有误：{error}；文件未改动", "{path} is wrong: {error}; the file was left alone";
    NoDigest = "无法生成摘要：{error}", "cannot make a digest: {error}";
    BrokerUserAdded = "用户 {name} 已写入 {path}，网关数秒内生效", "the user {name} was written to {path}; the gateway notices within seconds";
    BrokerUserRemoved = "用户 {name} 已删除", "the user {name} was removed";
    BrokerUserUnknown = "用户文件中没有 {name}", "there is no user {name} in the users file";
    ScanProgress = "已查 {done}/{total}，应答 {found}", "{done} of {total} looked at, {found} answer";
    ScanNobody = "没有从机应答：检查接线、波特率和校验", "nobody answers: check wiring, baud rate and parity";
    ScanFailed = "总线 {bus} 无法使用，扫描未完成", "the bus {bus} cannot be used; the scan did not end";
    ScanCancelled = "扫描已取消", "the scan was cancelled";
    ScanGuess = "{title}（{profile}，{plausible}/{values}）", "{title} ({profile}, {plausible} of {values})";
    ScanRegisters = "寄存器", "registers";
    ScanException = "异常 {code}", "exception {code}";
    WriteConfirmed = "{device} {name} = {value}：已写入，回读一致", "{device} {name} = {value}: written, and read back the same";
    WriteUnconfirmed = "{device} {name} = {value}：设备已接受，但回读为 {back}", "{device} {name} = {value}: the device accepted it, but {back} was read back";
    WriteRefused = "{device} {name} = {value}：设备拒绝（异常 {code}）", "{device} {name} = {value}: the device refused (exception {code})";
    WriteUnknown = "{device} {name} = {value}：没有应答，可能已执行；回读为 {back}", "{device} {name} = {value}: no answer, it may have been done; {back} was read back";
    WriteNotSent = "{device} {name} = {value}：未发送（{reason}）", "{device} {name} = {value}: not sent ({reason})";
    WriteNoValue = "\"{value}\" 不是数值，也不是 true 或 false", "\"{value}\" is neither a number nor true or false";
    Signed = "已写入 {output}：{kind} 节点固件 {version}，{bytes} 字节；公钥 {public_key}", "written to {output}: firmware {version} of a {kind} node, {bytes} bytes; public key {public_key}";
    NotSigned = "未签名：{error}", "not signed: {error}";
    UpdateDone = "{device} 已运行固件 {version}", "{device} runs firmware {version}";
    UpdateFailed = "{device} 未升级到固件 {version}：{reason} [{code}]", "{device} was not updated to firmware {version}: {reason} [{code}]";
    ReadNothing = "无", "nothing";
    NoDataFolder = "{config} 中没有数据目录（[store] data）；用 --config 指定配置", "{config} names no data folder ([store] data); --config names a configuration";
    BackupMade = "已备份到 {path}（{megabytes} MB，提交 {commit}），并已读回核对", "backed up to {path} ({megabytes} MB, commit {commit}) and read back";
    ExportIncomplete = "文件有损坏：{count} 处无法读取，其中的读数不在导出里；运行 linli doctor 查看", "the file is damaged: {count} pieces cannot be read and their readings are missing in the export; `linli doctor` names them";
    BackupExists = "没有备份：文件 {path} 已存在，不会覆盖；换一个文件名", "write {path}: the file is there already; choose another name";
    BackupTorn = "没有备份：账本已损坏，复制它不算备份（{said}）；linli doctor 说明还能救回什么", "the ledger is broken, a copy of it would be no backup: {said}; `linli doctor` says what can be saved";
    NoBackup = "{path} 不是账本的备份", "{path} is not a backup of a ledger";
    RestoreUnreadable = "无法打开备份 {path}（{error}）；请指定一个可读的备份文件", "open the backup {path}: {error}; name the file of a backup that can be read";
    RestoreTorn = "没有恢复：备份已损坏（{said}）；换一个备份", "the backup is broken and was not restored: {said}; use another one";
    LedgerLocked = "{path} 正被占用（{holder}）；先停止它，或换一个数据目录", "lock {path}: held by {holder}; stop it first, or use another data folder";
    LedgerNewer = "{path} 的格式是 {found}，本程序最高支持 {known}；请装回新版程序，或恢复升级前的备份", "open {path}: it has format {found}, this program knows formats up to {known}; install the newer program again, or restore a backup taken before the upgrade";
    LedgerOlder = "{path} 是旧版程序的格式 {found}，本程序读取格式 {known}；启动一次网关，或用 linli restore 恢复该备份，都会升级到当前格式", "open {path}: it has format {found} of an earlier program, this one reads format {known}; start the gateway once, or restore the backup with `linli restore`: both bring it up to date";
    LedgerEmpty = "{path} 里没有账本：文件是空的，或属于别的程序；用 linli restore 恢复备份，或启动网关，它会在空文件里新建账本", "there is no ledger in {path}: it is empty or belongs to another program; restore a backup with `linli restore`, or start the gateway, which begins a ledger in an empty file";
    LedgerUnfinished = "上次恢复中断（{path} 还在）；请再恢复一次，或把移开的文件移回并删除该标记", "open the ledger: a restore was broken off ({path} is there); restore the backup again, or move the files it set aside back and remove the marker";
    BackupLacksRoom = "没有备份：{path} 需要 {needed} MB，只剩 {free} MB；请备份到另一块磁盘，或删除旧备份（--keep）", "no backup was made: {path} needs {needed} MB and has {free} MB; name a folder on another disk, or remove older backups (--keep)";
    BackupDamaged = "备份与原件一致，但原件有 {count} 处损坏：运行 linli doctor；较早的备份都保留（不按 --keep 删除）", "the copy is faithful, but {count} pieces of the original are damaged: run `linli doctor`; no earlier backup was removed (--keep)";
    Restored = "已恢复到提交 {commit}；现在可以启动网关", "restored, commit {commit}; the gateway can be started";
    RestoreKept = "原来的账本保留在 {path}，确认后可删除", "the ledger that was there is kept in {path}; remove it once all is well";
    Exported = "已导出 {points} 个测点的 {count} 个读数", "{count} readings of {points} points";
    RangeReversed = "--from（{from}）必须早于 --to（{to}）", "--from ({from}) must be before --to ({to})";
    UnknownPoint = "没有测点 \"{id}\"；linli series list 列出所有测点", "there is no point \"{id}\"; `linli series list` shows them all";
    UnheardDevice = "没有设备 \"{id}\" 的测点；linli series list 列出所有测点，测点名以设备名开头", "there is no point of a device \"{id}\"; `linli series list` shows all points, each begins with its device";
    UnheardMeasure = "没有测量 \"{id}\" 的测点；linli series list 列出所有测点，测点名含测量名", "there is no point of a measure \"{id}\"; `linli series list` shows all points, each names its measure";
    NoPointPasses = "没有测点同时符合 --point、--device 和 --measure；linli series list 列出所有测点", "no point passes --point, --device and --measure together; `linli series list` shows them all";
    DoctorFine = "正常", "ok  ";
    DoctorWarning = "注意", "note";
    DoctorProblem = "问题", "ILL ";
    HeadPoint = "测点", "POINT";
    HeadSamples = "已封存", "SEALED";
    HeadBytesEach = "字节/个", "BYTES EACH";
    HeadTrue = "为真", "TRUE";
    HeadShare = "占已知", "OF KNOWN";
    HeadKnown = "已知", "KNOWN";
    HeadChanges = "变化", "CHANGES";
    NoStates = "{id} 在这段时间没有状态", "{id} has no states in this time";
    StatesTotal = "合计：为真 {on}，已知 {known}，变化 {changes} 次", "in all: true for {on}, known for {known}, {changes} changes";
    HeadFrom = "自", "FROM";
    HeadTo = "至", "TO";
    HeadUnitNumber = "地址", "UNIT";
    HeadAnswer = "应答", "ANSWER";
    HeadSaysItIs = "自报", "SAYS IT IS";
    HeadMayBe = "可能是", "MAY BE";
    NoGuess = "目录中没有相符的型号", "no profile of the catalogue reads it";
    ShownWith = "以下按型号 {profile} 解码", "read with the profile {profile}:";
    UnclearGuess = "无法确定型号，请用 --profile 指定（{guesses}）", "the profile is not clear; name it with --profile ({guesses})";
    NotUnknown = "没有未知设备 \"{key}\"：见 linli device list --unknown；已接入的见 linli device list", "there is no unknown device \"{key}\": see linli device list --unknown, and linli device list for those of the estate";
    SeveralUnknown = "\"{key}\" 出现在多个连接上，请用 --connection 指定：{connections}", "\"{key}\" is heard on several connections; name one with --connection: {connections}";
    Accepted = "已接入 {device}（型号 {profile}，小区版本 {version}）：{messages} 条等待的消息成为 {readings} 个读数", "accepted as {device} (profile {profile}, estate version {version}): {messages} waiting messages became {readings} readings";
    AcceptedRefused = "{count} 条等待的消息无法用这个型号解码，见 linli rejects list", "{count} waiting messages could not be read with this profile; see linli rejects list";
    AcceptedStale = "{count} 个最新值太旧，只存档、不评估；等设备再次上报", "{count} newest values are too old: stored and not evaluated until the device speaks again";
    Ignored = "已忽略 {key}：只计数，不保存（用 linli device forget 撤销）", "{key} is ignored: counted, not kept (linli device forget undoes it)";
    Forgotten = "已忘记 {key}；再次上报时会重新出现", "{key} is forgotten; it appears again when it speaks";
    RefusedBecause = "拒收：{reason}：{detail}。{hint}", "refused: {reason}: {detail}; {hint}";
    Application = "端口 {port}：{hex}", "port {port}: {hex}";
    Stored = "设备存储的历史值", "stored by the device, of";
    Missed = "……漏看了 {count} 条消息", "… {count} messages were not shown";
    FateUnknown = "（不在小区中）", "(not in the estate)";
    FateRepeated = "（重复）", "(a repetition)";
    FateNothing = "（与传感器无关）", "(nothing about a sensor)";
    FateRefused = "（拒收）", "(refused)";
    Retained = "（保留消息）", "(retained)";
    StreamSilent = "{url} 不再发送数据", "{url} has fallen silent";
    StreamEnded = "{url} 结束了数据流", "{url} has ended the stream";
    BuiltIn = "内置", "built in";
    Reloaded = "已重新载入，{profiles} 个型号在用", "read again; {profiles} profiles in use";
    ReloadChanged = "新增或修改：{profiles}", "new or changed: {profiles}";
    ReloadRemoved = "移除：{profiles}（用到它们的设备暂时无法解码）", "gone: {profiles} (devices that use them are not understood)";
    StaysInUse = "{file} 未采用；继续使用 {id} 版本 {version}", "{file} is not used; {id} version {version} stays in use";
    NothingStays = "{file} 未采用", "{file} is not used";
    HeadKey = "地址", "KEY";
    HeadHeard = "消息数", "HEARD";
    HeadLastSeen = "最近上报", "LAST SEEN";
    HeadModel = "标称型号", "CALLED";
    HeadGuess = "推测型号", "GUESS";
    HeadVersion = "版本", "VERSION";
    HeadTests = "测试数", "TESTS";
    HeadDevices = "设备数", "DEVICES";
    HeadSource = "来源", "SOURCE";
    HeadId = "编号", "ID";
    HeadPriority = "级别", "PRIORITY";
    HeadState = "状态", "STATE";
    HeadPlace = "位置", "PLACE";
    HeadAsset = "资产", "ASSET";
    HeadWhat = "内容", "WHAT";
    HeadSince = "时间", "SINCE";
    HeadRole = "角色", "ROLE";
    HeadWho = "人员", "WHO";
    HeadChannel = "通道", "CHANNEL";
    HeadSubject = "主题", "SUBJECT";
    HeadAttempts = "次数", "ATTEMPTS";
    HeadError = "错误", "ERROR";
    HeadName = "名称", "NAME";
    HeadProfile = "型号", "PROFILE";
    HeadAddress = "地址", "ADDRESS";
    HeadOrigin = "来源", "ORIGIN";
    HeadReason = "原因", "REASON";
    HeadConnection = "连接", "CONNECTION";
    HeadDevice = "设备", "DEVICE";
    HeadCount = "条数", "COUNT";
    HeadNewest = "最近", "NEWEST";
    HeadHint = "处理办法", "WHAT TO DO";
    HeadBytes = "字节数", "BYTES";
    HeadPayload = "内容", "PAYLOAD";
    HeadMeasure = "测量", "MEASURE";
    HeadInstance = "序号", "INSTANCE";
    HeadValue = "值", "VALUE";
    HeadUnit = "单位", "UNIT";
    HeadQuality = "质量", "QUALITY";
    OrderTasks = "任务", "tasks      ";
    HeadTask = "任务", "TASK";
    HeadEnded = "完成", "ENDED";
    HeadTime = "时间", "TIME";
    HeadInterval = "周期 实际/应有", "INTERVAL IS/SHOULD";
    HeadSkew = "时钟偏差", "CLOCK";
    HeadAvailability = "可达", "REACHABLE";
    HeadFlags = "问题", "WRONG";
    HeadWhere = "位置", "WHERE";
    HeadRaw = "原始", "RAW";
    HeadAs = "读作", "READ AS";
    HeadMeant = "含义", "MEANING";
    HeadChange = "变更", "CHANGE";
    HeadSection = "部分", "SECTION";
    NoForwarders = "没有配置转存（[[forwarders]]）", "no forwarders are configured ([[forwarders]])";
    ForwarderFine = "正常", "well";
    ForwarderCatchesUp = "补传中", "catching up";
    ForwarderFillsIn = "补传历史", "filling in";
    ForwarderStuck = "受阻", "stuck";
    HeadTakenUpTo = "已转存至", "TAKEN UP TO";
    HeadCommitsWaiting = "等待的提交", "COMMITS WAITING";
    HeadReadings = "已转存读数", "READINGS";
    HeadParked = "拒收行数", "PARKED";
    HeadLine = "行", "LINE";
    HeadFields = "字段", "FIELDS";
}

/// The text of a key with its placeholders filled.
pub fn fill(language: Language, key: Key, values: &[(&str, &str)]) -> String {
    crate::messages::fill(get(language, key), values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn placeholders(text: &str) -> BTreeSet<&str> {
        text.split('{')
            .skip(1)
            .filter_map(|rest| Some(rest.split_once('}')?.0))
            .collect()
    }

    #[test]
    fn both_languages_name_the_same_values() {
        for key in Key::ALL {
            let (zh, en) = (get(Language::Zh, *key), get(Language::En, *key));
            assert_eq!(placeholders(zh), placeholders(en), "{key:?}");
            assert!(
                !en.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)),
                "{key:?}"
            );
        }
    }
}
