//! One run of a desk in a test: the desk that `stumper run` starts, which can end at any moment.
//!
//! **Invariant:** what a life leaves behind is what a process would: its folder, and nothing in memory.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part of it")]
#![allow(clippy::unwrap_used, reason = "it is a part of tests")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use stumper::config::rules_dir;
use stumper::desk::Settings;
use stumper::engine::{self, Engine, Running};
use stumper::networks::Connector;
use stumper::store::Store;
use stumper::subjects::Subjects;
use tokio::runtime::Runtime;

/// How often the database of an earlier life is tried.
const OPENED_MAX: usize = 3_000;
const OPENED_EVERY: Duration = Duration::from_millis(20);

/// One run of the desk.
pub struct Life {
    runtime: Runtime,
    engine: Arc<Engine>,
    running: Running,
}

impl Life {
    /// Starts a desk on what its folder remembers.
    pub async fn begin(folder: &Path, settings: Settings, connectors: Vec<Arc<Connector>>) -> Life {
        let store = free_store(&folder.join("store")).await;
        let rules = rules_dir::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")).unwrap();
        let (subjects, _) = Subjects::compile(&rules);
        let engine = Arc::new(Engine::new(store, subjects, settings));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let running = {
            let _inside = runtime.enter();
            engine::start(&engine, connectors, folder.to_owned())
        };
        Life { runtime, engine, running }
    }

    /// Ends it as a kill does: whatever it was doing is not finished.
    pub fn kill(self) {
        self.runtime.shutdown_background();
    }

    /// Ends it as people end it.
    pub async fn stop(self) {
        self.running.stop().await;
        self.engine.store().close().await.unwrap();
        self.runtime.shutdown_background();
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }
}

/// The database of a life that ended abruptly is free as soon as its last task is gone.
async fn free_store(path: &Path) -> Store {
    for _ in 0..OPENED_MAX {
        if let Ok(store) = Store::open_sled(path) {
            return store;
        }
        tokio::time::sleep(OPENED_EVERY).await;
    }
    panic!("the database is never free");
}
