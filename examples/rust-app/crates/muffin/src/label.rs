use crate::Allergens;

// The label printer's side, which still uses bitflags 1.
bitflags1::bitflags! {
    struct Printed: u8 {
        const EGG = 1;
        const MILK = 1 << 1;
        const NUT = 1 << 2;
        const SOY = 1 << 3;
    }
}

/// The text for a label, such as `EGG | MILK`.
pub fn label(allergens: Allergens) -> String {
    // `{:?}` is bitflags 1's own text form; bitflags 2 would add the type's name.
    format!("{:?}", Printed::from_bits_truncate(allergens.bits()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_have_the_same_bits() {
        assert_eq!(Printed::all().bits(), Allergens::all().bits());
        assert_eq!(label(Allergens::EGG | Allergens::SOY), "EGG | SOY");
    }
}
