//! Reports a bakery's day in numbers.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use muffin::{Day, Plan};
use serde::Serialize;

/// Reports a bakery's day in numbers.
#[derive(Parser)]
#[command(name = "bar", version = muffin::VERSION)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Try everything that the program is made of.
    Check,
    /// Print a day's bookings in numbers, as TOML.
    Report { day: PathBuf },
}

#[derive(Serialize)]
struct Report {
    bookings: u32,
    baking_minutes: u32,
    allergens: String,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Check => check(),
        Command::Report { day } => report(&day),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bar: {error}");
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

fn report(day: &Path) -> Result<(), Box<dyn Error>> {
    let day = read(day)?;
    let plan = Plan::new()?;
    for booking in &day.bookings {
        plan.book(booking)?;
    }
    let summary = plan.summary()?;
    print!(
        "{}",
        toml::to_string(&Report {
            bookings: summary.bookings,
            baking_minutes: summary.baking_minutes,
            allergens: muffin::label(summary.allergens),
        })?
    );
    Ok(())
}

fn read(file: &Path) -> Result<Day, Box<dyn Error>> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(text.parse()?)
}
