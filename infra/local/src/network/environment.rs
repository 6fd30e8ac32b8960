//! What commands find in their environment so that their programs use the proxy.

use std::path::{Path, PathBuf};

use sandbox::{Mount, PROXY};

use crate::settings::HostEnvironment;

/// Where distributions keep the certificates that they trust.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Parts of `/etc` that every sandbox has.
const SHOWN: [&str; 2] = ["/etc/ssl/certs", "/etc/pki"];
/// Where a sandbox has certificates that are kept elsewhere.
const MOUNTED: &str = "/opt/certificates/ca-bundle.pem";

/// Variables that name a file of certificates, each read by other programs: OpenSSL, curl, Python's requests, pip, Node, cargo, git,
/// the AWS clients, uv.
const CERTIFICATE_VARIABLES: [&str; 8] = [
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "CARGO_HTTP_CAINFO",
    "GIT_SSL_CAINFO",
    "AWS_CA_BUNDLE",
];

/// The certificates that the machine's programs trust.
#[derive(Debug)]
pub(super) struct Certificates {
    /// As commands see them.
    pub(super) inside: PathBuf,
    pub(super) mount: Option<Mount>,
}

/// The certificates that the user has chosen, or those of the distribution.
pub(super) fn certificates(host: &HostEnvironment) -> Option<Certificates> {
    let chosen = host.directory("SSL_CERT_FILE").filter(|file| file.is_file());
    let file = chosen.or_else(|| BUNDLES.iter().map(PathBuf::from).find(|file| file.is_file()))?;
    // What it links to may be anywhere.
    let real = file.canonicalize().ok()?;
    let is_shown = SHOWN.iter().any(|shown| file.starts_with(shown)) && {
        let shown = SHOWN.iter().chain(&["/usr"]);
        shown.into_iter().any(|shown| real.starts_with(shown))
    };
    Some(match is_shown {
        true => Certificates { inside: file, mount: None },
        false => {
            let mount = Mount { source: real, target: MOUNTED.into() };
            Certificates { inside: MOUNTED.into(), mount: Some(mount) }
        }
    })
}

/// The proxy under the names that programs know, and the certificates. What has settings of its own gets them: yarn, Maven, Gradle and
/// sbt do not read the usual variables.
pub(super) fn variables(certificates: Option<&Path>) -> Vec<(String, String)> {
    let proxy = format!("http://{PROXY}");
    let near = "localhost,127.0.0.1,::1";
    let (host, port) = (PROXY.ip(), PROXY.port());
    let java = format!(
        "-Dhttp.proxyHost={host} -Dhttp.proxyPort={port} -Dhttps.proxyHost={host} -Dhttps.proxyPort={port} \
         -Dhttp.nonProxyHosts=localhost|127.*|[::1]"
    );
    let mut variables: Vec<(String, String)> = Vec::new();
    let mut set = |name: &str, value: &str| variables.push((name.to_owned(), value.to_owned()));
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
        set(name, &proxy);
    }
    for name in ["NO_PROXY", "no_proxy"] {
        set(name, near);
    }
    set("NODE_USE_ENV_PROXY", "1");
    set("YARN_HTTP_PROXY", &proxy);
    set("YARN_HTTPS_PROXY", &proxy);
    for name in ["MAVEN_OPTS", "GRADLE_OPTS", "SBT_OPTS"] {
        set(name, &java);
    }
    if let Some(certificates) = certificates {
        let certificates = certificates.display().to_string();
        for name in CERTIFICATE_VARIABLES {
            set(name, &certificates);
        }
    }
    variables
}
