//! A bakery's recipes and its ovens' bookings.
//!
//! With the feature `conflict-checker` a [`Plan`] refuses a booking whose oven is
//! taken; without it, it accepts every booking.

mod booking;
mod check;
mod label;
mod plan;
mod process;
mod recipe;

pub use booking::{Booking, Day, Time};
pub use check::check;
pub use label::label;
pub use plan::{Error, Plan, Summary};
pub use process::process_id;
pub use recipe::{Allergens, RECIPES, Recipe};

/// Whether this muffin looks for conflicts.
pub const HAS_CONFLICT_CHECKER: bool = cfg!(feature = "conflict-checker");

/// The version, with a line that says which muffin this is.
pub const VERSION: &str = if HAS_CONFLICT_CHECKER {
    concat!(env!("CARGO_PKG_VERSION"), "\nmuffin: conflict-checker on")
} else {
    concat!(env!("CARGO_PKG_VERSION"), "\nmuffin: conflict-checker off")
};
