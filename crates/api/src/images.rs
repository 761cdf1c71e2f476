//! Where images come from: an S3-compatible store, or a folder on this machine through the same interface.

use std::error::Error as _;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix_web::web::Bytes;
use common::settings;
use common::shutdown::Shutdown;
use futures_util::stream::{BoxStream, StreamExt};
use log::Level;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Attribute, BackoffConfig, ClientOptions, Error, GetOptions, GetResult, ObjectStore, RetryConfig};
use secrecy::ExposeSecret;
use tokio::time::{MissedTickBehavior, interval, timeout};

use common::log_once::LogOnce;

/// Until an image's first byte: whoever waits for a picture may wait as long as for cities.
const FIRST_BYTE_LIMIT: Duration = Duration::from_secs(2);

/// For a connection to the store, and between two pieces of an image.
const STORE_TIMEOUT: Duration = Duration::from_secs(1);

/// Tries after the first one: enough for a connection that was closed while it was idle.
const RETRIES: usize = 2;

/// Between two looks whether the store is there.
const LOOK_PAUSE: Duration = Duration::from_secs(2);

/// No image bears this prefix; asking for those that do is the cheapest question that a missing bucket fails.
const NOTHING: &str = ".readiness";

/// Longest image name, in bytes: what S3 allows for a key.
const NAME_BYTES_MAX: usize = 1_024;

/// Region that requests are signed for; stores that aren't Amazon's take any, and this one is their default.
const REGION: &str = "us-east-1";

/// The store, or the folder.
pub(crate) struct Images {
    backend: Backend,
    /// For the log.
    address: String,
    trouble: LogOnce,
}

enum Backend {
    Store(Result<Arc<dyn ObjectStore>, String>),
    /// Opened anew each time, since the folder may be missing at first.
    Folder(String),
}

/// What is known about an image, and its bytes where they were asked for.
pub(crate) struct Image {
    /// In bytes.
    pub(crate) size: u64,
    /// As the store spells it.
    pub(crate) entity_tag: Option<String>,
    /// To the second, as HTTP has it.
    pub(crate) modified: SystemTime,
    /// What the store says about the type and the encoding.
    pub(crate) content_type: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) bytes: BoxStream<'static, object_store::Result<Bytes>>,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoImage {
    /// No object bears this name.
    #[error("there is no such image")]
    Unknown,
    /// Another version has taken the place of the one that was looked at.
    #[error("it was replaced meanwhile")]
    Replaced,
    /// The store is away, or refuses.
    #[error("{0}")]
    Unavailable(String),
}

/// A name that can't lead out of the bucket or the folder.
pub(crate) fn parse_name(name: &str) -> Option<Path> {
    let is_one_segment = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.contains(['/', '\\']);
    is_one_segment.then(|| Path::parse(name).ok()).flatten()
}

impl Images {
    pub(crate) fn new(settings: &settings::Images) -> Self {
        let (backend, address) = match settings {
            settings::Images::Folder(folder) => (Backend::Folder(folder.clone()), format!("folder {folder}")),
            settings::Images::Store { endpoint, access_key, secret_key, bucket } => {
                let store = AmazonS3Builder::new()
                    .with_endpoint(endpoint)
                    .with_access_key_id(access_key)
                    .with_secret_access_key(secret_key.expose_secret())
                    .with_bucket_name(bucket)
                    .with_region(REGION)
                    .with_virtual_hosted_style_request(false)
                    .with_retry(retry())
                    .with_client_options(client(endpoint))
                    .build();
                let store = store.map(|store| Arc::new(store) as _).map_err(|error| describe(&error));
                (Backend::Store(store), format!("bucket {bucket} at {endpoint}"))
            }
        };
        Self { backend, address, trouble: LogOnce::for_requests() }
    }

    /// What is known about an image, without its bytes.
    pub(crate) async fn look(&self, name: &Path) -> Result<Image, NoImage> {
        self.get(name, GetOptions::new().with_head(true)).await
    }

    /// A whole image.
    pub(crate) async fn open(&self, name: &Path) -> Result<Image, NoImage> {
        self.get(name, GetOptions::new()).await
    }

    /// The version that was looked at: a range of its bytes, or all of them.
    ///
    /// # Errors
    /// [`NoImage::Replaced`] where there is another version now.
    pub(crate) async fn open_version(
        &self,
        name: &Path,
        looked_at: &Image,
        range: Option<Range<u64>>,
    ) -> Result<Image, NoImage> {
        // A weak tag equals nothing where it must be the same to the byte.
        let tag = looked_at.entity_tag.clone().filter(|tag| !tag.starts_with("W/"));
        self.get(name, GetOptions::new().with_range(range).with_if_match(tag)).await
    }

    /// For how long looks have found it missing, where the last one did.
    pub(crate) fn away_for(&self) -> Option<Duration> {
        self.trouble.lasts_for()
    }

    /// Bucket or folder.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Looks whether the store is there until the program stops.
    pub(crate) async fn watch(self: Arc<Self>, shutdown: Shutdown) {
        let mut ticks = interval(LOOK_PAUSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            let ask = async {
                let store = self.store()?;
                let first = store.list(Some(&Path::from(NOTHING))).next().await;
                first.transpose().map(drop).map_err(|error| describe(&error))
            };
            match timeout(FIRST_BYTE_LIMIT, ask).await.unwrap_or_else(|_| Err("it does not answer".to_owned())) {
                Ok(()) => self.trouble.has_ended("the image store is reached"),
                Err(why) => {
                    self.trouble.holds(Level::Warn, format!("images can't be read: {why} ({})", self.address));
                }
            }
        }
    }

    async fn get(&self, name: &Path, options: GetOptions) -> Result<Image, NoImage> {
        let store = self.store().map_err(NoImage::Unavailable)?;
        match timeout(FIRST_BYTE_LIMIT, store.get_opts(name, options)).await {
            Ok(Ok(result)) => Ok(result.into()),
            Ok(Err(error)) if is_unknown(&error) => Err(NoImage::Unknown),
            Ok(Err(Error::Precondition { .. })) => Err(NoImage::Replaced),
            Ok(Err(error)) => Err(NoImage::Unavailable(describe(&error))),
            Err(_) => Err(NoImage::Unavailable("it does not answer".to_owned())),
        }
    }

    fn store(&self) -> Result<Arc<dyn ObjectStore>, String> {
        match &self.backend {
            Backend::Store(store) => store.clone(),
            Backend::Folder(folder) => match LocalFileSystem::new_with_prefix(folder) {
                Ok(folder) => Ok(Arc::new(folder)),
                Err(_) => Err("there is no such folder".to_owned()),
            },
        }
    }
}

impl From<GetResult> for Image {
    fn from(result: GetResult) -> Self {
        let attribute = |which| result.attributes.get(&which).map(|value| value.as_ref().to_owned());
        Self {
            size: result.meta.size,
            entity_tag: result.meta.e_tag.clone(),
            modified: whole_seconds(result.meta.last_modified.into()),
            content_type: attribute(Attribute::ContentType),
            content_encoding: attribute(Attribute::ContentEncoding),
            bytes: result.into_stream(),
        }
    }
}

fn whole_seconds(time: SystemTime) -> SystemTime {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since_epoch.as_secs())
}

fn retry() -> RetryConfig {
    let backoff =
        BackoffConfig { init_backoff: Duration::from_millis(50), max_backoff: Duration::from_millis(200), base: 2.0 };
    RetryConfig { backoff, max_retries: RETRIES, retry_timeout: STORE_TIMEOUT }
}

fn client(endpoint: &str) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(true)
        // Without TLS the system's certificates are of no use, and a small image has none.
        .with_no_system_certificates(endpoint.starts_with("http://"))
        .with_connect_timeout(STORE_TIMEOUT)
        .with_read_timeout(STORE_TIMEOUT)
        // A large image on a slow line takes as long as it takes.
        .with_timeout_disabled()
}

/// A name that the file system doesn't take is one that nothing bears.
fn is_unknown(error: &Error) -> bool {
    if matches!(error, Error::NotFound { .. } | Error::InvalidPath { .. }) {
        return true;
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::InvalidFilename) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The innermost cause: what stands around it tells how long it was tried, so it never is the same twice. Of an answer
/// of the store the status and the code, without the document that quotes our request.
fn describe(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let text = cause.to_string().replace('\n', " ");
    let status = text.split('<').next().unwrap_or_default().trim_end_matches([':', ' ']);
    match text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")) {
        Some((code, _)) => format!("{status}: {code}"),
        None => status.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use common::settings;

    use super::{Images, NoImage, parse_name};

    #[tokio::test]
    async fn only_the_version_that_was_looked_at_is_opened() {
        let folder = std::env::temp_dir().join(format!("api-images-{}", common::random_name::Name::random()));
        fs::create_dir_all(&folder).unwrap();
        let images = Images::new(&settings::Images::Folder(folder.to_str().unwrap().to_owned()));
        let name = parse_name("sofia.png").unwrap();
        fs::write(folder.join("sofia.png"), "0123456789").unwrap();
        let looked_at = images.look(&name).await.unwrap();
        for range in [None, Some(5..10)] {
            assert_eq!(images.open_version(&name, &looked_at, range).await.unwrap().size, 10);
        }
        fs::write(folder.join("new"), "ABCDEFGHIJKL").unwrap();
        fs::rename(folder.join("new"), folder.join("sofia.png")).unwrap();
        for range in [None, Some(5..10)] {
            let opened = images.open_version(&name, &looked_at, range).await;
            assert!(matches!(opened, Err(NoImage::Replaced)), "{:?}", opened.err());
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn names_are_keys_as_they_are_spelled() {
        for name in ["sofia.png", "ä ö.jpg", "100%.png", "a#1.png", ".hidden", "..."] {
            assert_eq!(parse_name(name).unwrap().as_ref(), name);
        }
    }

    #[test]
    fn no_name_leads_elsewhere() {
        let long = "a".repeat(1_025);
        for name in ["", ".", "..", "/etc/passwd", "a/b", "..\\b", "a\0b", "a\nb", "\u{7f}", &long] {
            assert_eq!(parse_name(name), None, "{name:?}");
        }
    }
}
