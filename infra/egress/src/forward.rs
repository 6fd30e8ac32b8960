//! Plain HTTP: a request is passed on to the host that its line names, and the answer passed back.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::Target;

/// Passes a request on over a connection of its own.
pub(crate) async fn forward(
    mut request: Request<Incoming>,
    target: &Target,
    server: TcpStream,
) -> hyper::Result<Response<Incoming>> {
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    *request.version_mut() = Version::HTTP_11;
    remove_connection_headers(request.headers_mut());
    let host = if target.port() == 80 { target.to_string().replace(":80", "") } else { target.to_string() };
    if let Ok(host) = HeaderValue::from_str(&host) {
        request.headers_mut().insert(HOST, host);
    }
    let (mut sender, connection) = http1::handshake(TokioIo::new(server)).await?;
    // Ends when the answer has been read or dropped.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a forwarded connection broke");
        }
    });
    let mut response = sender.send_request(request).await?;
    remove_connection_headers(response.headers_mut());
    Ok(response)
}

/// Removes what is between two neighbours only (RFC 9110, 7.6.1).
fn remove_connection_headers(headers: &mut HeaderMap) {
    let listed: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    // Two lengths are one too many: the one that frames the message is kept.
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    let own = [
        CONNECTION,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    // A request could otherwise have its length or its host taken away.
    for name in listed.into_iter().filter(|name| *name != CONTENT_LENGTH && *name != HOST).chain(own) {
        headers.remove(name);
    }
}
