//! Plans a bakery's day, and refuses conflicts.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use muffin::{Day, Plan};

/// Plans a bakery's day, and refuses conflicts.
#[derive(Parser)]
#[command(name = "foo", version = muffin::VERSION)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Try everything that the program is made of.
    Check,
    /// Print the timetable of a day's bookings.
    Plan { day: PathBuf },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Check => check(),
        Command::Plan { day } => plan(&day),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("foo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn check() -> Result<(), Box<dyn Error>> {
    for line in muffin::check()? {
        println!("{line}");
    }
    Ok(())
}

fn plan(day: &Path) -> Result<(), Box<dyn Error>> {
    let day = read(day)?;
    let plan = Plan::new()?;
    for booking in &day.bookings {
        plan.book(booking)?;
    }
    print!("{}", plan.timetable()?);
    Ok(())
}

fn read(file: &Path) -> Result<Day, Box<dyn Error>> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(text.parse()?)
}
