use crate::recipe::GLAZE_CAN_PARSE;
use crate::{
    Allergens, Booking, Error, HAS_CONFLICT_CHECKER, Plan, RECIPES, Time, label, process_id,
};

/// Tries everything that this library is made of, and returns a line for each part.
pub fn check() -> Result<Vec<String>, Error> {
    let plan = Plan::new()?;
    let mut conflicts = 0;
    for (oven, minutes) in [(1, 370), (2, 365), (1, 360)] {
        match plan.book(&lemon_muffin(oven, minutes)) {
            Ok(()) => {}
            Err(Error::Conflict { .. }) => conflicts += 1,
            Err(error) => return Err(error),
        }
    }

    ensure("sqlite", plan.summary()?.bookings + conflicts == 3)?;
    ensure("c++", sorts(&plan)? && catches_exceptions()?)?;
    ensure("c", knows_the_limit())?;
    ensure(
        "bitflags",
        label(Allergens::EGG | Allergens::NUT) == "EGG | NUT",
    )?;
    ensure("process id", process_id() == std::process::id())?;

    let (on_host, on_target) = GLAZE_CAN_PARSE;
    Ok(vec![
        format!("sqlite {} ok", rusqlite::version()),
        "c++ ok".to_owned(),
        format!("c ok, oven up to {} C", oven::MAX_CELSIUS),
        "bitflags 1 and 2 ok".to_owned(),
        "process id ok".to_owned(),
        format!("generated {} recipes", RECIPES.len()),
        format!(
            "glaze parser: host {}, target {}",
            on_off(on_host),
            on_off(on_target)
        ),
        format!(
            "conflict-checker {}: {conflicts} {}",
            on_off(HAS_CONFLICT_CHECKER),
            if conflicts == 1 {
                "conflict"
            } else {
                "conflicts"
            },
        ),
    ])
}

fn ensure(part: &'static str, works: bool) -> Result<(), Error> {
    if works {
        Ok(())
    } else {
        Err(Error::Check(part))
    }
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn lemon_muffin(oven: u32, minutes: u32) -> Booking {
    Booking {
        oven,
        start: Time::from_minutes(minutes),
        recipe: "lemon muffin".to_owned(),
    }
}

fn sorts(plan: &Plan) -> Result<bool, Error> {
    let timetable = plan.timetable()?;
    Ok(timetable.lines().count() >= 2 && timetable.lines().is_sorted())
}

fn catches_exceptions() -> Result<bool, Error> {
    let plan = Plan::new()?;
    plan.book(&lemon_muffin(1, 23 * 60 + 59))?;
    Ok(
        matches!(plan.timetable(), Err(Error::Timetable(reason)) if reason.ends_with("after midnight")),
    )
}

fn knows_the_limit() -> bool {
    oven::MAX_CELSIUS.parse().is_ok_and(|max: u32| {
        oven::heat_up_minutes(max).is_some() && oven::heat_up_minutes(max + 1).is_none()
    })
}
