//! Time zones by name, and that of the machine.
//!
//! A name is looked up in the zones of the system and never guessed: one that does not exist is refused.

use std::path::Path;

use jiff::tz::{self, TimeZone};

/// The word for the zone of the machine.
pub const LOCAL: &str = "local";
const UTC: &str = "UTC";
/// The zone of the machine, where the variable `TZ` says none.
const LOCALTIME: &str = "/etc/localtime";

/// A time zone.
#[derive(Clone, Debug)]
pub struct Zone {
    pub(super) rules: TimeZone,
    /// Its IANA name; `local` where the machine has a zone without a name.
    pub name: String,
    /// The machine was asked for its zone, and has none; so this is UTC.
    pub is_assumed: bool,
}

impl Zone {
    /// The zone of an IANA name, or by the word `local` that of the machine.
    pub fn find(name: &str) -> Result<Self, String> {
        if name == LOCAL {
            return local();
        }
        let found = TimeZone::get(name).ok().filter(|zone| !zone.is_unknown());
        // Needs no file.
        let found = found.or_else(|| [UTC, "Etc/UTC"].contains(&name).then_some(TimeZone::UTC));
        let zone = found.ok_or_else(|| missing(name))?;
        let name = zone.iana_name().unwrap_or(name).to_owned();
        Ok(Self { rules: zone, name, is_assumed: false })
    }
}

fn local() -> Result<Zone, String> {
    let assumed = |is_assumed| Zone { rules: TimeZone::UTC, name: UTC.to_owned(), is_assumed };
    match TimeZone::try_system() {
        Ok(zone) => {
            let name = zone.iana_name().unwrap_or(LOCAL).to_owned();
            Ok(Zone { rules: zone, name, is_assumed: false })
        }
        Err(error) => match (std::env::var_os("TZ"), Path::new(LOCALTIME).read_link()) {
            (None, Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(assumed(true)),
            // A link to a file that is not there, as on a machine without any zone.
            (None, Ok(link)) if link.ends_with(UTC) => Ok(assumed(false)),
            _ => {
                let next = "write the name of one, such as \"Europe/Berlin\"";
                Err(format!("the time zone of this machine cannot be read: {error}; {next}"))
            }
        },
    }
}

fn missing(name: &str) -> String {
    let zones: Vec<_> = tz::db().available().collect();
    if zones.is_empty() {
        return format!("there is no time zone `{name}`: this machine has none but UTC; install the package `tzdata`");
    }
    let distance = |zone: &str| strsim::damerau_levenshtein(&zone.to_lowercase(), &name.to_lowercase());
    let near = zones.iter().map(|zone| (distance(zone.as_str()), zone)).min_by_key(|(distance, _)| *distance);
    match near {
        Some((1..=3, zone)) => format!("there is no time zone `{name}`; did you mean `{zone}`?"),
        _ => format!("there is no time zone `{name}`; write an IANA name, such as \"Europe/Berlin\", or \"local\""),
    }
}
