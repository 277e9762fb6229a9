//! The style, the script and the icon of all pages, each under a name that changes with it.

use std::sync::LazyLock;

/// A file.
pub(in crate::web) struct Asset {
    pub text: &'static str,
    path: LazyLock<String>,
}

impl Asset {
    pub(in crate::web) fn path(&self) -> &str {
        &self.path
    }
}

pub(in crate::web) static CSS: Asset =
    Asset { text: include_str!("app.css"), path: LazyLock::new(|| named(CSS.text, "css")) };
pub(in crate::web) static JS: Asset =
    Asset { text: include_str!("app.js"), path: LazyLock::new(|| named(JS.text, "js")) };

pub(in crate::web) static ICON: Asset =
    Asset { text: include_str!("icon.svg"), path: LazyLock::new(|| named(ICON.text, "svg")) };

fn named(text: &str, ending: &str) -> String {
    // FNV-1a.
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("/app-{hash:016x}.{ending}")
}
