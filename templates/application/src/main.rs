fn main() {
    let name = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "world".to_owned());
    println!("{}", greeting(&name));
}

fn greeting(name: &str) -> String {
    format!("Hello, {name}, from {}!", std::env::consts::OS)
}

#[cfg(test)]
mod tests {
    #[test]
    fn somebody_is_greeted() {
        assert!(super::greeting("you").starts_with("Hello, you, "));
    }
}
