//! The configuration files that are handed out are valid, and mean what their comments say.

use std::path::Path;
use std::time::Duration;

use queue_work::testing::config::{Config, Flags, Loaded, template};
use queue_work::testing::model::{MemoryLimit, PoolKind, QueueOrder, ReadyWhen};

/// Loads a file from `cwd` with nothing but a home.
fn load(file: &str, cwd: &Path) -> Loaded {
    let flags = Flags { config: Some(file.into()), ..Flags::default() };
    let env = [("HOME", "/home/me")].into_iter().collect();
    Config::load(&flags, &env, Some(cwd)).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn the_example_has_three_pools_of_three_kinds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let loaded = load("config/example.toml", root);
    assert_eq!(loaded.warnings, []);
    let [app, images, legacy] = &loaded.config.pools[..] else { panic!("{:?}", loaded.config.pools) };
    assert_eq!(
        [app.settings.kind, images.settings.kind, legacy.settings.kind],
        [PoolKind::Protocol, PoolKind::Exec, PoolKind::Opaque]
    );
    assert!(matches!(&app.settings.queues, QueueOrder::Strict(names) if names.len() == 2));
    assert!(matches!(&images.settings.queues, QueueOrder::Weighted(names) if names.len() == 2));
    assert_eq!(legacy.settings.queues.names().count(), 0);
    assert_eq!((app.settings.ready, app.settings.limits.ready_timeout), (ReadyWhen::Message, Duration::from_mins(1)));
    assert_eq!((app.settings.limits.max_attempts, images.settings.limits.max_attempts), (5, 5));
    assert_eq!((images.settings.limits.timeout, images.settings.limits.max_time), (Duration::from_mins(2), None));
    assert_eq!(legacy.settings.limits.memory, Some(MemoryLimit::Absolute(512 << 20)));
    assert_eq!(legacy.command[0], root.join("config/bin/consume"));
    assert_eq!(app.cwd, Some(root.join("config/../app")));
    let resolved = root.canonicalize().unwrap();
    assert_eq!(loaded.config.socket, resolved.join("var/queue-work.db.sock"));
}

#[test]
fn the_defaults_written_out_are_the_defaults() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("template.toml"), template()).unwrap();
    let written = load("config/default.toml", root);
    let commented = load("template.toml", folder.path());
    // Which file it was is all that differs.
    assert!(written.config.file.is_some() && written.config.file != commented.config.file);
    let commented_config = Config { file: written.config.file.clone(), ..commented.config };
    assert_eq!(written.config, commented_config);
    assert_eq!(written.origins.get("defaults.timeout").split(':').next(), Some("file config/default.toml"));
    assert_eq!(commented.origins.get("defaults.timeout"), "default");
}
