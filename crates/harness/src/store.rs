//! The object store: versitygw over a folder, a server of the test's own.

use std::path::PathBuf;

use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{Attribute, Attributes, ObjectStore};

use crate::process::Signal;
use crate::server::Server;
use crate::{Http, Settings};

/// The default of `MINIO_BUCKET`.
const BUCKET: &str = "images";

/// The default of `MINIO_ACCESS_KEY` and `MINIO_SECRET_KEY`.
const KEY: &str = "minioadmin";

/// A store.
pub struct Store {
    /// TCP port on 127.0.0.1.
    pub port: u16,
    server: Server,
}

impl Store {
    /// A new one with an empty bucket.
    pub async fn start() -> Self {
        let server = Server::new("store", &[]);
        let mut store = Self { port: server.port, server };
        std::fs::create_dir_all(store.bucket()).expect("the folder is ours");
        store.restart().await;
        store
    }

    /// Starts it where it doesn't run, on its port, with what it had.
    pub async fn restart(&mut self) {
        let http = Http::new(self.port);
        self.server.start(async || http.get("/").await.map(drop)).await;
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Freezes it: it takes connections and answers nothing.
    pub fn pause(&mut self) {
        self.server.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&mut self) {
        self.server.signal(Signal::CONT);
    }

    /// Puts an image into the bucket.
    ///
    /// # Panics
    /// If it can't be written.
    pub fn put(&self, name: &str, image: &[u8]) {
        std::fs::write(self.bucket().join(name), image).expect("the folder is ours");
    }

    /// Uploads an object of this type, as any client of a store does.
    ///
    /// # Panics
    /// If the store refuses.
    pub async fn upload(&self, name: &str, content_type: &'static str, bytes: &'static [u8]) {
        let store = AmazonS3Builder::new()
            .with_endpoint(format!("http://127.0.0.1:{}", self.port))
            .with_access_key_id(KEY)
            .with_secret_access_key(KEY)
            .with_bucket_name(BUCKET)
            .with_allow_http(true)
            .build()
            .expect("it is a store");
        let attributes = Attributes::from_iter([(Attribute::ContentType, content_type)]);
        store.put_opts(&Path::from(name), bytes.into(), attributes.into()).await.expect("the store takes it");
    }

    fn bucket(&self) -> PathBuf {
        self.server.folder().join("data").join(BUCKET)
    }

    /// What our programs are told about the store that is reached on this port.
    pub fn settings_by(port: u16) -> Settings {
        crate::settings([("MINIO_ENDPOINT", &format!("http://127.0.0.1:{port}"))])
    }
}
