use std::ffi::CString;

use rusqlite::{Connection, params};

use crate::{Allergens, Booking, Recipe, Time};

/// The bookings of a day, in a database in memory.
pub struct Plan {
    database: Connection,
}

/// A plan in numbers.
#[derive(Debug, PartialEq, Eq)]
pub struct Summary {
    pub bookings: u32,
    pub baking_minutes: u32,
    pub allergens: Allergens,
}

/// What can go wrong with a plan.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no recipe for `{0}`")]
    UnknownRecipe(String),
    #[error("oven {oven} is taken: {wanted} at {start} overlaps {taken} at {taken_from}")]
    Conflict {
        oven: u32,
        wanted: String,
        start: Time,
        taken: String,
        taken_from: Time,
    },
    #[error("no timetable: {0}")]
    Timetable(String),
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    #[error("{0} does not work")]
    Check(&'static str),
}

impl Plan {
    /// An empty plan.
    pub fn new() -> Result<Self, Error> {
        let database = Connection::open_in_memory()?;
        database.execute_batch(
            "CREATE TABLE booking (
                oven    INTEGER NOT NULL,
                start   INTEGER NOT NULL, -- minutes after midnight
                minutes INTEGER NOT NULL,
                recipe  TEXT    NOT NULL
            ) STRICT",
        )?;
        Ok(Self { database })
    }

    /// Adds a booking.
    ///
    /// With the feature `conflict-checker`, a booking whose oven is taken is an
    /// [`Error::Conflict`].
    pub fn book(&self, booking: &Booking) -> Result<(), Error> {
        let Some(recipe) = Recipe::find(&booking.recipe) else {
            return Err(Error::UnknownRecipe(booking.recipe.clone()));
        };
        #[cfg(feature = "conflict-checker")]
        self.refuse_conflict(booking, recipe)?;
        self.database.execute(
            "INSERT INTO booking VALUES (?1, ?2, ?3, ?4)",
            params![
                booking.oven,
                booking.start.minutes(),
                recipe.minutes,
                recipe.name
            ],
        )?;
        Ok(())
    }

    #[cfg(feature = "conflict-checker")]
    fn refuse_conflict(&self, booking: &Booking, recipe: &Recipe) -> Result<(), Error> {
        use rusqlite::OptionalExtension as _;

        let start = booking.start.minutes();
        let taken = self
            .database
            .query_row(
                "SELECT recipe, start FROM booking
                 WHERE oven = ?1 AND start < ?3 AND ?2 < start + minutes
                 ORDER BY start LIMIT 1",
                params![booking.oven, start, start + recipe.minutes],
                |row| Ok((row.get(0)?, Time::from_minutes(row.get(1)?))),
            )
            .optional()?;
        match taken {
            None => Ok(()),
            Some((taken, taken_from)) => Err(Error::Conflict {
                oven: booking.oven,
                wanted: booking.recipe.clone(),
                start: booking.start,
                taken,
                taken_from,
            }),
        }
    }

    /// The timetable of all ovens, earliest slot first.
    pub fn timetable(&self) -> Result<String, Error> {
        let slots = self
            .database
            .prepare(
                "SELECT start, minutes, recipe || ', oven ' || oven FROM booking ORDER BY oven",
            )?
            .query_map([], |row| {
                Ok(oven::Slot {
                    start: row.get(0)?,
                    minutes: row.get(1)?,
                    label: CString::new(row.get::<_, String>(2)?)?,
                })
            })?
            .collect::<Result<Vec<_>, _>>()?;
        oven::timetable(&slots).map_err(Error::Timetable)
    }

    /// The plan in numbers.
    pub fn summary(&self) -> Result<Summary, Error> {
        let (bookings, baking_minutes) = self.database.query_row(
            "SELECT count(*), coalesce(sum(minutes), 0) FROM booking",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let allergens = self
            .database
            .prepare("SELECT DISTINCT recipe FROM booking")?
            .query_map([], |row| row.get::<_, String>(0))?
            .try_fold(Allergens::empty(), |all, name| {
                name.map(|name| {
                    all | Recipe::find(&name).map_or(Allergens::empty(), |r| r.allergens)
                })
            })?;
        Ok(Summary {
            bookings,
            baking_minutes,
            allergens,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn booking(oven: u32, minutes: u32, recipe: &str) -> Booking {
        Booking {
            oven,
            start: Time::from_minutes(minutes),
            recipe: recipe.to_owned(),
        }
    }

    #[test]
    fn accepts_bookings_that_do_not_overlap() {
        let plan = Plan::new().unwrap();
        plan.book(&booking(1, 382, "oat muffin")).unwrap();
        plan.book(&booking(1, 360, "lemon muffin")).unwrap();
        plan.book(&booking(2, 361, "lemon muffin")).unwrap();
        assert_eq!(
            plan.timetable().unwrap(),
            "06:00-06:22 lemon muffin, oven 1\n\
             06:01-06:23 lemon muffin, oven 2\n\
             06:22-06:50 oat muffin, oven 1\n"
        );
        assert_eq!(
            plan.summary().unwrap(),
            Summary {
                bookings: 3,
                baking_minutes: 72,
                allergens: Allergens::EGG | Allergens::MILK
            }
        );
    }

    #[test]
    fn refuses_a_recipe_it_does_not_know() {
        let result = Plan::new().unwrap().book(&booking(1, 0, "beef muffin"));
        assert!(matches!(result, Err(Error::UnknownRecipe(_))));
    }

    #[test]
    fn conflicts_depend_on_the_feature() {
        let plan = Plan::new().unwrap();
        plan.book(&booking(1, 360, "lemon muffin")).unwrap();
        let result = plan.book(&booking(1, 381, "oat muffin"));
        if cfg!(feature = "conflict-checker") {
            assert_eq!(
                result.unwrap_err().to_string(),
                "oven 1 is taken: oat muffin at 06:21 overlaps lemon muffin at 06:00"
            );
        } else {
            result.unwrap();
        }
    }
}
