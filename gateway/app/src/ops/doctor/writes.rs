//! Whether the data folder and what is in it can be written: a file system that is read-only, files of somebody else.
//!
//! Nothing is written to find out: the machine is asked. What a user may who is not the one who asks is not known here;
//! files that belong to another user than their folder are therefore worth a word, not a problem.

use super::Report;
use crate::config::said::both;
use rustix::fs::{Access, access};
use rustix::io::Errno;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const AREA: &str = "writes";

/// Says whether the folder and its files can be written; false when not.
pub(super) fn look(data: &Path, report: &mut Report) -> bool {
    let Ok(folder) = std::fs::metadata(data) else {
        // That there is no ledger is said elsewhere.
        return true;
    };
    let files = files(data);
    let all = std::iter::once((data.to_owned(), Access::WRITE_OK | Access::EXEC_OK));
    for (path, wanted) in all.chain(files.iter().map(|(path, _)| (path.clone(), Access::WRITE_OK))) {
        if let Err(error) = access(&path, wanted) {
            refused(&path, error, report);
            return false;
        }
    }
    let strange = files.iter().find(|(_, file)| !is_for(&folder, file));
    if let Some((path, file)) = strange {
        let (path, owner, theirs) = (path.display().to_string(), file.uid(), folder.uid());
        report.warn(
            AREA,
            both!(
                "{path} 属于用户 {owner}，而目录属于用户 {theirs}：以后者运行的网关无法写入",
                "{path} belongs to user {owner}, its folder to user {theirs}: a gateway that runs as the latter cannot write it"
            ),
            both!(
                "若网关以用户 {theirs} 运行：chown {theirs} {path}（以 root 运行 linli restore 等命令后常见）",
                "if the gateway runs as user {theirs}: chown {theirs} {path} (it comes of running `linli restore` as root)"
            ),
        );
        return true;
    }
    let folder = data.display().to_string();
    report.fine(AREA, both!("{folder} 可写", "{folder} can be written"));
    true
}

/// What SQLite and the gateway write in the folder, as far as it is there.
fn files(data: &Path) -> Vec<(PathBuf, Metadata)> {
    let database = linli_ledger::DATABASE_FILE;
    [
        database.to_owned(),
        format!("{database}-wal"),
        format!("{database}-shm"),
        linli_ledger::LOCK_FILE.to_owned(),
    ]
    .into_iter()
    .map(|name| data.join(name))
    .filter_map(|path| std::fs::metadata(&path).ok().map(|file| (path, file)))
    .collect()
}

/// Whether the owner of the folder may write a file in it.
fn is_for(folder: &Metadata, file: &Metadata) -> bool {
    let by_group = file.gid() == folder.gid() && file.mode() & 0o020 != 0;
    folder.uid() == 0 || file.uid() == folder.uid() || by_group || file.mode() & 0o002 != 0
}

fn refused(path: &Path, error: Errno, report: &mut Report) {
    let owner = std::fs::metadata(path).map(|file| file.uid()).unwrap_or_default();
    let (path, asks) = (path.display().to_string(), rustix::process::getuid().as_raw());
    if error == Errno::ROFS {
        report.wrong(
            AREA,
            both!(
                "{path} 所在的文件系统是只读的：网关无法启动，已在运行的不能保存",
                "{path} is on a file system that is mounted read-only: a gateway does not start there, and one that runs stores nothing"
            ),
            both!(
                "磁盘出错时内核常改为只读：查看 dmesg；先用 linli backup 文件 把账本复制到另一块磁盘，检修或更换后重新挂载为可写（mount -o remount,rw）",
                "the kernel makes a failing disk so: see dmesg, copy the ledger to another disk first (`linli backup FILE`), mend or replace the disk and mount it for writing (mount -o remount,rw)"
            ),
        );
    } else {
        let said = std::io::Error::from(error).to_string();
        report.wrong(
            AREA,
            both!(
                "用户 {asks} 不能写入 {path}（属于用户 {owner}）：{said}",
                "user {asks} may not write {path}, which belongs to user {owner}: {said}"
            ),
            both!(
                "以网关的用户运行 linli doctor；若网关也写不了：chown -R 网关用户 数据目录，并用 lsattr 检查是否不可更改",
                "run `linli doctor` as the gateway's user; if that one may not either: chown -R USER FOLDER, and see lsattr whether it was made immutable"
            ),
        );
    }
}
