//! `neurotop man`: prints the manual page.

use super::output;
use crate::options::cli::Cli;
use clap::CommandFactory;
use clap_mangen::Man;
use std::io::Write;
use std::process::ExitCode;

/// Prints one page with a section for each subcommand.
pub(super) fn man() -> anyhow::Result<ExitCode> {
    let mut command = Cli::command();
    command.build();
    let page = Man::new(command.clone());
    let mut roff = Vec::new();
    page.render_title(&mut roff)?;
    page.render_name_section(&mut roff)?;
    page.render_synopsis_section(&mut roff)?;
    page.render_description_section(&mut roff)?;
    page.render_options_section(&mut roff)?;
    for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
        let heading = format!(".SH \"NEUROTOP {}\"\n", subcommand.get_name().to_uppercase());
        roff.write_all(heading.as_bytes())?;
        let page = Man::new(subcommand.clone());
        for render in [
            Man::render_synopsis_section,
            Man::render_description_section,
            Man::render_options_section,
            Man::render_extra_section,
        ] {
            let mut section = Vec::new();
            render(&page, &mut section)?;
            // The sections of a subcommand are one level lower.
            roff.write_all(String::from_utf8(section)?.replace(".SH ", ".SS ").as_bytes())?;
        }
    }
    page.render_extra_section(&mut roff)?;
    page.render_version_section(&mut roff)?;
    output::print_alone(&roff)
}
