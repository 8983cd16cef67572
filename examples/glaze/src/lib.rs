//! What goes on top of a muffin.

/// Whether this build can read a glaze from text.
pub const CAN_PARSE: bool = cfg!(feature = "parse");

/// A glaze.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glaze {
    Chocolate,
    Lemon,
    Sugar,
}

impl Glaze {
    /// Minutes until the glaze is firm.
    pub const fn setting_minutes(self) -> u32 {
        match self {
            Self::Chocolate => 20,
            Self::Lemon => 10,
            Self::Sugar => 5,
        }
    }
}

#[cfg(feature = "parse")]
impl std::str::FromStr for Glaze {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "chocolate" => Ok(Self::Chocolate),
            "lemon" => Ok(Self::Lemon),
            "sugar" => Ok(Self::Sugar),
            _ => Err(format!("unknown glaze `{name}`")),
        }
    }
}
