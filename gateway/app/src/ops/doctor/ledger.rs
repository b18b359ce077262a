//! The ledger: whether every byte of it is what was written, and what was set aside; mends it when that was asked for.

use super::{Ask, Report};
use crate::chain::chain;
use crate::clock::Clock;
use crate::config::said::both;
use linli_domain::text::Text;
use linli_ledger::{Damage, Examination, Finding, Ledger, OpenError, Options, Reader};

const AREA: &str = "ledger";

/// `writable`: whether whoever asks may write the file. Who may not cannot always read it either.
pub(super) fn look(
    ask: &Ask<'_>,
    writable: bool,
    clock: &dyn Clock,
    report: &mut Report,
    progress: &mut dyn FnMut(f64),
) {
    let folder = ask.data.display().to_string();
    if !ask.data.join(linli_ledger::DATABASE_FILE).is_file() {
        report.wrong(
            AREA,
            both!("{folder} 中没有账本", "there is no ledger in {folder}"),
            both!(
                "检查 [store] data；网关首次启动时建立账本，备份用 linli restore 恢复",
                "check [store] data; the gateway makes it at its first start, `linli restore` puts a backup there"
            ),
        );
        return;
    }
    let (reader, examined) = match read(ask, progress) {
        Ok(read) => read,
        Err((said, hint)) => {
            report.wrong(
                AREA,
                both!("账本无法读取：{said}", "the ledger cannot be read: {said}"),
                if writable {
                    hint
                } else {
                    both!(
                        "先解决写入问题，再检查一次",
                        "let it be written first, then look again"
                    )
                },
            );
            return;
        }
    };
    let Examination {
        commits,
        chunks,
        samples,
        audit_rows,
        last_commit,
        format,
        ..
    } = examined;
    if examined.findings.is_empty() {
        report.fine(
            AREA,
            both!(
                "账本完好：格式 {format}，提交 {last_commit}，日志 {commits} 次，{chunks} 个数据块共 {samples} 个读数，审计 {audit_rows} 行",
                "the ledger is whole: format {format}, commit {last_commit}, {commits} in the log, {chunks} chunks with {samples} readings, {audit_rows} rows of audit"
            ),
        );
    } else if ask.mend {
        mend(ask, &examined.findings, clock, report);
    } else {
        examined.findings.iter().for_each(|finding| tell(finding, report));
    }
    let aside = reader.set_aside(100).unwrap_or_default();
    if !aside.is_empty() {
        let (pieces, samples) = (aside.len(), aside.iter().map(|piece| piece.samples).sum::<u64>());
        report.warn(
            "set_aside",
            both!(
                "曾隔离 {pieces} 处损坏，缺 {samples} 个读数；其余数据照常提供",
                "{pieces} damaged pieces were set aside, {samples} readings are missing; the rest is served"
            ),
            both!(
                "检查磁盘健康；备份里可能仍有这些读数：linli export --backup 文件",
                "check the disk; a backup may still hold them: linli export --backup FILE"
            ),
        );
    }
}

fn read(ask: &Ask<'_>, progress: &mut dyn FnMut(f64)) -> Result<(Reader, Examination), (String, Text)> {
    let reader = Reader::open(ask.data).map_err(|error| {
        let hint = match &error {
            OpenError::Older { .. } => both!(
                "启动一次网关：账本会升级到当前格式，数据不丢",
                "start the gateway once: it brings the ledger up to date, nothing is lost"
            ),
            OpenError::Newer { .. } => both!(
                "账本没有损坏，只是由更新的程序写入：装回新版程序；若要退回旧版，用 linli restore 恢复升级前的备份",
                "nothing is wrong with it, it was written by a newer program: install that one again, or restore a backup taken before the upgrade (`linli restore FILE`)"
            ),
            OpenError::NoLedger { .. } => both!(
                "用 linli restore 恢复备份；若本来就没有数据，启动网关即可，它会在空文件里新建账本",
                "restore a backup (`linli restore FILE`); if there was nothing yet, start the gateway: it begins a ledger in an empty file"
            ),
            _ => torn(),
        };
        (chain(&error), hint)
    })?;
    let examined = reader
        .examine(progress)
        .map_err(|error| (chain(&error), torn()))?;
    Ok((reader, examined))
}

fn mend(ask: &Ask<'_>, findings: &[Finding], clock: &dyn Clock, report: &mut Report) {
    if let Some(torn) = findings.iter().find(|finding| {
        matches!(
            finding,
            Finding::Database {
                index_only: false,
                ..
            }
        )
    }) {
        tell(torn, report);
        return;
    }
    let mended = Ledger::open(ask.data, &Options::default())
        .map_err(|error| chain(&error))
        .and_then(|mut ledger| {
            ledger
                .mend(findings, clock.now().wall)
                .map_err(|error| chain(&error))
        });
    match mended {
        Err(said) => report.wrong(
            "mend",
            both!("无法修复：{said}", "it cannot be mended: {said}"),
            both!(
                "先停止网关；若仍失败，用最近的备份恢复",
                "stop the gateway first; if it fails still, restore the last backup"
            ),
        ),
        Ok(mended) => {
            let (chunks, logs, rollups, samples) =
                (mended.chunks, mended.logs, mended.rollups, mended.samples);
            let said = if mended.reindexed {
                both!(
                    "已修复：重建索引，隔离 {chunks} 个数据块（{samples} 个读数）、{logs} 段日志，重算 {rollups} 行汇总",
                    "mended: the indexes and {rollups} rows of sums were made anew, {chunks} chunks ({samples} readings) and {logs} logs set aside"
                )
            } else {
                both!(
                    "已修复：隔离 {chunks} 个数据块（{samples} 个读数）、{logs} 段日志，重算 {rollups} 行汇总",
                    "mended: {chunks} chunks ({samples} readings) and {logs} logs were set aside, {rollups} rows of sums made anew"
                )
            };
            report.fine("mend", said);
            mended.left.iter().for_each(|finding| tell(finding, report));
        }
    }
}

/// A finding in words, with what can be done.
fn tell(finding: &Finding, report: &mut Report) {
    match finding {
        Finding::Database { table, said, index_only: true } => report.wrong(
            AREA,
            both!("表 {table} 的索引有误：{said}", "an index of the table {table} is wrong: {said}"),
            both!(
                "停止网关后运行 linli doctor --mend：从数据重建索引，不丢数据",
                "stop the gateway and run `linli doctor --mend`: it is made anew from the rows, nothing is lost"
            ),
        ),
        Finding::Database { table, said, .. } => report.wrong(
            AREA,
            both!("账本文件损坏（表 {table}）：{said}", "the file is damaged (table {table}): {said}"),
            torn(),
        ),
        Finding::Chunk { damage, .. } => report.wrong(
            AREA,
            said(damage),
            both!(
                "停止网关后运行 linli doctor --mend：隔离该数据块，其余照常；运行中的网关遇到时也会自行隔离",
                "stop the gateway and run `linli doctor --mend`: it is set aside and the rest is served; a running gateway does so itself when it comes upon it"
            ),
        ),
        Finding::BesideLog { commit } => report.wrong(
            AREA,
            both!(
                "提交 {commit} 的日志完好，但其目录有误：查询可能漏掉其中的读数",
                "the log of commit {commit} is whole, but not what stands beside it: questions may miss its readings"
            ),
            both!(
                "停止网关后运行 linli doctor --mend：从日志重建，不丢数据",
                "stop the gateway and run `linli doctor --mend`: it is made anew from the log, nothing is lost"
            ),
        ),
        Finding::Rollup { damage, .. } => report.wrong(
            AREA,
            said(damage),
            both!(
                "停止网关后运行 linli doctor --mend：隔离这些汇总，用仍在的读数重算；运行中的网关遇到时也会自行处理",
                "stop the gateway and run `linli doctor --mend`: these sums are set aside and made anew from the readings that are left; a running gateway does so itself when it comes upon them"
            ),
        ),
        Finding::Log { damage, covered: true, .. } => report.wrong(
            AREA,
            said(damage),
            both!(
                "重新启动网关或运行 linli doctor --mend：隔离这一段，只缺其中的读数",
                "restart the gateway or run `linli doctor --mend`: it is set aside, only its readings are missing"
            ),
        ),
        Finding::Log { damage, .. } | Finding::Other(damage) => report.wrong(
            AREA,
            said(damage),
            both!(
                "用最近的备份恢复：linli restore 文件；损坏的文件会保留",
                "restore the last backup: `linli restore FILE`; the damaged file is kept"
            ),
        ),
        _ => {}
    }
}

fn said(damage: &Damage) -> Text {
    let zh = match damage {
        Damage::Stage { commit, .. } => format!("提交 {commit} 的日志损坏（{damage}）"),
        Damage::Chunk { point, chunk, .. } => format!("测点 {point} 的数据块 {chunk} 损坏（{damage}）"),
        Damage::Rollup { point, rollup, .. } => format!("测点 {point} 的汇总 {rollup} 损坏（{damage}）"),
        Damage::Snapshot { commit } => format!("提交 {commit} 的引擎快照损坏（{damage}）"),
        other => format!("数据损坏（{other}）"),
    };
    Text {
        zh,
        en: damage.to_string(),
    }
}

fn torn() -> Text {
    both!(
        "停止网关，用最近的备份恢复：linli restore 文件；损坏的文件会保留，仍可读的读数可用 linli export 取出",
        "stop the gateway and restore the last backup: `linli restore FILE`; the damaged file is kept, and what can be read of it comes out with `linli export`"
    )
}
