//! An authority and its certificates, made with openssl as an operator would.

use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

/// An authority in a folder of its own.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// PEM file of the certificate.
    pub certificate: PathBuf,
    /// PEM file of its key.
    pub key: PathBuf,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// When openssl is not there; `make peers` installs it.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        openssl(
            folder.path(),
            &format!("req -x509 {KEY} -keyout ca.key -out ca.pem -subj /CN=authority -days 2"),
        );
        Self { folder }
    }

    /// Its own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate for 127.0.0.1 with this common name.
    pub fn issue(&self, name: &str) -> Leaf {
        let folder = self.folder.path();
        openssl(
            folder,
            &format!("req {KEY} -keyout {name}.key -out {name}.csr -subj /CN={name}"),
        );
        let extensions = "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n";
        std::fs::write(folder.join("leaf.ext"), extensions).expect("a file");
        openssl(
            folder,
            &format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {name}.pem -days 2 -extfile leaf.ext"
            ),
        );
        Leaf {
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
        }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .expect("start openssl; run `make peers` to install what is missing");
    assert!(
        output.status.success(),
        "openssl {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
