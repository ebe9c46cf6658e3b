//! What every response gets at the end, whatever came of the request: what browsers, caches and proxies want to know.

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};

use super::app::Config;
use super::compression::compressed;
use super::cors::Cors;

/// The settings that it takes.
#[derive(Debug)]
pub struct Finish {
    /// Pages of other origins.
    pub cors: Cors,
    compress: bool,
    vary: &'static str,
}

impl Finish {
    /// As the settings say.
    pub fn new(config: &Config) -> Finish {
        let headers: Vec<String> = config.tenant_headers.iter().chain([&config.token_header]).cloned().collect();
        let cors = Cors::new(config.cors_origins.clone(), &headers);
        let vary = match (config.compression, cors.is_on()) {
            (false, false) => "Accept, MaxDataServiceVersion",
            (true, false) => "Accept, MaxDataServiceVersion, Accept-Encoding",
            (false, true) => "Accept, MaxDataServiceVersion, Origin",
            (true, true) => "Accept, MaxDataServiceVersion, Accept-Encoding, Origin",
        };
        Finish {
            cors,
            compress: config.compression,
            vary,
        }
    }

    /// Finishes a response.
    pub async fn apply(&self, request: &HttpRequest, mut response: HttpResponse) -> HttpResponse {
        let headers = response.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static(self.vary));
        self.cors.mark(request, headers);
        match self.compress {
            true => compressed(request.headers(), response).await,
            false => response,
        }
    }
}
