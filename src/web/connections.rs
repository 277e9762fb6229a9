//! Listens, and serves connections.
//!
//! Invariants: a client that sends slowly, or reads slowly, is cut off; more clients than there is room for are turned away
//! at once, and none of them delays the others.

use std::convert::Infallible;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tower_service::Service as _;

use super::guard::{Caller, Peer};
use super::html::Urls;
use super::{Web, answer, gzip, routes};
use crate::model::listen::Place;
use crate::process::sockets;

/// Connections at once.
const MOST: usize = 512;
/// Time for the head of a request.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of a head.
const HEAD_BYTES: usize = 64 * 1024;
/// Time for what was sent to be read.
const READ_WITHIN_MS: u32 = 30_000;
/// After a failure to accept: it lacks descriptors, or the like.
const PAUSE: Duration = Duration::from_millis(100);
/// Only its user connects, and those whom the user lets in.
const SOCKET_MODE: u32 = 0o660;

/// A socket that listens.
pub(super) enum Door {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener, std::path::PathBuf),
}

impl Door {
    pub(super) fn open(place: &Place) -> io::Result<Self> {
        match place {
            Place::Tcp(at) => {
                let listener = std::net::TcpListener::bind(at)?;
                listener.set_nonblocking(true)?;
                Ok(Self::Tcp(listener))
            }
            Place::Unix(path) => {
                remove_dead(path)?;
                let listener = std::os::unix::net::UnixListener::bind(path)?;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(SOCKET_MODE))?;
                listener.set_nonblocking(true)?;
                Ok(Self::Unix(listener, path.clone()))
            }
        }
    }

    /// With the port that it got.
    pub(super) fn place(&self) -> Place {
        match self {
            Self::Tcp(listener) => {
                Place::Tcp(listener.local_addr().unwrap_or(std::net::SocketAddr::from(([0, 0, 0, 0], 0))))
            }
            Self::Unix(_, path) => Place::Unix(path.clone()),
        }
    }
}

/// Removes a socket that nobody listens at any more, and nothing else.
fn remove_dead(path: &Path) -> io::Result<()> {
    let is_socket = path.symlink_metadata().is_ok_and(|found| found.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        return std::fs::remove_file(path);
    }
    Ok(())
}

/// Serves for ever.
pub(super) async fn serve(web: Arc<Web>, door: Door) -> io::Result<()> {
    let router = routes::table(&web);
    let room = Arc::new(Semaphore::new(MOST));
    match door {
        Door::Tcp(listener) => {
            let listener = TcpListener::from_std(listener)?;
            loop {
                match listener.accept().await {
                    Ok((stream, peer)) => {
                        let _ = stream.set_nodelay(true);
                        sockets::give_up_unreceived(&stream, READ_WITHIN_MS);
                        connect(&web, &router, &room, stream, Peer::Address(peer.ip()));
                    }
                    Err(error) => failed(&error).await,
                }
            }
        }
        Door::Unix(listener, _) => {
            let listener = UnixListener::from_std(listener)?;
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let peer = Peer::Socket(stream.peer_cred().ok().map(|peer| peer.uid()));
                        connect(&web, &router, &room, stream, peer);
                    }
                    Err(error) => failed(&error).await,
                }
            }
        }
    }
}

async fn failed(error: &io::Error) {
    log::warn!("a connection cannot be accepted: {error}");
    tokio::time::sleep(PAUSE).await;
}

/// Serves one connection, if there is room for it.
fn connect<S>(web: &Arc<Web>, router: &Router, room: &Arc<Semaphore>, stream: S, peer: Peer)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let Ok(place) = Arc::clone(room).try_acquire_owned() else { return };
    let (web, router) = (Arc::clone(web), router.clone());
    tokio::spawn(async move {
        let _place = place;
        let service = service_fn(move |request| {
            let (web, router) = (Arc::clone(&web), router.clone());
            async move { Ok::<_, Infallible>(handle(&web, router, request, peer).await) }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(HEAD_BYTES);
        if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
            log::debug!("a connection has ended: {error}");
        }
    });
}

async fn handle(web: &Web, mut router: Router, request: Request<Incoming>, peer: Peer) -> answer::Response {
    let (mut parts, body) = request.into_parts();
    let takes_gzip = gzip::is_accepted(&parts.headers);
    let base = web.guard.base_of(&parts.headers, peer);
    let admitted = if routes::is_open(&parts.uri, &base) {
        web.guard.check_host(&parts).map(|()| Caller::NOBODY)
    } else {
        web.guard.admit(&parts, peer)
    };
    let answered = match admitted {
        Ok(caller) => {
            parts.extensions.insert(caller);
            parts.extensions.insert(peer);
            let mut parts = routes::within(parts, &base);
            parts.extensions.insert(Urls::new(base));
            match router.call(Request::from_parts(parts, Body::new(body))).await {
                Ok(answered) => answered,
                Err(never) => match never {},
            }
        }
        Err((status, why)) => answer::refused(status, why),
    };
    gzip::compress(answer::with_headers(answered), takes_gzip).await
}
