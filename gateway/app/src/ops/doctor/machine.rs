//! The machine around the ledger: space, the clock, the age of the last backup, and whether a gateway is running.

use super::Report;
use crate::clock::Clock;
use crate::config::said::both;
use crate::disk::Space;
use crate::ops::backup;
use linli_domain::time::Timestamp;
use linli_ledger::Reader;
use std::path::Path;
use std::time::Duration;

/// Share of the disk below which a warning is due, in percent.
const LOW_PERCENT: u64 = 10;
/// Share of the disk below which the gateway is about to drop readings, in percent.
const OUT_PERCENT: u64 = 3;
/// A backup older than this is worth a word.
const OLD_BACKUP: Duration = Duration::from_secs(8 * 86_400);
/// The clock may be this far behind the last commit.
const CLOCK_BACK: Duration = Duration::from_secs(300);

pub(super) fn look(data: &Path, clock: &dyn Clock, report: &mut Report) {
    space(data, report);
    time(data, clock, report);
    last_backup(data, clock, report);
}

fn space(data: &Path, report: &mut Report) {
    let Some(disk) = Space::of(data) else {
        return;
    };
    let percent = disk
        .free
        .saturating_mul(100)
        .checked_div(disk.whole)
        .unwrap_or(100);
    let (free, total) = (megabytes(disk.free), megabytes(disk.whole));
    let sizes = Reader::open(data).map(|reader| reader.sizes().unwrap_or_default());
    let sizes = sizes.unwrap_or_default();
    let (database, log, unused) = (
        megabytes(sizes.database),
        megabytes(sizes.write_ahead),
        megabytes(sizes.free),
    );
    let said = both!(
        "磁盘剩余 {free} MB（共 {total} MB，{percent}%）；账本 {database} MB，其中可再用 {unused} MB，预写日志 {log} MB",
        "{free} MB of {total} MB are free ({percent} %); the ledger takes {database} MB, {unused} MB of them free for reuse, its write-ahead log {log} MB"
    );
    if percent < OUT_PERCENT {
        let hint = both!(
            "腾出空间：网关即将或已经停存周期性读数（告警和工单照存）",
            "make room: the gateway drops periodic readings soon or already does (alarms and orders are still stored)"
        );
        report.wrong("space", said, hint);
    } else if percent < LOW_PERCENT {
        let hint = both!(
            "腾出空间，或在 [store] 中缩短保留时间",
            "make room, or keep readings for a shorter time ([store] retention)"
        );
        report.warn("space", said, hint);
    } else {
        report.fine("space", said);
    }
}

fn time(data: &Path, clock: &dyn Clock, report: &mut Report) {
    let now = clock.now();
    let wall = now.wall;
    if !now.trusted {
        report.wrong(
            "clock",
            both!(
                "本机时间是 {wall}，早于本程序的编译时间",
                "the machine says it is {wall}, before this program was built"
            ),
            both!(
                "设置时间并启用 NTP（timedatectl set-ntp true）",
                "set the clock and enable NTP (timedatectl set-ntp true)"
            ),
        );
        return;
    }
    let last = Reader::open(data)
        .ok()
        .and_then(|reader| reader.last_committed_at().ok().flatten());
    if let Some(last) = last.filter(|last| last.since(wall) > CLOCK_BACK) {
        report.wrong(
            "clock",
            both!("本机时间 {wall} 早于最近一次提交 {last}：时钟被拨回", "the machine says it is {wall}, but the last commit was made at {last}: the clock was set back"),
            both!("检查 NTP 和电池", "check NTP and the battery of the clock"),
        );
        return;
    }
    report.fine("clock", both!("本机时间 {wall}", "the machine says it is {wall}"));
}

fn last_backup(data: &Path, clock: &dyn Clock, report: &mut Report) {
    let hint = || {
        both!(
            "linli backup 目录 --keep 8；备份应放在另一块磁盘上",
            "linli backup FOLDER --keep 8; it belongs on another disk"
        )
    };
    match backup::last(data) {
        None => report.warn("backup", both!("从未备份", "there is no backup yet"), hint()),
        Some(last) => {
            let (at, path) = (Timestamp::from_millis(last.at), last.path);
            let said = both!("最近备份 {at}：{path}", "the last backup is of {at}: {path}");
            if clock.now().wall.since(at) > OLD_BACKUP {
                report.warn("backup", said, hint());
            } else {
                report.fine("backup", said);
            }
        }
    }
}

fn megabytes(bytes: u64) -> u64 {
    bytes / 1_000_000
}
