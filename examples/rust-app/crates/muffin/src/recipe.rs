use glaze::Glaze;

bitflags::bitflags! {
    /// What a recipe contains that not everyone may eat.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Allergens: u8 {
        const EGG = 1;
        const MILK = 1 << 1;
        const NUT = 1 << 2;
        const SOY = 1 << 3;
    }
}

/// How to bake a muffin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    pub name: &'static str,
    pub celsius: u32,
    pub minutes: u32,
    pub glaze: Option<Glaze>,
    pub allergens: Allergens,
}

// The build script wrote RECIPES.
include!(concat!(env!("OUT_DIR"), "/recipes.rs"));

impl Recipe {
    /// Finds a recipe by its name.
    pub fn find(name: &str) -> Option<&'static Self> {
        RECIPES.iter().find(|recipe| recipe.name == name)
    }

    /// Minutes from a cold oven to a firm glaze.
    pub fn total_minutes(&self) -> u32 {
        let heat_up = oven::heat_up_minutes(self.celsius).map_or(0, u32::from);
        let setting = self.glaze.map_or(0, Glaze::setting_minutes);
        heat_up + self.minutes + setting
    }
}

/// Whether glaze could parse in the build script, and whether it can here.
pub(crate) const GLAZE_CAN_PARSE: (bool, bool) = (HOST_GLAZE_CAN_PARSE, glaze::CAN_PARSE);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_come_from_the_data_file() {
        let lemon = Recipe::find("lemon muffin").unwrap();
        assert_eq!(lemon.glaze, Some(Glaze::Lemon));
        assert_eq!(lemon.allergens, Allergens::EGG | Allergens::MILK);
        assert_eq!(lemon.total_minutes(), 16 + 22 + 10);
        assert_eq!(Recipe::find("beef muffin"), None);
    }
}
