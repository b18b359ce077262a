//! The machine around the ledger: space, the clock, the age of the last backup, and whether a gateway is running.

use super::{Report, Verdict};
use crate::clock::Clock;
use crate::config::said::both;
use crate::config::{Config, DEFAULT_MIN_FREE};
use crate::disk::Space;
use crate::ops::backup;
use linli_domain::time::Timestamp;
use linli_ledger::Reader;
use std::path::Path;
use std::time::Duration;

/// Share of the disk, over what makes the gateway let go of readings, below which a warning is due, in percent.
const LOW_PERCENT: u64 = 10;
/// A backup older than this is worth a word.
const OLD_BACKUP: Duration = Duration::from_secs(8 * 86_400);
/// The clock may be this far behind the last commit.
const CLOCK_BACK: Duration = Duration::from_secs(300);

pub(super) fn look(data: &Path, config: Option<&Config>, clock: &dyn Clock, report: &mut Report) {
    space(data, config, report);
    time(data, clock, report);
    last_backup(data, clock, report);
}

/// How the gateway takes so much room: by what it reserves, as its own alarm does.
fn room(disk: Space, reserve: u64) -> Verdict {
    let low = u128::from(disk.whole) * u128::from(LOW_PERCENT);
    match disk.spare(reserve) {
        None => Verdict::Problem,
        Some(spare) if u128::from(spare) * 100 < low => Verdict::Warning,
        Some(_) => Verdict::Fine,
    }
}

fn space(data: &Path, config: Option<&Config>, report: &mut Report) {
    let Some(disk) = Space::of(data) else {
        return;
    };
    let percent = disk
        .free
        .saturating_mul(100)
        .checked_div(disk.whole)
        .unwrap_or(100);
    let reserve = config.map_or(DEFAULT_MIN_FREE, |config| config.store.min_free);
    let verdict = room(disk, reserve);
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
    let keep = both!(
        "腾出空间，或缩短保留时间（[[store.keep]]）",
        "make room, or keep readings for a shorter time ([[store.keep]])"
    );
    let most = config.and_then(|config| config.store.max_size);
    let used = sizes.database.saturating_sub(sizes.free);
    match verdict {
        Verdict::Problem => {
            let reserve = reserve >> 20;
            let twice = reserve * 2;
            let hint = both!(
                "腾出空间：低于 {twice} MB 时删除最旧的读数，低于 {reserve} MB（min_free_mb）时不再保存周期性读数（告警和工单照存）",
                "make room: below {twice} MB the oldest readings go, below {reserve} MB (min_free_mb) periodic ones are not stored any more (alarms and orders are)"
            );
            report.wrong("space", said, hint);
        }
        Verdict::Warning => report.warn("space", said, keep),
        Verdict::Fine if most.is_some_and(|most| used > most / 100 * (100 - LOW_PERCENT)) => {
            let hint = both!(
                "账本接近 max_size_mb，到达后删除最旧的读数：调高它，或缩短保留时间（[[store.keep]]）",
                "the ledger comes close to max_size_mb, where the oldest readings go: raise it, or keep readings for a shorter time ([[store.keep]])"
            );
            report.warn("space", said, hint);
        }
        Verdict::Fine => report.fine("space", said),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_short_when_the_gateway_lets_go_of_readings_and_not_by_a_share_of_the_disk() {
        let (megabyte, gigabyte) = (1u64 << 20, 1u64 << 30);
        let reserve = 256 * megabyte;
        // An eighth of a small disk: the oldest readings go already.
        let room = |free, whole| room(Space { free, whole }, reserve);
        assert_eq!(room(500 * megabyte, 4 * gigabyte), Verdict::Problem);
        assert_eq!(room(800 * megabyte, 4 * gigabyte), Verdict::Warning);
        assert_eq!(room(2 * gigabyte, 4 * gigabyte), Verdict::Fine);
        // A fiftieth of a large one: nothing goes for a long time.
        assert_eq!(room(20 * gigabyte, 1_000 * gigabyte), Verdict::Warning);
    }
}
