//! What the programs of this workspace share.

/// Words to greet somebody with.
#[must_use]
pub fn greeting(name: &str) -> String {
    let words = format!("Hello, {name}!");
    if cfg!(feature = "loud") {
        words.to_uppercase()
    } else {
        words
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn somebody_is_greeted() {
        assert!(super::greeting("you").to_lowercase().contains("you"));
    }
}
