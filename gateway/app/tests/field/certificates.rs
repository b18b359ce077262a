//! Certificates made with openssl, as an operator would.

use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

/// An authority in a folder of its own.
pub(crate) struct Authority {
    folder: TempDir,
}

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Leaf {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        openssl(
            folder.path(),
            &format!("req -x509 {KEY} -keyout ca.key -out ca.pem -subj /CN=authority -days 2"),
        );
        Self { folder }
    }

    /// Its own certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate for 127.0.0.1 that serves and authenticates, for this subject and these further names.
    pub(crate) fn issue(&self, file: &str, subject: &str, names: &str) -> Leaf {
        let folder = self.folder.path();
        openssl(
            folder,
            &format!("req {KEY} -keyout {file}.key -out {file}.csr -subj {subject}"),
        );
        let extensions = format!("subjectAltName=IP:127.0.0.1{names}\nbasicConstraints=CA:FALSE\n");
        std::fs::write(folder.join(format!("{file}.ext")), extensions).unwrap();
        openssl(
            folder,
            &format!(
                "x509 -req -in {file}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {file}.pem -days 2 -extfile {file}.ext"
            ),
        );
        Leaf {
            certificate: folder.join(format!("{file}.pem")),
            key: folder.join(format!("{file}.key")),
        }
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .expect("openssl is missing; `make test` installs it (Debian: apt install openssl)");
    assert!(
        output.status.success(),
        "openssl {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
