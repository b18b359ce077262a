//! The file system SQLite sees: every call goes to the one it had before, unless the disk's plan says otherwise.
//!
//! Decides nothing. The only module with `unsafe`: SQLite hands and takes raw pointers. What they all rest on: SQLite
//! gives `szOsFile` zeroed bytes for a file, calls its methods with that same pointer from `xOpen` until `xClose` and
//! never two at once for one file, and the system's own file system is never unregistered.
#![allow(unsafe_code, reason = "SQLite's file system is a table of C functions")]

use crate::disk::{Held, holding};
use crate::plan::{Call, How};
use rusqlite::ffi;
use std::ffi::{CStr, OsStr, OsString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::{Arc, OnceLock};

/// A file as SQLite holds it: ours first, the system's own behind it in the same allocation.
#[repr(C, align(8))]
struct File {
    methods: *const ffi::sqlite3_io_methods,
    /// The disk and the file's name on it; null for a file nobody watches.
    watch: *mut Watch,
}

struct Watch {
    disk: Arc<Held>,
    name: OsString,
}

/// The system's own file system.
struct Below(*mut ffi::sqlite3_vfs);

// SAFETY: the pointer is to a static of SQLite's, whose functions may be called from any thread.
unsafe impl Send for Below {}
// SAFETY: as above; nothing is written through it.
unsafe impl Sync for Below {}

static BELOW: OnceLock<Below> = OnceLock::new();

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    // Version 2: with shared memory, without memory-mapped reads, which would pass us by.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Makes this the file system that connections opened from now on use.
pub(crate) fn install() {
    BELOW.get_or_init(|| {
        // SAFETY: SQLite is initialised by the call itself; null asks for the default, which exists on Unix.
        let below = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
        // SAFETY: the pointer is SQLite's own static table. Functions that are not replaced do not look at the table
        // they are called with, but for its private data, which is copied with it.
        let mut ours = unsafe { ptr::read(below) };
        ours.szOsFile += size_of::<File>() as c_int;
        ours.pNext = ptr::null_mut();
        ours.zName = c"faultfs".as_ptr();
        ours.xOpen = Some(open);
        ours.xDelete = Some(delete);
        // SAFETY: the table is leaked, so it lives as long as SQLite may use it.
        unsafe { ffi::sqlite3_vfs_register(Box::leak(Box::new(ours)), 1) };
        Below(below)
    });
}

fn below() -> *mut ffi::sqlite3_vfs {
    BELOW.get().map_or(ptr::null_mut(), |below| below.0)
}

/// The system's file behind ours.
fn inner(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: the allocation is `size_of::<File>()` larger than the system asked for, and `File` keeps its alignment.
    unsafe { file.cast::<File>().add(1).cast() }
}

/// The disk that watches a file.
fn watch<'a>(file: *mut ffi::sqlite3_file) -> Option<&'a Watch> {
    // SAFETY: `watch` was set by `open` to null or to a box that `close` frees; no method is called after that.
    unsafe { (*file.cast::<File>()).watch.as_ref() }
}

/// Calls a method of the system's file; one it does not have is an error of the caller.
macro_rules! below {
    ($file:expr, $method:ident ( $($argument:expr),* )) => {{
        let file = inner($file);
        // SAFETY: `open` succeeded, so the system's file has its methods, and the arguments are SQLite's own.
        unsafe {
            match (*(*file).pMethods).$method {
                Some(method) => method(file, $($argument),*),
                None => ffi::SQLITE_NOTFOUND,
            }
        }
    }};
}

fn path_of<'a>(name: *const c_char) -> Option<&'a Path> {
    if name.is_null() {
        return None;
    }
    // SAFETY: SQLite gives a string that ends with a zero and outlives the call.
    let name = unsafe { CStr::from_ptr(name) };
    Some(Path::new(OsStr::from_bytes(name.to_bytes())))
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let ours = file.cast::<File>();
    // SAFETY: SQLite gave us room for a `File`.
    unsafe {
        ptr::write(
            ours,
            File {
                methods: ptr::null(),
                watch: ptr::null_mut(),
            },
        )
    };
    let path = path_of(name);
    let held = path.and_then(holding);
    if let Some((disk, _)) = &held
        && disk.next(Call::Open).is_some()
    {
        return ffi::SQLITE_CANTOPEN;
    }
    let there = held
        .is_some()
        .then(|| path.and_then(|path| std::fs::read(path).ok()))
        .flatten();
    // SAFETY: the system's `xOpen` with its own table, its own file behind ours, and SQLite's arguments.
    let code = unsafe {
        match (*below()).xOpen {
            Some(open) => open(below(), name, inner(file), flags, out),
            None => ffi::SQLITE_CANTOPEN,
        }
    };
    if code != ffi::SQLITE_OK {
        return code;
    }
    let watch = held.map_or(ptr::null_mut(), |(disk, name)| {
        disk.opened(&name, there);
        Box::into_raw(Box::new(Watch { disk, name }))
    });
    // SAFETY: as above; setting the methods tells SQLite that `xClose` must be called.
    unsafe {
        ptr::write(
            ours,
            File {
                methods: &raw const METHODS,
                watch,
            },
        )
    };
    code
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    let held = path_of(name).and_then(holding);
    if let Some((disk, _)) = &held
        && disk.next(Call::Delete).is_some()
    {
        return ffi::SQLITE_IOERR_DELETE;
    }
    // SAFETY: the system's `xDelete` with its own table and SQLite's arguments.
    let code = unsafe {
        match (*below()).xDelete {
            Some(delete) => delete(below(), name, sync),
            None => ffi::SQLITE_IOERR_DELETE,
        }
    };
    if let Some((disk, name)) = held
        && code == ffi::SQLITE_OK
    {
        disk.removed(&name, sync != 0);
    }
    code
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let code = below!(file, xClose());
    let ours = file.cast::<File>();
    // SAFETY: the box was made by `open` and is freed once: SQLite does not use the file after `xClose`.
    unsafe {
        if !(*ours).watch.is_null() {
            drop(Box::from_raw((*ours).watch));
            (*ours).watch = ptr::null_mut();
        }
    }
    code
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    to: *mut c_void,
    amount: c_int,
    offset: i64,
) -> c_int {
    if let Some(watch) = watch(file)
        && watch.disk.next(Call::Read).is_some()
    {
        return ffi::SQLITE_IOERR_READ;
    }
    below!(file, xRead(to, amount, offset))
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    amount: c_int,
    offset: i64,
) -> c_int {
    let Some(watch) = watch(file) else {
        return below!(file, xWrite(from, amount, offset));
    };
    let (amount, outcome) = match watch.disk.next(Call::Write) {
        None => (amount, ffi::SQLITE_OK),
        Some(How::Short) => (amount / 2, ffi::SQLITE_FULL),
        Some(How::Full) => return ffi::SQLITE_FULL,
        Some(How::Error | How::PowerCut) => return ffi::SQLITE_IOERR_WRITE,
    };
    let code = below!(file, xWrite(from, amount, offset));
    if code != ffi::SQLITE_OK {
        return code;
    }
    let length = usize::try_from(amount).unwrap_or(0);
    // SAFETY: SQLite gives `amount` readable bytes, and we look at no more than that.
    let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), length) };
    watch
        .disk
        .written(&watch.name, u64::try_from(offset).unwrap_or(0), bytes);
    outcome
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    let watch = watch(file);
    if let Some(watch) = watch
        && watch.disk.next(Call::Truncate).is_some()
    {
        return ffi::SQLITE_IOERR_TRUNCATE;
    }
    let code = below!(file, xTruncate(length));
    if let Some(watch) = watch
        && code == ffi::SQLITE_OK
    {
        watch.disk.cut(&watch.name, u64::try_from(length).unwrap_or(0));
    }
    code
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    let Some(watch) = watch(file) else {
        return below!(file, xSync(flags));
    };
    // The model says what is durable; waiting for the real disk as well would only make the tests slow.
    match watch.disk.next(Call::Sync) {
        None => {
            watch.disk.synced(&watch.name);
            ffi::SQLITE_OK
        }
        Some(How::PowerCut) => ffi::SQLITE_IOERR_FSYNC,
        Some(_) => {
            watch.disk.sync_failed(&watch.name);
            ffi::SQLITE_IOERR_FSYNC
        }
    }
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    below!(file, xFileSize(size))
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    below!(file, xLock(level))
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    below!(file, xUnlock(level))
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    below!(file, xCheckReservedLock(out))
}

unsafe extern "C" fn file_control(file: *mut ffi::sqlite3_file, what: c_int, with: *mut c_void) -> c_int {
    below!(file, xFileControl(what, with))
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    below!(file, xSectorSize())
}

unsafe extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    below!(file, xDeviceCharacteristics())
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    page: c_int,
    size: c_int,
    extend: c_int,
    to: *mut *mut c_void,
) -> c_int {
    below!(file, xShmMap(page, size, extend, to))
}

unsafe extern "C" fn shm_lock(
    file: *mut ffi::sqlite3_file,
    offset: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    below!(file, xShmLock(offset, count, flags))
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    let file = inner(file);
    // SAFETY: as in `below!`.
    unsafe {
        if let Some(barrier) = (*(*file).pMethods).xShmBarrier {
            barrier(file);
        }
    }
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    below!(file, xShmUnmap(delete))
}
