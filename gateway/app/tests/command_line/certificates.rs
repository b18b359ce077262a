//! The check looks into the files a broker is given.

use super::*;

/// Runs openssl in a folder.
fn openssl(folder: &Path, arguments: &str) {
    let run = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(run.status.success(), "openssl {arguments}: {}", text(&run.stderr));
}

/// Makes `gone.pem` with its key: a certificate whose time is over takes an authority's bookkeeping to make.
fn expired(folder: &Path, key: &str) {
    let config = "[ca]\ndefault_ca = d\n[d]\ndatabase = index.txt\nnew_certs_dir = .\nserial = serial\n\
        default_md = sha256\npolicy = p\n[p]\ncommonName = supplied\n";
    for (name, text) in [("ca.cnf", config), ("index.txt", ""), ("serial", "01\n")] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    openssl(
        folder,
        &format!("req {key} -keyout gone.key -out gone.csr -subj /CN=gone"),
    );
    openssl(
        folder,
        "ca -batch -selfsign -config ca.cnf -in gone.csr -keyfile gone.key -out gone.pem \
         -startdate 20200101000000Z -enddate 20210101000000Z",
    );
}

#[test]
fn the_check_looks_into_certificates_and_the_users_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for (name, days) in [("good", 400), ("soon", 5)] {
        openssl(
            folder.path(),
            &format!("req -x509 {key} -keyout {name}.key -out {name}.pem -subj /CN={name} -days {days}"),
        );
    }
    expired(folder.path(), key);
    std::fs::write(at("empty.pem"), "nothing here\n").unwrap();
    std::fs::write(at("gate"), "canary\n").unwrap();
    std::fs::set_permissions(at("gate"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let digest = "$argon2id$v=19$m=7168,t=5,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let config = |certificate: &str, key: &str, users: &str| {
        let users_file = at("users");
        std::fs::write(&users_file, users).unwrap();
        for private in [at(key), users_file] {
            std::fs::set_permissions(private, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let text = format!(
            "config_version = 1\nestate_seed = \"{}/config/estates/example.toml\"\nlanguage = \"en\"\n\
             store = {{ data = \"data\" }}\n[broker]\nusers_file = \"users\"\n\
             subscriptions = [{{ family = \"chirpstack-v4\" }}]\n[broker.tls]\nlisten = \"127.0.0.1:8883\"\n\
             certificate = \"{certificate}\"\nkey = \"{key}\"\n[[broker.users]]\nusername = \"bin\"\n\
             [[broker.users]]\nusername = \"gate\"\npassword = {{ file = \"gate\" }}\n",
            repository().display()
        );
        std::fs::write(at("linli.toml"), text).unwrap();
        let path = at("linli.toml");
        let output = linli(&["check", "--config", path.to_str().unwrap(), "--json"]);
        (output.status.code(), json(&output))
    };
    let said = |report: &Value| -> Vec<String> {
        let problems = report["problems"].as_array().unwrap().iter();
        problems
            .map(|p| {
                format!(
                    "{}:{} {}",
                    p["severity"].as_str().unwrap(),
                    p["line"],
                    p["message"].as_str().unwrap()
                )
            })
            .collect()
    };
    let (code, report) = config("good.pem", "good.key", &format!("# yard\nbin:{digest}\n"));
    assert_eq!((code, said(&report).len()), (Some(0), 0), "{report:#}");
    assert!(
        report["notes"][0].as_str().unwrap().contains("but not sessions"),
        "{report:#}"
    );
    for (certificate, key, users, expected) in [
        (
            "soon.pem",
            "soon.key",
            format!("bin:{digest}\n"),
            "warning:10 the certificate expires at",
        ),
        (
            "gone.pem",
            "gone.key",
            format!("bin:{digest}\n"),
            "error:10 the certificate expired at",
        ),
        (
            "good.pem",
            "soon.key",
            format!("bin:{digest}\n"),
            "error:11 the key does not belong",
        ),
        (
            "empty.pem",
            "good.key",
            format!("bin:{digest}\n"),
            "error:10 cannot find a certificate",
        ),
        (
            "none.pem",
            "good.key",
            format!("bin:{digest}\n"),
            "error:10 cannot read ",
        ),
        (
            "good.pem",
            "good.key",
            format!("bay:{digest}\n"),
            "error:13 the user \"bin\" has no password",
        ),
        (
            "good.pem",
            "good.key",
            format!("bin:{digest}\ngate:{digest}\n"),
            "warning:15 the user \"gate\" has a second password",
        ),
        (
            "good.pem",
            "good.key",
            "bin:canary\n".into(),
            "error:1 the digest of \"bin\" cannot be used",
        ),
    ] {
        let (code, report) = config(certificate, key, &users);
        let found = said(&report);
        assert!(
            found.iter().any(|line| line.starts_with(expected)),
            "{expected}: {found:#?}"
        );
        assert_eq!(code, Some(i32::from(expected.starts_with("error"))), "{found:#?}");
        assert!(!report.to_string().contains("canary"), "a secret is shown");
    }
    std::fs::set_permissions(at("good.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let output = linli(&[
        "check",
        "--config",
        at("linli.toml").to_str().unwrap(),
        "--lang",
        "zh-CN",
    ]);
    let shown = text(&output.stderr);
    assert!(shown.contains("其他用户可读取密钥文件"), "{shown}");
    assert!(
        !shown.contains("canary") && shown.contains("不保留会话"),
        "{shown}"
    );
}
