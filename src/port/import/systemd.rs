//! Units of systemd: a service becomes a pool of one opaque worker; one that a timer begins, or that runs once, a processor.

use std::path::Path;

use toml::Value;

use super::super::draft::{Draft, Section};
use super::super::ini::{self, Dialect, Key};
use super::super::{Broken, Source, Surroundings};
use super::{broken, systemd_service, systemd_timer};

/// A unit as it was read.
pub(super) struct Unit<'s> {
    pub(super) source: &'s Source,
    /// Without its folder and ending.
    pub(super) name: String,
    sections: Vec<ini::Section>,
}

impl Unit<'_> {
    /// The keys of a section, in their order.
    pub(super) fn keys(&self, section: &str) -> impl Iterator<Item = &Key> {
        self.sections.iter().filter(move |found| found.name == section).flat_map(|found| &found.keys)
    }

    /// The last value of a key.
    pub(super) fn value(&self, section: &str, name: &str) -> Option<&str> {
        self.keys(section).filter(|key| key.name == name).last().map(|key| key.value.as_str())
    }

    /// Sections that mean something to another program, or none.
    fn others(&self) -> impl Iterator<Item = &ini::Section> {
        self.sections.iter().filter(|found| !matches!(found.name.as_str(), "Unit" | "Service" | "Timer" | "Install"))
    }
}

pub(in super::super) fn read(sources: &[Source], here: Surroundings<'_>, draft: &mut Draft) -> Result<(), Broken> {
    let mut services = Vec::new();
    let mut timers = Vec::new();
    for source in sources {
        let path = Path::new(&source.name);
        let sections = ini::read(&source.text, Dialect::Systemd).map_err(|fault| broken(source, fault))?;
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let is_timer = sections.iter().any(|section| section.name == "Timer");
        let unit = Unit { source, name, sections };
        if is_timer {
            timers.push(unit);
        } else if unit.keys("Service").next().is_some() {
            services.push(unit);
        } else {
            return Err(broken(source, (1, "it has neither [Service] nor [Timer]; name units of these".to_owned())));
        }
    }
    draft.let_workers_live();
    for unit in services.iter().chain(&timers) {
        for other in unit.others() {
            draft
                .top()
                .lose(format!("[{}] of `{}`", other.name, unit.name), "only services and timers have a like here");
        }
    }
    let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
    for service in &services {
        let timer = timers.iter().find(|timer| begun_by(timer) == service.name);
        let section = systemd_service::read(service, timer, &names, here, draft);
        let section = section.map_err(|fault| broken(service.source, fault))?;
        draft.sections.push(section);
    }
    for timer in timers.iter().filter(|timer| !names.contains(&begun_by(timer).as_str())) {
        let mut section = Section::new("processors", &timer.name);
        for key in timer.keys("Timer") {
            section.lose(key.written(), format!("name the unit that it begins, too: `{}.service`", begun_by(timer)));
        }
        draft.sections.push(section);
    }
    Ok(())
}

/// The service that a timer begins.
fn begun_by(timer: &Unit<'_>) -> String {
    let said = timer.value("Timer", "Unit").map(|unit| unit.trim_end_matches(".service").to_owned());
    said.unwrap_or_else(|| timer.name.clone())
}

/// Keys of [Unit] and [Install]: what a master has to do with is in the unit of the master.
pub(super) fn around(unit: &Unit<'_>, services: &[&str], section: &mut Section) {
    for key in unit.keys("Unit") {
        let written = key.written();
        match key.name.as_str() {
            "Description" if section.kind == "processors" => section.take(written, ("description", key.value.as_str())),
            "Description" | "Documentation" => {
                section.take(written, ());
                section.add(key.value.as_str(), ());
            }
            "After" | "Requires" | "Wants" | "BindsTo" | "Requisite" => {
                let named = key.value.split_whitespace().map(|name| name.trim_end_matches(".service"));
                let (ours, others): (Vec<&str>, Vec<&str>) = named.partition(|name| services.contains(name));
                if section.kind == "pools" && !ours.is_empty() {
                    let needs = section.value("needs").and_then(Value::as_array).cloned().unwrap_or_default();
                    let new =
                        ours.into_iter().map(Value::from).filter(|name| !needs.contains(name)).collect::<Vec<_>>();
                    section.take(written, ());
                    section.add("", ("needs", [needs, new].concat()));
                } else if others.iter().all(|name| name.ends_with(".target")) {
                    section.take(written, ());
                } else {
                    section.change(written, "write it in the unit of the master", ());
                }
            }
            // Of `restart`, see there.
            "StartLimitIntervalSec" | "StartLimitInterval" | "StartLimitBurst" => section.take(written, ()),
            _ => section.lose(written, "it can stand in the unit of the master, for all pools together"),
        }
    }
    for key in unit.keys("Install") {
        section.take(key.written(), ());
    }
    if let Some(timer) = unit.keys("Timer").next() {
        section.lose(timer.written(), "a service has no such section");
    }
}

/// The schedule of a timer.
pub(super) fn timer(timer: &Unit<'_>, section: &mut Section) {
    systemd_timer::read(timer, section);
    for key in timer.keys("Unit").chain(timer.keys("Install")) {
        section.take(key.written(), ());
    }
}
