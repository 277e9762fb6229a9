//! TLS to a server: whether it is spoken, and whether the server has to prove who it is.
//!
//! The modes are those of libpq (<https://www.postgresql.org/docs/current/libpq-ssl.html>), which is what URLs of servers are
//! written for: `prefer` and `require` encrypt, and do not ask for a proof. Invariant: where a proof is asked for, nobody goes on
//! without one.

use std::net::IpAddr;
use std::sync::Arc;

use ::postgres::config::{Host, SslMode};
use ::postgres::{Client, Config, NoTls};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Word for the certificates that the system trusts, in the place of a file.
const SYSTEM: &str = "system";

/// How the connections to a server are secured.
#[derive(Clone)]
pub(super) struct Tls(Option<MakeRustlsConnect>);

impl Tls {
    /// As the options of a URL say. Where they say nothing it is `prefer`, or nothing at all on the way to this machine itself.
    pub(super) fn new(mode: Option<&str>, roots: Option<&str>, config: &mut Config) -> Result<Self, String> {
        let is_here = !config.get_hosts().is_empty() && config.get_hosts().iter().all(is_local);
        let mode = match (mode, roots) {
            (Some(mode), _) => mode,
            (None, Some(_)) => "verify-full",
            (None, None) if is_here => "disable",
            (None, None) => "prefer",
        };
        let ssl_mode = match mode {
            "disable" => SslMode::Disable,
            "prefer" | "require" if roots.is_some() => {
                return Err(format!(
                    "`sslmode={mode}` asks for no proof; write `verify-full` where there is `sslrootcert`"
                ));
            }
            "prefer" => SslMode::Prefer,
            "require" | "verify-full" => SslMode::Require,
            _ => return Err(format!("`sslmode={mode}`: write `disable`, `prefer`, `require` or `verify-full`")),
        };
        config.ssl_mode(ssl_mode);
        if ssl_mode == SslMode::Disable {
            return Ok(Self(None));
        }
        let provider = Arc::new(ring::default_provider());
        let proof = if mode == "verify-full" { Some(Proof::new(roots, &provider)?) } else { None };
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be spoken: {error}"))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier { provider, proof }))
            .with_no_client_auth();
        Ok(Self(Some(MakeRustlsConnect::new(client))))
    }

    /// Connects.
    pub(super) fn connect(&self, config: &Config) -> Result<Client, ::postgres::Error> {
        match &self.0 {
            Some(tls) => config.connect(tls.clone()),
            None => config.connect(NoTls),
        }
    }
}

/// Whether nobody is on the way there.
fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
    }
}

/// The certificates in a file, else those that the system trusts.
fn read_certificates(file: Option<&str>) -> Result<Vec<CertificateDer<'static>>, String> {
    let Some(file) = file.filter(|file| *file != SYSTEM) else {
        return Ok(rustls_native_certs::load_native_certs().certs);
    };
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.map_err(|error| format!("`sslrootcert={file}` cannot be read: {error}"))?;
    if read.is_empty() { Err(format!("`sslrootcert={file}`: there is no certificate in it")) } else { Ok(read) }
}

/// What proves that a server is the one that is named.
#[derive(Debug)]
struct Proof {
    chain: Arc<WebPkiServerVerifier>,
    /// Certificates that need nobody to vouch for them.
    known: Vec<CertificateDer<'static>>,
}

impl Proof {
    fn new(file: Option<&str>, provider: &Arc<CryptoProvider>) -> Result<Self, String> {
        let known = read_certificates(file)?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(known.iter().cloned());
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
        let chain = chain.map_err(|error| format!("`sslrootcert`: no certificate vouches for servers: {error}"))?;
        Ok(Self { chain, known })
    }

    /// A certificate that a server has made for itself may also be one that vouches for others, which is refused in a chain.
    fn is_known(&self, server: &CertificateDer<'_>, name: &ServerName<'_>, error: &Error) -> Result<bool, Error> {
        let is_in_doubt = matches!(error, Error::InvalidCertificate(CertificateError::Other(_)));
        if !is_in_doubt || !self.known.iter().any(|known| known == server) {
            return Ok(false);
        }
        verify_server_name(&ParsedCertificate::try_from(server)?, name).map(|()| true)
    }
}

/// Judges servers. Without a proof any will do: the way is encrypted, but whoever can change what goes over it can read it too.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    proof: Option<Proof>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(proof) = &self.proof else { return Ok(ServerCertVerified::assertion()) };
        match proof.chain.verify_server_cert(server, between, name, ocsp, now) {
            Err(error) if proof.is_known(server, name, &error)? => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        server: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, server, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        server: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, server, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
