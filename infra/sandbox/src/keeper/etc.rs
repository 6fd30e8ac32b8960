//! What a program finds in /etc.

use std::path::PathBuf;

/// Taken from the host where present; nothing in them is private.
const FROM_HOST: [&str; 20] = [
    "alternatives",
    "ca-certificates",
    "debian_version",
    "fonts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    // Debian's Maven and Perl have links to these. Settings of Maven may hold passwords and stay out.
    "maven/logging",
    "maven/m2.conf",
    "mime.types",
    "os-release",
    "perl",
    "pki/ca-trust",
    "pki/tls/certs",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
];

/// Made for the sandbox. Git refuses repositories of another owner unless a configuration file says otherwise; environment
/// variables that say so do not reach `upload-pack`.
pub(super) const OWN: [(&str, &str); 7] = [
    (
        "/etc/passwd",
        "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\nagent:x:1000:1000:agent:/home/agent:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    ("/etc/group", "root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n"),
    ("/etc/hosts", "127.0.0.1 localhost sandbox\n::1 localhost sandbox\n"),
    ("/etc/hostname", "sandbox\n"),
    ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n"),
    ("/etc/gitconfig", "[safe]\n\tdirectory = *\n"),
    ("/etc/shells", "/bin/sh\n/bin/bash\n"),
];

/// Where distributions keep what the directory of a Java installation links to, its security settings among others.
const JAVA: &str = "java-";

pub(super) fn from_host() -> impl Iterator<Item = PathBuf> {
    let named = FROM_HOST.iter().map(|name| PathBuf::from("/etc").join(name)).filter(|path| path.exists());
    let entries = std::fs::read_dir("/etc").into_iter().flatten().flatten();
    named.chain(
        entries
            .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(JAVA.as_bytes()))
            .map(|entry| entry.path()),
    )
}
