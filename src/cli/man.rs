//! `man`: the manual page in roff, of everything or of one verb.

use std::io::{self, Write};

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::args::Cli;
use super::args::help::find;
use super::output;
use crate::error::{Code, Error};

/// Where every page comes from.
const SOURCE: &str = concat!("queue-work ", env!("CARGO_PKG_VERSION"));

pub(crate) fn run(verb: &[String]) -> Result<Code, Error> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    if verb.is_empty() {
        whole(&command, &mut page).map_err(Error::stdout)?;
    } else {
        let found = find(&command, verb)?;
        Man::new(found.clone()).title(title(found)).source(SOURCE).render(&mut page).map_err(Error::stdout)?;
    }
    output::raw(&page).map(|()| Code::DONE)
}

fn title(command: &Command) -> String {
    command.get_bin_name().unwrap_or("queue-work").replace(' ', "-")
}

/// The page of the command, then each verb with a section of its own.
fn whole(command: &Command, out: &mut Vec<u8>) -> io::Result<()> {
    Man::new(command.clone()).render(out)?;
    for verb in verbs(command) {
        section(verb, out)?;
        for inner in verbs(verb) {
            section(inner, out)?;
        }
    }
    Ok(())
}

fn verbs(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help")
}

fn section(verb: &Command, out: &mut Vec<u8>) -> io::Result<()> {
    // The options of every verb stand once, at the beginning.
    let verb = &verb.clone().mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg });
    let man = Man::new(verb.clone());
    let mut body = Vec::new();
    man.render_description_section(&mut body)?;
    man.render_synopsis_section(&mut body)?;
    if verb.get_arguments().any(|a| !a.is_hide_set()) {
        man.render_options_section(&mut body)?;
    }
    writeln!(out, ".SH \"{}\"", verb.get_bin_name().unwrap_or_default().to_uppercase())?;
    // The sections of a verb are subsections of the whole page.
    for line in String::from_utf8_lossy(&body).lines() {
        match line.strip_prefix(".SH ") {
            Some(heading) => writeln!(out, ".SS {heading}")?,
            None => writeln!(out, "{line}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_verb_and_no_hidden_one() {
        let mut command = Cli::command();
        command.build();
        let mut page = Vec::new();
        whole(&command, &mut page).expect("written");
        let page = String::from_utf8(page).expect("UTF-8");
        for heading in [".SH \"QUEUE-WORK PUSH\"", ".SH \"QUEUE-WORK JOBS RETRY\"", ".SH \"QUEUE-WORK MAN\""] {
            assert!(page.contains(heading), "{heading}");
        }
        assert!(!page.contains("guardian"), "{page}");
        assert!(find(&command, &["jobs".into(), "wait".into()]).is_ok());
        assert!(find(&command, &["nonsense".into()]).is_err());
        assert!(find(&command, &["__worker".into()]).is_err());
    }
}
