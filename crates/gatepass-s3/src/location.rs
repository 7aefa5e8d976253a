use gatepass_core::Secret;
use rusty_s3::{Bucket, UrlStyle};
use url::Url;

/// Where the blobs are:
/// `s3://BUCKET/PREFIX?endpoint=URL&region=NAME&path_style=BOOL&public_endpoint=URL`.
///
/// Without an endpoint it is AWS. Path style (`https://host/bucket`) is the default where an
/// endpoint is given, because most services other than AWS have no host for each bucket. The public
/// endpoint is where clients of redirects reach the service, if not at the endpoint.
#[derive(Debug, Clone)]
pub struct S3Location {
    pub(crate) bucket: Bucket,
    pub(crate) public: Bucket,
    pub(crate) prefix: String,
}

/// What is wrong with a location.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// It is not of the form.
    #[error("expected s3://bucket/prefix?endpoint=https://host&region=name&path_style=true")]
    Form,
    /// It has a parameter that is not known, or twice.
    #[error("parameter {0:?} is not known, or given twice")]
    Parameter(String),
    /// `endpoint` is no URL of scheme and host.
    #[error("endpoint and public_endpoint: expected https://host or http://host:port")]
    Endpoint,
    /// `path_style` is neither true nor false.
    #[error("path_style: expected true or false")]
    PathStyle,
    /// It has a user or password.
    #[error("credentials do not belong here: they are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")]
    Credentials,
    /// The region is in neither the location nor `AWS_REGION`.
    #[error("the region is missing: add ?region=..., or set AWS_REGION")]
    Region,
}

/// Who signs the requests.
#[derive(Debug, Clone)]
pub struct S3Credentials {
    /// The id of the key.
    pub key_id: String,
    /// The key.
    pub secret: Secret,
    /// The token of a session, if it is one.
    pub session_token: Option<Secret>,
}

impl S3Location {
    /// Reads a location. `region` stands for one that it does not name.
    pub fn parse(text: &str, region: Option<&str>) -> Result<Self, LocationError> {
        let url = Url::parse(text).map_err(|_| LocationError::Form)?;
        let bucket = url.host_str().filter(|_| url.scheme() == "s3" && url.port().is_none());
        let bucket = bucket.filter(|bucket| !bucket.is_empty()).ok_or(LocationError::Form)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(LocationError::Credentials);
        }
        let parameters = Parameters::read(&url)?;
        let region = parameters.region.as_deref().or(region).filter(|name| !name.is_empty());
        let region = region.ok_or(LocationError::Region)?.to_owned();
        let own_endpoint = parameters.endpoint.is_some();
        let endpoint = match parameters.endpoint {
            Some(endpoint) => endpoint,
            None => format!("https://s3.{region}.amazonaws.com"),
        };
        let style = match parameters.path_style.as_deref() {
            Some("true") => UrlStyle::Path,
            None if own_endpoint => UrlStyle::Path,
            Some("false") | None => UrlStyle::VirtualHost,
            Some(_) => return Err(LocationError::PathStyle),
        };
        let at = |endpoint: &str| {
            let endpoint = endpoint.parse().map_err(|_| LocationError::Endpoint)?;
            let bucket = Bucket::new(endpoint, style, bucket.to_owned(), region.clone());
            bucket.map_err(|_| LocationError::Endpoint)
        };
        let public = at(parameters.public_endpoint.as_deref().unwrap_or(&endpoint))?;
        Ok(Self { bucket: at(&endpoint)?, public, prefix: url.path().to_owned() })
    }
}

#[derive(Default)]
struct Parameters {
    endpoint: Option<String>,
    region: Option<String>,
    path_style: Option<String>,
    public_endpoint: Option<String>,
}

impl Parameters {
    fn read(url: &Url) -> Result<Self, LocationError> {
        let mut parameters = Self::default();
        for (name, value) in url.query_pairs() {
            let place = match &*name {
                "endpoint" => &mut parameters.endpoint,
                "region" => &mut parameters.region,
                "path_style" => &mut parameters.path_style,
                "public_endpoint" => &mut parameters.public_endpoint,
                _ => return Err(LocationError::Parameter(name.into_owned())),
            };
            if place.replace(value.into_owned()).is_some() {
                return Err(LocationError::Parameter(name.into_owned()));
            }
        }
        Ok(parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> String {
        S3Location::parse(text, Some("there")).unwrap().bucket.object_url("key").to_string()
    }

    #[test]
    fn a_location_leads_to_its_bucket() {
        let local = "s3://b/p?endpoint=http://127.0.0.1:3900&region=garage";
        assert_eq!(url(local), "http://127.0.0.1:3900/b/key");
        assert_eq!(S3Location::parse(local, None).unwrap().bucket.region(), "garage");
        assert_eq!(url("s3://b"), "https://b.s3.there.amazonaws.com/key");
        assert_eq!(url("s3://b?path_style=true"), "https://s3.there.amazonaws.com/b/key");
        assert_eq!(url("s3://b?endpoint=https://h&path_style=false"), "https://b.h/key");
        assert_eq!(S3Location::parse("s3://b/p/q", Some("x")).unwrap().prefix, "/p/q");
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_an_error() {
        let error = |text| S3Location::parse(text, Some("there")).unwrap_err();
        for text in ["", "s3:", "s3://", "http://b", "file:", "s3://b:90/"] {
            assert_eq!(error(text), LocationError::Form, "{text}");
        }
        assert_eq!(error("s3://id:key@b"), LocationError::Credentials);
        assert_eq!(error("s3://b?regoin=x"), LocationError::Parameter("regoin".into()));
        assert_eq!(error("s3://b?region=x&region=y"), LocationError::Parameter("region".into()));
        assert_eq!(error("s3://b?path_style=yes"), LocationError::PathStyle);
        assert_eq!(error("s3://b?endpoint=host"), LocationError::Endpoint);
        assert_eq!(error("s3://b?endpoint=ftp://h"), LocationError::Endpoint);
        assert_eq!(S3Location::parse("s3://b", None).unwrap_err(), LocationError::Region);
    }
}
